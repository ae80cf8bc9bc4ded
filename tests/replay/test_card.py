"""The model card: two writers of one structure, the same bytes again, nothing refused is told."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from journal import Log, log_of_frame, write_log
from journal.frame import frame_of_log
from policies import BadInput, make
from policies.features import FEATURES, encode, parse_instant
from policies.spec import POLICIES
from replay import card
from replay.cards import Card
from replay.cards.about import PARAMETERS
from replay.cards.document import Facts, Table
from replay.cards.limits import NO_USERS
from replay.online.scorer import online_of
from serving.metrics import Metrics, Names
from sim.logs import generate

SPEC = "linucb:alpha=1.0,epsilon=0.2,lambda=1.0,arm=own,seed=0"
SECTIONS = (
    "Details", "Intended use", "Inputs", "Data", "Question answered", "Offline metrics",
    "Slices and fairness", "Online behaviour", "Drift", "Limits", "Rollout history",
    "How to reproduce",
)  # fmt: skip


@pytest.fixture(scope="module")
def tips() -> Log:
    return generate("mornings", 40, 6, make("random"), seed=3)


@pytest.fixture(scope="module")
def made(tips: Log) -> Card:
    return card(tips, SPEC, champion="epsilon-greedy", learn="logged", reference_log=tips)


def facts(made: Card, title: str) -> dict[str, str]:
    return {
        k: v for b in made.section(title).blocks if isinstance(b, Facts) for k, v in b.rows
    }  # fmt: skip


def table(made: Card, title: str, caption: str) -> Table:
    blocks = made.section(title).blocks
    return next(b for b in blocks if isinstance(b, Table) and b.caption.startswith(caption))


def bullets(made: Card, title: str) -> list[str]:
    return [item for b in made.section(title).blocks for item in getattr(b, "items", [])]


def test_every_section_is_there_in_both_writings(made: Card) -> None:
    assert [s.title for s in made.sections] == list(SECTIONS)
    text, page = made.markdown(), made.html()
    assert re.findall(r"^## (.*)$", text, re.M) == list(SECTIONS)
    assert re.findall(r"<h2 [^>]*>(.*?)</h2>", page) == list(SECTIONS)


def test_both_writings_say_the_same_words(made: Card) -> None:
    """Every cell, fact and sentence of the structure is in the Markdown and in the page."""

    class Words(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.text = ""

        def handle_data(self, data: str) -> None:
            self.text += data

    parsed = Words()
    parsed.feed(made.html())
    text = re.sub(r"\\(.)", r"\1", made.markdown())
    said = [made.headline, *made.warnings, *(t.figure for t in made.tiles)]
    for s in made.sections:
        for b in s.blocks:
            if isinstance(b, Table | Facts):
                said += [cell for row in b.rows for cell in row]
            else:
                said += [getattr(b, "text", ""), *getattr(b, "items", [])]
    assert len(said) > 200
    assert [w for w in said if w not in parsed.text] == []
    assert [w for w in said if w.replace("|", "/") not in text] == []


def test_the_hub_reads_it(made: Card) -> None:
    """`model-index` by huggingface_hub; the simulated log is marked in metadata and in words."""
    read = ModelCard(made.markdown())
    assert "synthetic-data" in read.data.tags
    results = read.data.eval_results
    assert results is not None
    row = next(
        row
        for entry in json.loads(made.files["metrics.json"])["policies"]
        for row in entry["estimates"]
        if entry["policy"] == SPEC and row["estimator"] == "auto"
    )
    assert results[0].metric_value == row["value"]
    assert results[0].dataset_type == "synthetic"
    assert results[0].dataset_args["synthetic"] is True
    assert {r.metric_name for r in results[1:]} == {
        f"difference to {x}, paired"
        for x in ("epsilon-greedy:epsilon=0.1,lambda=1.0,arm=own,seed=0", "random", "logged")
    }
    assert any("simulated" in item for item in bullets(made, "Limits"))
    assert any("Synthetic" in warning for warning in made.warnings)
    assert "SYNTHETIC" in facts(made, "Data")["kind"]


def test_the_same_command_gives_the_same_bytes_but_for_the_date(
    tips: Log, tmp_path: Path, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the card says of itself is run; every file is equal, the line of the date aside."""
    monkeypatch.chdir(tmp_path)
    write_log(tips, tmp_path / "log.parquet")
    first = run("card", "log.parquet", "--policy", SPEC, "--learn", "logged", "--out", "first")
    assert first.code == 0
    said = re.findall(r"^python -m replay (card .*)$", Path("first/card.md").read_text(), re.M)
    kept = {p.name: p.read_text("latin-1").splitlines() for p in Path("first").iterdir()}
    for path in Path("first").iterdir():
        path.unlink()
    assert run(*said[0].split()).code == 0
    again = {p.name: p.read_text("latin-1").splitlines() for p in Path("first").iterdir()}
    assert set(again) == {
        "card.md", "card.html", "metrics.json", "slices.json", "estimates.png", "slices.png",
    }  # fmt: skip
    for name, lines in kept.items():
        dated = [line for line in lines if re.match(r'(<p class="made">)?Made \d{4}-', line)]
        assert len(dated) == (name in ("card.md", "card.html"))
        assert [x for x in lines if x not in dated] == [
            x for x in again[name] if not re.match(r'(<p class="made">)?Made \d{4}-', x)
        ]


