"""The gate: planted winners pass, planted losers do not, and every rule can refuse alone."""

import json
import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import Log, read_log, write_log
from policies import BadInput, canonical, make
from policies.draw import uniform
from policies.prior import know
from replay import evaluate, gate, train
from replay.online.scorer import online_of
from replay.priors.training import train_prior
from replay.release import gate_latency, gate_report
from replay.release.gate_rules import Rules, default_rules, rules_of
from replay.studies.gate_world import START, ByFeature, Life, live, log_of_life, names
from serving.app import ENDPOINTS
from serving.metrics import Metrics, Names

OLD, NEW = canonical(ByFeature(3)), canonical(ByFeature(4))
SHAPE = (40, 14, 2)
DAY = 86_400_000_000  # microseconds
DOCS = Path(__file__).parents[2] / "docs"


def world(gain: float, shape: tuple[int, int, int] = SHAPE, seed: int = 3) -> Log:
    """A log of the champion `OLD` where `NEW` gains so much per decision, with everybody."""
    rng = np.random.default_rng(seed)
    return log_of_life(lived(rng, shape, gain), rng, OLD, 0.4)


def lived(rng: np.random.Generator, shape: tuple[int, int, int], gain: float) -> Life:
    """With the actions that the ids draw, as a server draws them."""
    act = np.array([uniform("act", 0, name) for name in names(shape)])
    return live(rng, shape, 0.4, 0.4, gain, 0.0, act.reshape(shape))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer decisions are timed than by default."""
    monkeypatch.setattr(gate_latency, "DECISIONS", 60)


@pytest.fixture(scope="module")
def winner() -> Log:
    return world(0.2)


@pytest.fixture(scope="module")
def loser() -> Log:
    return world(-0.2)


def failed(log: Log, rules: dict[str, Any] | None = None, **given: Any) -> set[str]:
    found = gate(log, OLD, NEW, rules=rules, **given)
    assert found.passed == (not found.failed)
    return set(found.failed)


def finding(log: Log, rule: str, rules: dict[str, Any] | None = None, **given: Any) -> Any:
    found = gate(log, OLD, NEW, rules=rules, **given)
    return next(f for f in found.findings if f.rule == rule)


def test_a_gate_says_what_was_chosen_for_it(winner: Log) -> None:
    """Rules that are not the default's, and a part of the log: in the notices of every report."""
    assert not [n for n in gate(winner, OLD, NEW).notices if "changed" in n or "part" in n]
    since = datetime.fromtimestamp(int(winner.decided_at.min()) / 1e6, UTC).isoformat()
    found = gate(winner, OLD, NEW, rules={"margin": -0.5, "min_ess": 0}, since=since)
    said = "\n".join(found.notices)
    assert (
        "rules were changed: margin -0.5 (by default 0.0), min_ess 0.0 (by default 200.0)" in said
    )
    assert f"a part of the log was judged, since {since}:" in said
    assert all(n in gate_report.summary(found) for n in found.notices)


def test_a_planted_winner_passes(winner: Log, tmp_path: Path, run: Callable) -> None:
    """Exit 0, a line a rule, the last line says it; the folder holds the same."""
    write_log(winner, tmp_path / "log.parquet")
    out = tmp_path / "out"
    done = run("gate", tmp_path / "log.parquet", "--champion", OLD, "--challenger", NEW,
               "--out", out)  # fmt: skip
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[-1] == "passed"
    kept = json.loads((out / "gate.json").read_text())
    assert [line.split()[0] for line in lines[:-2]] == ["pass"] * (len(kept["rules"]) - 1)
    assert lines[-2].startswith("not judged")
    assert (kept["passed"], kept["champion"], kept["challenger"]) == (True, OLD, NEW)
    assert kept["log"]["sha256"] == read_log(tmp_path / "log.parquet").sha256
    assert kept["log"]["decisions"] == math.prod(SHAPE)
    assert kept["looked"]["looks"] == "any"
    assert {p.name for p in out.iterdir()} == {"gate.json", "gate.md"}
    assert "# Gate: passed" in (out / "gate.md").read_text()


def test_a_planted_loser_is_refused(loser: Log, tmp_path: Path, run: Callable) -> None:
    """Exit 1, not 0 and not 2; `--json` is one object of finite numbers."""

    def refuse(text: str) -> None:
        raise AssertionError(text)

    write_log(loser, tmp_path / "log.parquet")
    asked = ("gate", tmp_path / "log.parquet", "--champion", OLD, "--challenger", NEW)
    done = run(*asked)
    assert done.code == 1
    assert done.out.splitlines()[-1] == "refused"
    done = run(*asked, "--json")
    assert done.code == 1
    told = json.loads(done.out, parse_constant=refuse)
    assert told["passed"] is False
    wrong = {rule["rule"] for rule in told["rules"] if rule["verdict"] == "FAIL"}
    assert wrong == {"margin", "slice_floor"}


