"""Skew and assignments in the audit: what was planted is named."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import Log, log_of, read_log, write_log
from journal.live import LiveJournal
from journal.live_requests import prepare
from policies.experiment import parse
from policies.records import record_digest
from replay import audit
from replay.history.skew import ulps

EXPERIMENT = parse(
    'name = "tips"\n'
    'variants = [{name = "a", policy = "random", share = 0.5},'
    '{name = "b", policy = "linucb", share = 0.5}]',
    "tips.toml",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of raw tasks, an experiment's."""
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states")
    for i in range(20):
        tasks = [
            {"priority": 1 + (i + k) % 4, "added_at": f"2026-11-{1 + i:02d}T09:00:00Z"}
            for k in range(3)
        ]
        body = {
            "user_id": f"u{i % 5}",
            "now": f"2026-11-23T{i:02d}:20:00+01:00",
            "timezone": "Europe/Paris",
            "candidates": [{"id": f"t{k}", "task": task} for k, task in enumerate(tasks)],
        }
        asked: Any = prepare("/score", json.dumps(body).encode())
        journal.decide(EXPERIMENT, asked)
    journal.close()
    return tmp_path / "live.db"


def execute(path: Path, query: str, *values: Any) -> Any:
    with closing(sqlite3.connect(path)) as db, db:
        return db.execute(query, values).fetchone()


def test_what_was_logged_is_encoded_again_bit_for_bit(run: Callable, path: Path) -> None:
    done = run("audit", path)
    assert (done.code, done.err) == (0, "")
    assert "20 decisions' tasks encoded again, bit for bit; 0 more within 4 ulp" in done.out
    assert "20 assignments are what the hash of their user gives" in done.out


def test_an_edited_task_is_named_with_both_values(run: Callable, path: Path) -> None:
    name, inputs = execute(path, "SELECT decision_id, inputs FROM tasks LIMIT 1")
    told = json.loads(inputs)
    before = told["tasks"][1]["priority"]
    told["tasks"][1]["priority"] = after = 1 + before % 4
    execute(path, "UPDATE tasks SET inputs = ? WHERE decision_id = ?", json.dumps(told), name)
    done = run("audit", path, "--json")
    assert done.code == 1
    assert done.json["failures"] == [
        f"decision {name}, candidate t1: priority was {(before - 1) / 3!r}, its task gives "
        f"{(after - 1) / 3!r}"
    ]
    assert done.json["encoded"] == 19


@pytest.mark.parametrize("inputs", ["{", "[]", '{"now": 1, "timezone": "x", "task": {}}', "3"])
def test_inputs_that_cannot_be_read_are_a_finding(
    run: Callable, replaced: Callable, path: Path, tmp_path: Path, inputs: str
) -> None:
    log = read_log(path)
    texts = log.table["task_inputs"].to_pylist()
    write_log(replaced(log, "task_inputs", [[inputs] * 3, *texts[1:]]), tmp_path / "x.parquet")
    done = run("audit", tmp_path / "x.parquet")
    assert done.code == 1
    assert f"FAILED decision {log.decision_id[0]}: its task inputs cannot be read" in done.out


def planted(log: Log, feature: int, value: Callable[[float], float]) -> Log:
    """The log of an encoder that made other contexts, with digests of its own and random."""
    records = []
    for i in range(len(log)):
        context = log.decision(i).context.copy()
        context[0, feature] = value(context[0, feature])
        made = replace(log.decision(i), context=context)
        records.append((made, log.feedback_of(i)))
    further = {"task_inputs": log.table["task_inputs"].to_pylist()}
    digests = [record_digest(*record) for record in records]
    return log_of(records, digests=digests, further=further)


def served_by_random(path: Path) -> Log:
    """The same tasks under `random`, whose pmf no context moves."""
    log = read_log(path)
    rows = np.array([log.policy_names[p] == "random" for p in log.policy])
    assert rows.any()
    return log.take(rows)


def test_another_encoder_is_found(path: Path) -> None:
    """Its digests hold and its pmfs are rebuilt: only the tasks tell."""
    log = served_by_random(path)
    skewed = planted(log, 3, lambda age: age + 1e-9)
    found = audit(skewed)
    assert found.digests == found.rebuilt == len(log)
    assert len(found.failures) == len(log)
    assert "candidate t0: task_age was 0." in found.failures[0]
    assert found.encoded == 0


@pytest.mark.parametrize(
    ("feature", "steps", "exact", "within", "failed"),
    [(3, 0, 1, 0, 0), (3, 4, 0, 1, 0), (3, 6, 0, 0, 1), (0, 3, 0, 1, 0), (4, 1, 0, 0, 1)],
)
def test_only_mathematics_may_lie_off_and_by_4_ulp(
    path: Path, feature: int, steps: int, exact: int, within: int, failed: int
) -> None:
    """Sines and logarithms differ between platforms; a priority does not."""

    def moved(x: float) -> float:
        for _ in range(steps):
            x = float(np.nextafter(x, 2.0))
        return x

    log = served_by_random(path)
    one = log.take(np.arange(1))
    found = audit(planted(one, feature, moved))
    assert (found.encoded, found.encoded_within_4_ulp) == (exact, within)
    assert bool(found.failures) == bool(failed)


def test_ulps_count_floats() -> None:
    one = np.array([0.1, 1.0, -3.0, 0.0])
    there = np.array([np.nextafter(0.1, 1), 1.0, np.nextafter(np.nextafter(-3.0, -4), -4), 5e-324])
    assert ulps(one, there).tolist() == [1.0, 0.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("variant = CASE variant WHEN 'a' THEN 'b' ELSE 'a' END", "the hash of user u0 gives"),
        ("probability = 0.25", "variant_probability 0.25 was logged, the share of"),
    ],
)
def test_a_tampered_assignment_is_named(
    run: Callable, path: Path, change: str, reason: str
) -> None:
    (name,) = execute(path, "SELECT decision_id FROM decisions WHERE user_id = 'u0' LIMIT 1")
    execute(path, f"UPDATE assignments SET {change} WHERE decision_id = ?", name)
    done = run("audit", path)
    assert done.code == 1
    assert f"FAILED decision {name}, experiment tips: " in done.out
    assert reason in done.out
    assert done.out.count("FAILED") == 1


def test_a_policy_that_is_not_the_variants_is_named(path: Path) -> None:
    """The content of the experiment was changed: its digest covers no experiment, its hash does."""
    text = EXPERIMENT.text.replace("alpha=1.0", "alpha=2.0")
    execute(path, "UPDATE meta SET value = ? WHERE key = 'experiment tips'", text)
    found = audit(read_log(path))
    assert found.failures
    assert all("alpha=1.0" in f and "the policy of variant b" in f for f in found.failures)


def test_an_experiment_whose_content_is_not_kept_is_said(path: Path) -> None:
    execute(path, "DELETE FROM meta WHERE key = 'experiment tips'")
    found = audit(read_log(path))
    assert found.ok
    assert found.unchecked == [
        "20 decisions of experiment tips: its content is not kept with the log"
    ]


def test_tasks_of_other_features_are_said(replaced: Callable, path: Path) -> None:
    log = read_log(path)
    other = replaced(log, "features", ["tip-v0"] * len(log))
    bare = replaced(other, "digest", [None] * len(log))
    assert any("tasks of tip-v0 cannot be encoded again" in u for u in audit(bare).unchecked)