def test_the_belief_comes_before_the_figures(made: Card) -> None:
    blocks = made.section("Offline metrics").blocks
    assert getattr(blocks[0], "text", "").startswith("Believe ")
    rows = table(made, "Offline metrics", "Estimates").rows
    assert {r[0] for r in rows} == {
        SPEC, "random", "epsilon-greedy:epsilon=0.1,lambda=1.0,arm=own,seed=0",
    }  # fmt: skip
    paired = table(made, "Offline metrics", "Differences").rows
    assert {r[0] for r in paired} == {"to logged", "to random", f"to {rows[5][0]}"}


def test_what_was_not_measured_is_said(made: Card) -> None:
    limits = bullets(made, "Limits")
    assert "latency and fallbacks were not measured" in limits
    assert "no gate was held for this card" in limits
    assert "Not measured" in made.section("Online behaviour").blocks[0].text
    assert any("value if deployed was not measured" in item for item in limits)


def test_inputs_are_the_one_table(made: Card) -> None:
    """Names, ranges and missing rules of policies/features.py; the rules hold."""
    rows = table(made, "Inputs", "Features").rows
    assert [r[0] for r in rows] == [f.name for f in FEATURES]
    assert [r[3] for r in rows] == [f.missing for f in FEATURES]
    assert all(f.meaning for f in FEATURES)
    empty = encode({}, parse_instant("2026-01-05T12:00:00Z", "now"))
    for f, value in zip(FEATURES, empty, strict=True):
        if f.missing != "refused":
            assert value == 0
            assert ": 0" in f.missing


@pytest.mark.parametrize("name", POLICIES)
def test_every_parameter_is_explained(name: str) -> None:
    policy: Any = make(name)
    assert {f.name.rstrip("_") for f in fields(policy)} <= set(PARAMETERS)


def test_refused_figures_are_not_told(tips: Log) -> None:
    """A deterministic logger: nothing is in the index, and the headline says why."""
    frame = frame_of_log(tips).drop(columns=["digest", "pmf"])
    frame["pscore"] = 1.0
    made = card(log_of_frame(frame, features="tip-v1"), "random")
    assert "model-index" not in made.metadata
    assert ModelCard(made.markdown()).data.eval_results is None
    assert made.headline.startswith("This log cannot tell how good the policy is: deterministic")
    assert made.tiles[0].figure == "refused"
    assert made.section("Offline metrics").blocks[0].text.startswith("Believe no row")
    assert "the logger was deterministic" in facts(made, "Data")["propensities"]


