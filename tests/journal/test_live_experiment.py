"""The live journal of an experiment and of raw tasks: what is kept, through every export."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from journal import Log, frame_of_log, log_of_frame, read_log, write_log
from journal.live import LiveJournal
from journal.live_calls import Asked, Decided, Elsewhere
from journal.live_requests import prepare
from journal.schema import experiments
from policies import BadInput, make
from policies.experiment import Experiment, parse
from replay import audit

EXPERIMENT = parse(
    """
name = "tips"
variants = [
    {name = "control", policy = "random", share = 0.5},
    {name = "challenger", policy = "linucb:epsilon=0.2", share = 0.5},
]
""",
    "tips.toml",
)
COLUMNS = ("experiment", "variant", "variant_probability", "task_inputs")
SECRET = "call the doctor"


def body(user: str, i: int = 0, **more: Any) -> dict[str, Any]:
    """A request with tasks of all kinds and, last, ready features."""
    due = {"string": SECRET, "timezone": SECRET, "is_recurring": SECRET}
    tasks = [
        {
            "priority": 4,
            "due": {**due, "date": "2026-11-22"},
            "last_completed_at": "2026-11-20T09:00:00Z",
        },
        {"added_at": f"2026-{1 + i % 12:02d}-01T09:00:00Z", "due": {"date": "2026-11-23T07:00:00"}},
        {"due": {**due, "datetime": "2026-11-23T07:00:00Z"}},
    ]  # fmt: skip
    said = {"content": SECRET, "description": SECRET, "labels": [SECRET]}
    candidates: list[dict[str, Any]] = [
        {"id": f"t{k}", "task": {**said, **task}} for k, task in enumerate(tasks)
    ]  # fmt: skip
    ready = {"hour_sin": 0.5, "hour_cos": 0.1, "is_overdue": 1, "task_age": 0.2, "priority": 0}
    candidates.append({"id": "ready", "features": ready})
    now = f"2026-11-23T{i % 24:02d}:15:00+01:00"
    return {
        "user_id": user, "now": now, "timezone": "Europe/Paris", "candidates": candidates, **more,
    }  # fmt: skip


def asked(user: str, i: int = 0, **more: Any) -> Any:
    return prepare("/score", json.dumps(body(user, i, **more)).encode())


def played(where: Path, served: Any = EXPERIMENT, users: int = 12) -> Path:
    """A journal of three decisions a user, two of them answered."""
    clock = iter(range(1_700_000_000_000_000, 2**62, 3_600_000_000))
    journal = LiveJournal(where / "live.db", where / "states", 86_400, lambda: next(clock))
    for i in range(3):
        for u in range(users):
            made, _ = journal.decide(served, asked(f"u{u}", 7 * u + i))
            if i < 2:
                journal.answer(made.decision_id, "done", 1.0)
    journal.close()
    return where / "live.db"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played(tmp_path_factory.mktemp("experiment"))


@pytest.fixture
def log(path: Path) -> Log:
    return read_log(path)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db, db:
        return db.execute(query).fetchall()


def test_every_decision_has_its_variant_and_that_variants_policy(log: Log) -> None:
    """pscore stays the policy's own; the probability of the variant stands beside it."""
    assert experiments(log.table.schema, "log") == (EXPERIMENT,)
    for i in range(len(log)):
        own = EXPERIMENT.assigned(log.user_names[log.user[i]])
        told = [log.table[c][i].as_py() for c in COLUMNS[:3]]
        assert told == ["tips", own.name, own.share]
        assert log.policy_names[log.policy[i]] == own.policy
        if own.name == "control":
            assert log.pscore[i] == 0.25
    assert len(set(log.table["variant"].to_pylist())) == 2


def test_the_audit_holds_of_all_of_it(log: Log) -> None:
    found = audit(log)
    assert found.ok, found.failures
    assert found.assigned == found.encoded == found.rebuilt == found.digests == 36
    assert found.encoded_within_4_ulp == 0


def test_what_the_encoder_read_is_kept_and_no_word_of_the_person(path: Path, log: Log) -> None:
    """No content, description, label, nor a due's text, in any byte of the journal's files."""
    written = b"".join(file.read_bytes() for file in path.parent.rglob("*") if file.is_file())
    assert b"2026-11-23T07:00:00" in written
    assert SECRET.encode() not in written
    first, second, third, ready = (t and json.loads(t) for t in log.table["task_inputs"][0].as_py())
    assert ready is None
    assert first["task"] == {
        "priority": 4,
        "due": {"date": "2026-11-22", "is_recurring": True},
        "last_completed_at": "2026-11-20T09:00:00Z",
    }
    assert second["task"]["due"] == {"date": "2026-11-23T07:00:00"}
    assert third["task"]["due"] == {"date": "2026-11-23T07:00:00Z", "is_recurring": True}
    assert {t["timezone"] for t in (first, second, third)} == {"Europe/Paris"}


def same(one: Log, other: Log) -> None:
    for name in COLUMNS:
        assert one.table[name].to_pylist() == other.table[name].to_pylist(), name
    assert experiments(one.table.schema, "") == experiments(other.table.schema, "")
    assert audit(other).assigned == len(one)


@pytest.mark.parametrize("name", ["log.parquet", "log.arrow", "vw:{}/log.json"])
def test_every_export_keeps_them(log: Log, tmp_path: Path, name: str) -> None:
    out = name.format(tmp_path) if ":" in name else str(tmp_path / name)
    write_log(log, out)
    same(log, read_log(out))