@pytest.mark.parametrize(
    ("rule", "rules"),
    [
        ("margin", {"margin": 0.5}),
        ("min_ess", {"min_ess": 1e6}),
        ("min_users", {"min_users": 41}),
        ("latency_p99_ms", {"latency_p99_ms": 1e-6}),
        ("served_p99_ms", {"served": "required"}),
    ],
)
def test_a_rule_alone_refuses(winner: Log, rule: str, rules: dict[str, Any]) -> None:
    assert failed(winner, rules) == {rule}


def test_the_margin_is_the_interval_of_evaluate(winner: Log) -> None:
    """At the two-sided level that leaves 5% above the lower bound."""
    found = evaluate(
        winner, NEW, against=OLD, estimators=("snips",), interval="anytime", level=0.9
    ).differences[0]
    ours = finding(winner, "margin")
    assert ours.low == pytest.approx(found.low, rel=1e-9)
    assert ours.figure == pytest.approx(found.value, rel=1e-9)
    assert "margin" in failed(winner, {"margin": ours.low})
    assert failed(winner, {"margin": ours.low - 1e-9}) == set()


def test_a_verdict_can_be_asked_to_be_reliable() -> None:
    """15 people are `caution`: it passes by default, and not where `reliable` is asked for."""
    few = world(0.2, (15, 21, 4))
    least = {"min_users": 10}
    assert failed(few, least) == set()
    assert failed(few, {**least, "verdict": "reliable"}) == {"verdict"}
    assert "few users" in finding(few, "verdict", least).reason


def test_support_alone_refuses(winner: Log, replaced: Callable) -> None:
    """Part of the challenger's choices could never be logged."""
    pmf = winner.pmf.reshape(-1, 2).copy()
    sure = np.flatnonzero(pmf[np.arange(len(pmf)), winner.action] > 0.5)[::60]
    pmf[sure] = np.eye(2)[winner.action[sure]]
    names = np.array([OLD] * len(pmf), dtype=object)
    names[sure] = "theirs"
    log = replaced(winner, "pmf", pmf.tolist())
    log = replaced(log, "pscore", pmf[np.arange(len(pmf)), winner.action])
    log = replaced(log, "policy", names.tolist())
    lenient = {"audit": "if-possible"}
    assert failed(log, lenient) == set()
    found = finding(log, "min_support", {**lenient, "min_support": 1.0})
    assert 0.99 < found.figure < 1
    assert failed(log, {**lenient, "min_support": 1.0}) == {"min_support"}


def test_a_harmed_slice_refuses_what_gains_on_average() -> None:
    """Mornings lose; a floor below the loss lets it pass; the line names the slice."""
    rng = np.random.default_rng(5)
    shape = (60, 21, 2)
    life, harm = lived(rng, shape, 0.3), lived(np.random.default_rng(5), shape, -0.12)
    assert np.array_equal(life.taken, harm.taken)  # the same draws, other rewards
    reward = life.reward.copy()
    reward[:, :, 0] = harm.reward[:, :, 0]
    log = log_of_life(replace(life, reward=reward), rng, OLD, 0.4)
    assert failed(log) == {"slice_floor"}
    found = finding(log, "slice_floor")
    assert "hour=06-12" in found.reason
    assert found.figure < 0
    assert failed(log, {"slice_floor": 0.3}) == set()


def test_small_slices_are_named_and_not_judged(winner: Log) -> None:
    """Of 20 people no slice can be judged: the rule counts neither way."""
    few = winner.take(np.isin(winner.user, np.arange(20)))
    found = finding(few, "slice_floor")
    assert found.verdict == "not judged"
    assert "too small to be judged: " in found.reason


def test_what_was_trained_on_this_log_is_refused(winner: Log) -> None:
    """States, whoever starts from them; not where only later decisions are judged."""
    middle = START + 7 * DAY
    states = train(winner, until=middle)
    assert failed(winner, state=states) == {"not_trained", "verdict"}
    later = finding(winner, "not_trained", state=states, since=middle + DAY)
    assert later.verdict == "pass"


def test_a_prior_trained_on_this_log_is_refused(log: Log) -> None:
    """The spec names the prior, and the prior knows the log."""
    prior = train_prior(log)
    know(prior.text, "test")
    found = gate(log, "random", f"linucb:prior={prior.name}")
    assert "not_trained" in found.failed
    assert prior.name in found.challenger
    plain = gate(log, "random", "linucb")
    assert "not_trained" not in plain.failed