def test_real_data_without_users_says_so(shared: Path) -> None:
    """The Open Bandit Dataset: a card of real data, with its limit."""
    made = card(f"obd:{shared}/data/obd/random/men", "linucb", learn="logged")
    assert NO_USERS == "no user ids: rows treated as independent"
    assert NO_USERS in bullets(made, "Limits")
    assert "synthetic-data" not in made.metadata["tags"]
    assert ModelCard(made.markdown()).data.eval_results[0].dataset_type == "logged-decisions"
    assert facts(made, "Data")["people"].startswith("unknown")


def test_what_a_scorer_measured(tips: Log, tmp_path: Path) -> None:
    """The text is that of the scorer's own counters."""
    counters = Metrics(["/score", "/reward"], Names(["random"]))
    for seconds in [0.0008] * 96 + [0.004] * 3 + [9.0]:
        counters.took("/score", seconds)
    counters.add("decisions_total", 90, policy="random")
    counters.add("decisions_total", 7, policy="elsewhere")
    counters.add("requests_total", 97, endpoint="/score", status="200")
    counters.add("requests_total", 2, endpoint="/score", status="503")
    counters.add("requests_total", 1, endpoint="/score", status="400")
    path = tmp_path / "metrics.txt"
    path.write_text(counters.text({"ready": ("whether it is", 1.0)}))
    found = online_of(path)
    assert found.requests == 100
    assert found.latency_ms == ((0.5, 1.0), (0.5, 1.0), (2.0, 5.0))
    assert (found.fallbacks, found.failed, found.refused) == (7, 2, 1)
    made = card(tips, "random", metrics=str(path))
    told = facts(made, "Online behaviour")
    assert told["latency, 99% of requests"] == "within 5 ms, over 2 ms"
    assert told["fallbacks: decided elsewhere"] == "7"
    assert [t.figure for t in made.tiles if t.label == "latency p99"] == ["within 5 ms"]


def test_gate_experiment_and_rollouts_are_quoted(tips: Log, tmp_path: Path) -> None:
    gate = {"passed": False, "champion": SPEC, "challenger": "random", "at": "2026-01-02T00:00:00Z",
            "log": {"sha256": "0" * 64}, "notices": ["rules were changed: margin -1.0"],
            "rules": [{"rule": "margin", "threshold": 0.0, "figure": -0.1, "verdict": "FAIL",
                       "reason": "lower <b>bound</b> | below"}]}  # fmt: skip
    (tmp_path / "gate.json").write_text(json.dumps(gate))
    tried = {"experiment": "e1", "question": "value if deployed", "differences": [
        {"variant": "b", "against": "a", "value": 0.25, "anytime": [0.1, 0.4]},
    ]}  # fmt: skip
    (tmp_path / "experiment.json").write_text(json.dumps(tried))
    line = {"at": "2026-01-03T00:00:00Z", "by": "ann", "from": None, "to": "v1", "why": "first",
            "evidence": {"passed": True}}  # fmt: skip
    (tmp_path / "rollouts.jsonl").write_text(json.dumps(line) + "\n" + '{"at": "torn')
    made = card(tips, "random", gate=str(tmp_path / "gate.json"), registry=str(tmp_path),
                experiment=str(tmp_path / "experiment.json"))  # fmt: skip
    limits = bullets(made, "Limits")
    assert "the gate refused it" in limits
    assert "the gate judged another log than this one" in limits
    assert "gate: rules were changed: margin -1.0" in limits
    assert "the experiment is of other policies than this one" in limits
    assert any("value if deployed was not measured" in x for x in limits)
    tried["variants"] = [{"variant": v, "policies": [p]} for v, p in (("a", SPEC), ("b", "random"))]
    (tmp_path / "experiment.json").write_text(json.dumps(tried))
    ours = card(tips, "random", experiment=str(tmp_path / "experiment.json"))
    assert not any("if deployed was not measured" in x or "of other policies" in x
                   for x in bullets(ours, "Limits"))  # fmt: skip
    assert table(made, "Rollout history", "Changes").rows[0][1] == "ann"
    assert len(table(made, "Rollout history", "Changes").rows) == 1
    assert table(made, "Question answered", "Differences of the exp").rows[0][2:4] == [
        "0.25", "[0.1, 0.4]",
    ]  # fmt: skip
    page = made.html()
    assert "<b>bound" not in page
    assert "lower &lt;b&gt;bound" in page
    row = next(x for x in made.markdown().splitlines() if x.startswith("| margin"))
    assert row.count(" | ") == 4