def test_a_frame_and_a_directory_keep_them(log: Log, tmp_path: Path) -> None:
    same(log, log_of_frame(frame_of_log(log)))
    half = np.arange(len(log)) < 20
    write_log(log.take(half), tmp_path / "a.parquet")
    write_log(log.take(~half), tmp_path / "b.parquet")
    same(log, read_log(tmp_path))


def test_files_without_the_columns_still_read(log: Log, tmp_path: Path) -> None:
    """A log of before: null, and nothing to check."""
    table = log.table.drop_columns(list(COLUMNS)).replace_schema_metadata(None)
    write_log(Log(table, "old"), tmp_path / "old.parquet")
    old = read_log(tmp_path / "old.parquet")
    assert all(old.table[name].null_count == len(old) for name in COLUMNS)
    assert (audit(old).assigned, audit(old).encoded, audit(old).ok) == (0, 0, True)


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("variant", [None], "row 0, column variant: must be there with experiment"),
        ("variant_probability", [0.0], "row 0, column variant_probability: must be in (0, 1]"),
        ("variant_probability", [float("nan")], "must be in (0, 1]"),
        ("task_inputs", [["{}"]], "row 0, column task_inputs: must have one entry a candidate"),
    ],
)
def test_half_an_assignment_is_refused(
    log: Log, tmp_path: Path, column: str, values: list[Any], rule: str
) -> None:
    kind, at = log.table.schema.field(column), log.table.schema.get_field_index(column)
    changed = pa.array([*values, *log.table[column].to_pylist()[1:]], kind.type)
    write_log(Log(log.table.set_column(at, kind, changed), "x"), tmp_path / "x.parquet")
    with pytest.raises(BadInput) as refused:
        read_log(tmp_path / "x.parquet")
    assert rule in str(refused.value)


def test_a_retry_is_neither_decided_nor_assigned_again(tmp_path: Path) -> None:
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states")
    first, second = (journal.commit(EXPERIMENT, [asked("u1", request_id="r")])[0] for _ in range(2))
    assert isinstance(first, Decided)
    assert isinstance(second, Decided)
    assert (first.decision.decision_id, second.again) == (second.decision.decision_id, True)
    journal.close()
    assert rows(tmp_path / "live.db", "SELECT count(*) FROM assignments") == [(1,)]
    assert rows(tmp_path / "live.db", "SELECT count(*) FROM tasks") == [(1,)]


def test_a_decision_made_elsewhere_has_its_tasks_and_no_variant(tmp_path: Path) -> None:
    """It was not the variant that decided."""
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states")
    told = body("u1", request_id="r", pmf=[0.25] * 4, action=1)
    call = prepare("/decision", json.dumps(told).encode())
    assert isinstance(call, Elsewhere)
    journal.commit(EXPERIMENT, [call])
    journal.close()
    log = read_log(tmp_path / "live.db")
    assert [log.table[c][0].as_py() for c in COLUMNS[:3]] == [None] * 3
    assert audit(log).encoded == 1


def test_a_changed_experiment_needs_a_new_name(tmp_path: Path) -> None:
    """Else people would move; the same one goes on, in whatever way it is written."""
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states")
    journal.keep(EXPERIMENT)
    journal.keep(parse(_toml(EXPERIMENT), "x"))
    other = replace(EXPERIMENT, seed=1)
    with pytest.raises(BadInput, match="experiment tips: a changed experiment needs a new name"):
        journal.keep(other)
    (refused,) = journal.commit(other, [asked("u1")])
    assert isinstance(refused, BadInput)
    journal.keep(replace(other, name="tips-2"))
    journal.close()
    assert rows(tmp_path / "live.db", "SELECT count(*) FROM decisions") == [(0,)]


def _toml(experiment: Experiment) -> str:
    lines = [f'name = "{experiment.name}"']
    for v in experiment.variants:
        lines += ["[[variants]]", f'share = {v.share}\nname = "{v.name}"\npolicy = "{v.policy}"']
    return "\n".join(lines)


def test_the_same_person_has_the_same_variant_after_a_restart(tmp_path: Path) -> None:
    """And another in another experiment of the same journal, perhaps."""
    for _ in range(2):
        played(tmp_path, users=6)
    played(tmp_path, replace(EXPERIMENT, name="tips-2"), users=6)
    seen = rows(
        tmp_path / "live.db",
        "SELECT DISTINCT experiment, user_id, variant FROM assignments"
        " JOIN decisions USING (decision_id)",
    )  # fmt: skip
    assert len(seen) == 2 * 6
    assert audit(read_log(tmp_path / "live.db")).assigned == 3 * 18


def test_a_journal_of_the_second_schema_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    """Its decisions stay as they are, without variants and tasks; new ones have theirs."""
    path = played(tmp_path, make("random"), users=3)
    for statement in (
        "DROP TABLE assignments",
        "DROP TABLE tasks",
        "UPDATE meta SET value = '2' WHERE key = 'schema'",
    ):
        rows(path, statement)
    old = read_log(path)
    assert all(old.table[name].null_count == 9 for name in COLUMNS)
    assert audit(old).ok
    played(tmp_path, users=3)
    assert rows(path, "SELECT value FROM meta WHERE key = 'schema'") == [("3",)]
    new = read_log(path)
    assert [new.table[name].null_count for name in COLUMNS] == [9] * 4
    found = audit(new)
    assert (found.ok, found.assigned, found.rebuilt) == (True, 9, 18)


def test_ready_features_keep_no_task(tmp_path: Path) -> None:
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states")
    journal.decide(make("random"), Asked("u", ["a"], ["*"], np.zeros((1, 5)), "tip-v1"))
    journal.close()
    assert rows(tmp_path / "live.db", "SELECT * FROM tasks") == []