def test_a_log_that_was_tampered_with_fails_the_audit(log: Log, replaced: Callable) -> None:
    """One answer made better; then a value that no log may hold: refused, not bad input."""
    assert finding_of(gate(log, "random", "linucb"), "audit").verdict == "pass"
    reward = [None if math.isnan(r) else r for r in log.reward]
    first = next(i for i, r in enumerate(reward) if r == -1)
    edited = replaced(log, "reward", [*reward[:first], 1.0, *reward[first + 1 :]])
    assert "digest does not match" in finding_of(gate(edited, "random", "linucb"), "audit").reason
    broken = gate(replaced(log, "reward", [*reward[:first], 9.0, *reward[first + 1 :]]),
                  "random", "linucb")  # fmt: skip
    assert broken.failed == ["audit"]
    others = {f.verdict for f in broken.findings if f.rule != "audit"}
    assert others == {"not judged"}
    json.dumps(broken.to_dict(), allow_nan=False)


def finding_of(found: Any, rule: str) -> Any:
    return next(f for f in found.findings if f.rule == rule)


def test_a_foreign_log_cannot_be_audited(winner: Log, replaced: Callable) -> None:
    """Required: refused. If possible: not judged, and said."""
    foreign = replaced(winner, "policy", ["theirs"] * len(winner))
    assert failed(foreign) == {"audit"}
    found = finding(foreign, "audit", {"audit": "if-possible"})
    assert found.verdict == "not judged"
    assert "impossible: " in found.reason
    assert failed(foreign, {"audit": "if-possible"}) == set()


def test_there_is_no_look_before_day_7(winner: Log) -> None:
    """The lower bound is not known yet; an interval for one look says that it is for one."""
    early = winner.take(winner.decided_at < START + 5 * DAY)
    assert "the first look is on day 7" in finding(early, "margin").reason
    found = gate(early, OLD, NEW, rules={"interval": "cluster-t"})
    assert finding_of(found, "margin").verdict == "pass"
    assert found.to_dict()["looked"]["looks"] == "one"


def test_a_served_latency_is_read_from_metrics(winner: Log, tmp_path: Path) -> None:
    """The histogram of the scorer itself; p99 counts as its bucket's upper bound."""
    metrics = Metrics(ENDPOINTS, Names([NEW]))
    for seconds in [0.0008] * 985 + [0.004] * 15:
        metrics.took("/score", seconds)
    metrics.took("/reward", 3.0)
    metrics.add("decisions_total", 1000, policy=NEW)
    path = tmp_path / "metrics.txt"
    path.write_text(metrics.text({"up": ("Whether.", 1.0)}))
    told = online_of(path)
    assert told.requests == 1000
    assert told.latency_ms[-1] == (2.0, 5.0)
    assert told.decisions == {NEW: 1000, "elsewhere": 0}
    found = finding(winner, "served_p99_ms", metrics=path)
    assert (found.verdict, found.figure) == ("pass", 5.0)
    assert failed(winner, {"served_p99_ms": 4}, metrics=path) == {"served_p99_ms"}
    metrics.took("/score", 9.0)
    for _ in range(30):
        metrics.took("/score", 9.0)
    path.write_text(metrics.text({}))
    slow = finding(winner, "served_p99_ms", {"served_p99_ms": 1e6}, metrics=path)
    assert (slow.verdict, slow.figure) == ("FAIL", None)


def test_the_printed_rules_are_the_defaults(run: Callable) -> None:
    """As a file to start from; the same in docs/gate.md."""
    done = run("gate", "--print-rules")
    assert done.code == 0
    assert done.out == default_rules()
    assert tomllib.loads(done.out) == asdict(Rules())
    assert rules_of(tomllib.loads(done.out)) == Rules()
    page = (DOCS / "gate.md").read_text()
    assert re.findall(r"```toml\n(.*?)```", page, re.S) == [default_rules()]
    with pytest.raises(BadInput, match="level: must be between"):
        rules_of(Rules(level=0.3))


def test_all_but_the_clock_is_the_same_again(winner: Log) -> None:
    """Latency and the time of the run apart."""

    def still() -> dict[str, Any]:
        told = gate(winner, OLD, NEW).to_dict()
        del told["at"]
        told["rules"] = [r for r in told["rules"] if r["rule"] != "latency_p99_ms"]
        return told

    assert still() == still()


def test_a_report_that_cannot_be_written_leaves_nothing(
    winner: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files are made before one is written."""
    found = gate(winner, OLD, NEW)
    with monkeypatch.context() as patched:
        patched.setattr(gate_report, "summary", lambda _: "\ud800")
        with pytest.raises(UnicodeEncodeError):
            found.report(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found.report(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "gate.json").read_text()) == json.loads(
        json.dumps(found.to_dict())
    )


def test_decisions_are_timed_with_what_was_learned(log: Log) -> None:
    """A policy that learns is timed on its states; every policy has a positive time."""
    found = gate(log, "random", "linucb", learn="logged", rules={"latency_p99_ms": 1e5})
    timed = finding_of(found, "latency_p99_ms")
    assert timed.verdict == "pass"
    assert timed.figure > 0
    assert make(found.challenger) == make("linucb")
