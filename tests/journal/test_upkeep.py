"""Forgetting a user, backing up and inspecting a live journal."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.states import read_states
from journal.upkeep.backing_up import backup
from journal.upkeep.exporting import export
from journal.upkeep.forgetting import forget
from journal.upkeep.inspecting import inspect
from journal.upkeep.pruning import prune
from policies import BadInput, make
from policies.state import file_name
from replay import audit

POLICY = make("linucb:epsilon=0.3")
MINUTE = 60_000_000
SECRET = "person-that-goes"
TASK = "a-task-of-theirs"


def _bytes_of(twin: Any) -> bytes:
    """Of the journal and all beside it, but for exports."""
    files = [*twin.path.parent.glob("live.db*"), *twin.states.iterdir()]
    return b"".join(file.read_bytes() for file in files)


def _lived(twin: Any, steps: int = 40) -> None:
    """Two people and one more, of whom some was answered, pruned, late and is open."""
    journal = twin.journals[0]
    for i in range(steps):
        twin.live(2)
        asked = replace(twin.asked(SECRET, f"{TASK}-r{i}", bytes([i])), arms=None)
        k = len(asked.candidate_ids)
        asked = replace(asked, candidate_ids=[f"{TASK}-{c}" for c in range(k)], arms=[TASK] * k)
        made, _ = journal.decide(POLICY, asked)
        if i % 3:
            journal.answer(made.decision_id, "done", 1.0)
        if i == steps // 2:
            export(twin.path, twin.path.parent / "a.parquet", True)
            prune(twin.path)
    twin.now += 90 * MINUTE
    journal.answer(made.decision_id, "done", 1.0)


@pytest.mark.parametrize("running", [True, False])
def test_nothing_of_a_forgotten_user_is_left(twin: Any, running: bool) -> None:
    """Not a byte, in the file, its log or a state; the others go on with the same bits."""
    _lived(twin)
    if not running:
        twin.close()
        part = twin.states / file_name(SECRET).replace(".json", ".77.part")
        part.write_text(SECRET)
    before = _bytes_of(twin)
    assert SECRET.encode() in before
    assert TASK.encode() in before
    rows = len(read_log(twin.path))
    done = forget(twin.path, SECRET, twin.states)
    assert done.clean
    assert done.rows["decisions"] > 10
    assert {"bases", "pruned", "feedback", "late", "checkpoints"} <= set(done.rows)
    assert min(done.rows[table] for table in ("bases", "pruned", "feedback", "checkpoints")) > 0
    assert done.rows["late"] == 1
    assert done.exports == [str(twin.path.parent / "a.parquet")]
    after = _bytes_of(twin)
    assert SECRET.encode() not in after
    assert TASK.encode() not in after
    assert len(read_log(twin.path)) == rows - done.rows["decisions"]
    if not running:
        twin.reopen(close=False)
    twin.live(10)
    twin.close()
    assert SECRET.encode() not in _bytes_of(twin)
    found = audit(read_log(twin.path), read_states(twin.states))
    assert found.ok, found.failures
    assert found.rebuilt + found.before_base == found.decisions


def test_whoever_comes_back_starts_anew(twin: Any) -> None:
    """Two journals remember; neither brings anything back, though the new one learns as much."""
    twin.journals.append(twin.opened())
    one, two = twin.journals
    for _ in range(9):
        made, _ = one.decide(POLICY, twin.asked(SECRET))
        one.answer(made.decision_id, "done", 1.0)
    waits, _ = two.decide(POLICY, twin.asked(SECRET))
    assert waits.state_seq == 9
    forget(twin.path, SECRET, twin.states)
    assert two.answer(waits.decision_id, "done", 1.0).outcome == "unknown"
    for seq in range(12):
        made, _ = two.decide(POLICY, twin.asked(SECRET))
        assert made.state_seq == seq
        two.answer(made.decision_id, "dismiss", -1.0)
    made, _ = one.decide(POLICY, twin.asked(SECRET))
    assert made.state_seq == 12
    twin.close()
    found = audit(read_log(twin.path), read_states(twin.states))
    assert found.ok, found.failures
    assert (found.rebuilt, found.states) == (13, 1)


def test_a_memory_of_before_does_not_become_a_state_file(twin: Any) -> None:
    """The journal that has folds to save closes after its user was forgotten."""
    made, _ = twin.journals[0].decide(POLICY, twin.asked(SECRET))
    twin.journals[0].answer(made.decision_id, "done", 1.0)
    forget(twin.path, SECRET, twin.states)
    twin.close()
    assert not (twin.states / file_name(SECRET)).exists()


def test_forgetting_may_be_repeated(twin: Any) -> None:
    """Also of somebody who was never there."""
    _lived(twin, 5)
    forget(twin.path, SECRET, twin.states)
    assert set(forget(twin.path, SECRET, twin.states).rows.values()) == {0}
    assert forget(twin.path, "nobody").states == 0
    with pytest.raises(BadInput, match="USER: must be 1-256 characters"):
        forget(twin.path, "../etc")


def test_tables_beside_are_forgotten_too(twin: Any) -> None:
    """By decision, as the tables of experiments and shadows are."""
    with closing(sqlite3.connect(twin.path)) as db, db:
        db.execute("CREATE TABLE beside (decision_id TEXT PRIMARY KEY, more TEXT) WITHOUT ROWID")
    _lived(twin, 5)
    with closing(sqlite3.connect(twin.path)) as db, db:
        db.execute("INSERT INTO beside SELECT decision_id, user_id FROM decisions")
    done = forget(twin.path, SECRET, twin.states)
    assert done.rows["beside"] == done.rows["decisions"]


def test_a_backup_is_a_journal(twin: Any, tmp_path: Path) -> None:
    """It audits, and another server goes on from it with the same bits."""
    _lived(twin)
    made = backup(twin.path, tmp_path / "copy.db")
    twin.live(3)
    assert made.decisions == len(read_log(tmp_path / "copy.db")) == len(read_log(twin.path)) - 3
    assert made.bases == 3
    found = audit(tmp_path / "copy.db")
    assert found.ok
    assert found.rebuilt + found.before_base == found.decisions
    assert [file.name for file in tmp_path.glob("*copy*")] == ["copy.db"]
    assert not list(tmp_path.glob(".backup*"))
    with pytest.raises(BadInput, match="is there already"):
        backup(twin.path, tmp_path / "copy.db")


def test_a_damaged_journal_gives_no_backup(twin: Any, tmp_path: Path) -> None:
    """A changed record, then a broken page: a name is given to neither copy."""
    twin.live(60)
    twin.close()
    with closing(sqlite3.connect(twin.path)) as db, db:
        db.execute("UPDATE feedback SET reward = 0.25 WHERE seq = 3")
    with pytest.raises(BadInput, match="its digest does not match"):
        backup(twin.path, tmp_path / "copy.db")
    raw = bytearray(twin.path.read_bytes())
    raw[8 * 4096 : 8 * 4096 + 600] = b"\xff" * 600
    twin.path.write_bytes(raw)
    with pytest.raises(BadInput, match=r"damaged|malformed"):
        backup(twin.path, tmp_path / "copy.db")
    assert not list(tmp_path.glob("*copy*"))


def test_an_inspection_counts(twin: Any, tmp_path: Path) -> None:
    """Against the records themselves."""
    _lived(twin)
    found = inspect(twin.path)
    log = read_log(twin.path)
    assert found.integrity == "ok"
    assert (found.decisions, found.users) == (len(log), 3)
    assert found.policies == {log.policy_names[0]: len(log)}
    kinds = dict(zip(log.feedback_names, np.bincount(log.feedback[log.answered]), strict=True))
    assert found.feedback == kinds
    assert found.open == (~log.answered).sum()
    assert found.overdue > 0
    assert found.pruned > 0
    assert (found.bases, found.exports) == (3, 1)
    assert found.unexported > 0
    assert found.checkpoint_lag > 0
    one = inspect(twin.path, SECRET)
    assert (one.users, one.bases) == (1, 1)
    assert one.decisions == (log.user == log.user_names.index(SECRET)).sum()
    twin.close()
    assert inspect(twin.path).checkpoint_lag == 0
    export(twin.path, tmp_path / "all.parquet")
    assert inspect(twin.path).unexported == inspect(twin.path).open
    with pytest.raises(BadInput, match="no record of this user"):
        inspect(twin.path, "nobody")


def test_a_journal_of_before_is_inspected_and_backed_up(twin: Any, tmp_path: Path) -> None:
    """Reading needs no newer schema."""
    twin.live(20)
    twin.close()
    with closing(sqlite3.connect(twin.path)) as db, db:
        for table in ("voided", "checkpoints", "exports", "bases", "pruned"):
            db.execute(f"DROP TABLE {table}")
        db.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
    assert inspect(twin.path).decisions == 20
    assert backup(twin.path, tmp_path / "copy.db").decisions == 20


@pytest.mark.parametrize("what", ["missing", "empty", "text"])
def test_what_is_no_journal_is_refused_and_left(tmp_path: Path, what: str) -> None:
    """Nothing is made of it, and nothing beside it."""
    path = tmp_path / "live.db"
    if what != "missing":
        path.write_text("" if what == "empty" else "no journal\n" * 500)
    before = sorted(file.name for file in tmp_path.iterdir())
    for run in (
        lambda: inspect(path),
        lambda: export(path, tmp_path / "a.parquet"),
        lambda: prune(path),
        lambda: forget(path, "u"),
        lambda: backup(path, tmp_path / "copy.db"),
    ):
        with pytest.raises(BadInput, match=r"live\.db"):
            run()
    assert sorted(file.name for file in tmp_path.iterdir()) == before