def test_both_questions_of_a_simulated_log(tips: Log) -> None:
    made = card(tips, "random", deployed=True)
    truths = table(made, "Question answered", "Both questions").rows
    assert [r[0] for r in truths] == ["random"]
    assert -1 <= float(truths[0][1]) <= 1


def test_the_page_stands_alone(made: Card) -> None:
    """No script, no address of anything outside; tags are closed."""
    page = made.html()
    assert "<script" not in page
    assert "@import" not in page
    assert {m[:5] for m in re.findall(r'(?:src|href)="([^"]*)"', page)} <= {
        "data:", *(f"#{s.anchor}"[:5] for s in made.sections),
    }  # fmt: skip
    assert "url(" not in page
    assert page.count("<section") == page.count("</section>") == len(SECTIONS)
    for tag in ("table", "details", "figure", "ul", "ol", "dl", "p", "li"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>"), tag


def test_hostile_names_stay_text(tips: Log) -> None:
    """Ids of a log cannot write tags, rows or metadata of their own."""
    frame = frame_of_log(tips).drop(columns=["digest"])
    evil = "<img src=x onerror=alert(1)>|\n---\ntags: [a]\n# h"
    frame["arms"] = [[evil if a == "work" else a for a in arms] for arms in frame["arms"]]
    made = card(log_of_frame(frame), "random", name="a: b\n# c <i>")
    assert "<img src=x" not in made.html()
    text = made.markdown()
    assert ModelCard(text).data.tags[0] == "contextual-bandit"
    assert not re.search(r"(?<!\\)<img", text)
    assert len(re.findall(r"^# ", text, re.M)) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--champion", "random"], "must be another policy than --policy"),
        (["--gate", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--gate", "list.json"], "must be a gate.json"),
        (["--gate", "empty.json"], "must be a gate.json"),
        (["--gate", "others.json"], "must be of this policy, random"),
        (["--gate", "torn.json"], "contradicts itself"),
        (["--experiment", "empty.json"], "must be an experiment.json"),
        (["--registry", "list.json"], "must be a registry's directory"),
        (["--registry", "bad"], "rollouts.jsonl line 1"),
        (["--metrics", "list.json"], "needs the histogram"),
        (["--reference-log", "nowhere"], "nowhere"),
        (["--deployed"], "--deployed needs a simulated log"),
        (["--level", "0"], "--level"),
    ],
)
def test_bad_usage_is_one_line(
    file: Path, refused: Callable, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.chdir(file.parent)
    Path("list.json").write_text("[]")
    Path("empty.json").write_text("{}")
    others = {"passed": True, "champion": "random", "challenger": SPEC, "rules": []}
    Path("others.json").write_text(json.dumps(others))
    failed = {"challenger": "random", "rules": [{"rule": "margin", "verdict": "FAIL"}]}
    Path("torn.json").write_text(json.dumps({**others, **failed}))
    Path("bad").mkdir()
    Path("bad/rollouts.jsonl").write_text("none\n")
    assert said in refused("card", file, "--policy", "random", "--out", "card", *options)


def test_a_log_that_tells_nothing_has_no_card(tips: Log) -> None:
    one = tips.take(np.flatnonzero(tips.user == 0))
    bare = frame_of_log(one).drop(columns=["digest", "pmf", "pscore"])
    with pytest.raises(BadInput, match="nothing that a card needs can be computed"):
        card(log_of_frame(bare, features="tip-v1"), "random")
