"""The command line: help with examples, JSON alone on stdout, results folders, exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from journal import Log, log_of_frame, write_log
from journal.frame import frame_of_log
from journal.states import read_states
from policies.state import to_json

LEARNER = "linucb:alpha=1,epsilon=0.05"
EVALUATE = ("--policy", "random", "--policy", LEARNER, "--against", "logged", "--learn", "logged")
COMMANDS = ("validate", "audit", "train", "evaluate")
PNG = b"\x89PNG\r\n\x1a\n"


def test_help_in_a_process_of_its_own(spawn: Callable) -> None:
    done = spawn("--help")
    assert (done.code, done.err) == (0, "")
    assert all(command in done.out for command in COMMANDS)


def test_no_command_at_all_is_told_what_there_is(run: Callable) -> None:
    done, asked = run(), run("--help")
    assert (done.code, done.out) == (2, "")
    assert done.err.strip() == asked.out.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(run: Callable, command: str) -> None:
    done = run(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Example: python -m replay {command} " in done.out


def test_json_is_one_object_and_nothing_else(file: Path, spawn: Callable) -> None:
    done = spawn("evaluate", file, *EVALUATE, "--json")
    assert done.code == 0
    found, end = json.JSONDecoder().raw_decode(done.out)
    assert done.out[end:].strip() == ""
    assert [p["policy"] for p in found["policies"]] == [
        "random",
        "linucb:alpha=1.0,epsilon=0.05,lambda=1.0,arm=own,seed=0",
    ]
    assert found["log"]["path"] == str(file)
    assert all(line.startswith("note: ") for line in done.err.splitlines())


@pytest.mark.parametrize("learn", ["none", "logged", "replay"])
def test_options_reach_the_evaluation(file: Path, run: Callable, learn: str) -> None:
    options = ("--estimators", "dr, ips", "--level", "0.8", "--learn", learn)
    found = run("evaluate", file, "--policy", LEARNER, *options, "--json").json
    (entry,) = found["policies"]
    assert (entry["learn"], found["differences"]) == (learn, [])
    assert [row["estimator"] for row in entry["estimates"]] == ["dr", "ips"]
    assert {row["level"] for row in entry["estimates"]} == {0.8}


def test_a_higher_level_is_a_wider_interval(file: Path, run: Callable) -> None:
    spans = []
    for level in (0.5, 0.9, 0.99):
        found = run("evaluate", file, "--policy", "random", "--level", level, "--json").json
        row = found["policies"][0]["estimates"][0]
        spans.append(row["high"] - row["low"])
    assert spans == sorted(spans)
    assert spans[0] < spans[-1]


def test_people_are_told_the_question_and_the_verdicts(file: Path, run: Callable) -> None:
    done = run("evaluate", file, *EVALUATE)
    assert done.code == 0
    assert "Question: value on logged contexts." in done.out
    assert "Value if deployed" in done.out
    assert "valid interval" in done.out


def test_unreliable_numbers_are_refused_to_people_and_kept_in_json(
    lives: Callable, run: Callable, tmp_path: Path
) -> None:
    write_log(lives(users=2, decisions=5).log(), tmp_path / "small.parquet")
    command = ("evaluate", tmp_path / "small.parquet", "--policy", "random", "--estimators", "ips")
    (row,) = run(*command, "--json").json["policies"][0]["estimates"]
    assert row["verdict"] == "unreliable"
    assert row["value"] is not None
    said = run(*command).out
    assert "refused" in said
    assert f"{row['value']:.4f}" not in said


def test_a_deterministic_log_ends_well_with_nulls(
    lives: Callable, run: Callable, tmp_path: Path
) -> None:
    write_log(lives("linucb:epsilon=0", users=25).log(), tmp_path / "log.parquet")
    done = run("evaluate", tmp_path / "log.parquet", "--policy", "random", "--json")
    assert done.code == 0
    rows = {row["estimator"]: row for row in done.json["policies"][0]["estimates"]}
    assert [name for name, row in rows.items() if row["value"] is None] == [
        "auto", "ips", "snips", "dr"
    ]  # fmt: skip
    assert all(row["reasons"] for row in rows.values())


def test_nothing_that_can_be_computed_is_bad_input(
    lives: Callable, refused: Callable, tmp_path: Path
) -> None:
    write_log(lives("linucb:epsilon=0", users=25).log(), tmp_path / "log.parquet")
    command = ("evaluate", tmp_path / "log.parquet", "--policy", "random", "--estimators", "ips")
    line = refused(*command, "--json", "--out", tmp_path / "results")
    assert "nothing that was asked for can be computed, found 'deterministic logger" in line


def test_the_results_folder(file: Path, run: Callable) -> None:
    out = file.parent / "deep" / "results"
    done = run("evaluate", file, *EVALUATE, "--json", "--out", out)
    assert json.loads((out / "metrics.json").read_text()) == done.json
    names = sorted(path.name for path in out.iterdir())
    assert names == ["estimates.png", "learning.png", "metrics.json", "summary.md", "weights.png"]
    for path in out.glob("*.png"):
        assert path.read_bytes().startswith(PNG)
    summary = (out / "summary.md").read_text()
    assert "**value on logged contexts**" in summary
    assert done.json["log"]["sha256"][:16] in summary
    assert all(f"| {p['policy']} |" in summary for p in done.json["policies"])


def test_a_file_named_like_a_formula_is_a_label(file: Path, log: Log, run: Callable) -> None:
    where = file.parent / r"a$\x$ {b}_^.parquet"
    pq.write_table(log.table.select(["decision_id", "pmf"]), where)
    done = run("evaluate", file, "--pmf", where, "--json", "--out", file.parent / "results")
    assert done.code == 0
    assert done.json["policies"][0]["policy"] == f"pmf:{where}"
    assert len(list((file.parent / "results").glob("*.png"))) == 3


def test_the_same_run_gives_the_same_bytes(file: Path, run: Callable, spawn: Callable) -> None:
    """Again in this process, in another, and over an older folder."""
    out = file.parent / "results"
    run("evaluate", file, *EVALUATE, "--out", out)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert spawn("evaluate", file, *EVALUATE, "--out", out).code == 0
    again = {path.name: path.read_bytes() for path in out.iterdir()}
    assert again.keys() == first.keys()
    assert again["metrics.json"] == first["metrics.json"]
    assert again["summary.md"] == first["summary.md"]


def test_formats_and_parts_give_the_same_estimates(log: Log, run: Callable, tmp_path: Path) -> None:
    """Parquet, Arrow and a directory of both are one log."""
    write_log(log, tmp_path / "log.parquet")
    write_log(log, tmp_path / "log.arrow")
    (tmp_path / "parts").mkdir()
    write_log(log.take(np.arange(100)), tmp_path / "parts" / "1.parquet")
    write_log(log.take(np.arange(100, len(log))), tmp_path / "parts" / "2.arrow")
    found = [
        run("evaluate", tmp_path / name, *EVALUATE, "--json").json
        for name in ("log.parquet", "log.arrow", "parts")
    ]
    for other in found[1:]:
        assert other["policies"] == found[0]["policies"]
        assert other["differences"] == found[0]["differences"]


def test_validate_says_what_a_log_can_answer(file: Path, log: Log, run: Callable) -> None:
    said = run("validate", file)
    assert (said.code, said.err) == (0, "")
    assert f"{len(log)} decisions of 40 users, 2 to 6 candidates each" in said.out
    assert "can answer: audit: the log has all it needs" in said.out
    found = run("validate", file, "--json").json
    assert found.keys() == {"facts", "can", "cannot", "advice", "findings"}
    assert all(f"can answer: {sentence}" in said.out for sentence in found["can"])


@pytest.mark.parametrize(
    ("dropped", "cannot", "advice"),
    [
        (("pscore", "pmf", "digest"), "no propensities", "log pscore with each decision"),
        (("pmf", "digest"), "an audit bit for bit", "log the pmf over all candidates"),
        (("digest",), "an audit bit for bit", "log state_seq and digest"),
    ],
)
def test_validate_says_what_it_cannot(
    log: Log, run: Callable, tmp_path: Path, dropped: Any, cannot: str, advice: str
) -> None:
    pq.write_table(log.table.drop_columns(list(dropped)), tmp_path / "log.parquet")
    found = run("validate", tmp_path / "log.parquet", "--json").json
    assert any(cannot in sentence for sentence in found["cannot"])
    assert found["advice"].startswith(advice)


def test_train_audit_evaluate(file: Path, life: Any, run: Callable) -> None:
    """The way of a log: folded into states, which the audit finds to be its folds."""
    states = file.parent / "states"
    done = run("train", file, "--out", states)
    assert done.code == 0
    read = read_states(states)
    assert {n: to_json(s) for n, s in read.items()} == {
        n: to_json(loop.state) for n, loop in life.loops.items()
    }
    assert done.out.startswith(f"{states}: 40 states, {sum(s.seq for s in read.values())} ")
    done = run("audit", file, "--state", states)
    assert done.code == 0
    assert f"{len(life.records)} of {len(life.records)} decisions rebuilt" in done.out
    assert "40 states rebuilt bit for bit" in done.out
    done = run("evaluate", file, "--policy", "linucb", "--state", states, "--json")
    reasons = done.json["policies"][0]["estimates"][0]["reasons"]
    assert "trained on this log" in reasons[0]


def test_a_frame_of_the_log_is_the_log(log: Log, file: Path, run: Callable) -> None:
    write_log(log_of_frame(frame_of_log(log)), file.parent / "framed.parquet")
    found = [run("audit", path, "--json").json for path in (file, file.parent / "framed.parquet")]
    assert found[0] == found[1]
    assert found[0]["rebuilt"] == len(log)
