"""Pruned and exported journals: what is served, retried and audited stays as it was."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import Log, read_log, write_log
from journal.live import Conflict
from journal.live_bases import bases_in
from journal.live_calls import Elsewhere
from journal.states import read_states
from journal.upkeep.exporting import Exported, export
from journal.upkeep.pruning import Pruning, prune
from policies import BadInput, make
from policies.records import decision_digest
from policies.state import file_name, to_json
from replay import audit, train
from replay.history.exported import whole
from replay.history.starts import made_before_base
from replay.history.walk import walk

POLICY = make("linucb:epsilon=0.3")
MINUTE = 60_000_000


def _execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


def _exported(twin: Any, name: str, since_last: bool = True) -> Exported:
    return export(twin.path, twin.path.parent / name, since_last)


def _pruned(twin: Any, steps: int = 60) -> Pruning:
    twin.live(steps)
    _exported(twin, "a.parquet")
    return prune(twin.path)


def _holds(twin: Any) -> None:
    """The audit of the rest, of the whole with its exports, and the loops in memory agree."""
    twin.close()
    files = sorted(twin.path.parent.glob("*.parquet"))
    log, states = read_log(twin.path, values=False), read_states(twin.states)
    rest, whole = audit(log, states), audit(log, states, exports=files)
    for found in (rest, whole):
        assert found.ok, found.failures
        assert found.rebuilt + found.before_base == found.digests == found.decisions
        assert found.bases == len(bases_in(twin.path)) > 0
    assert whole.before_base == 0
    assert whole.decisions == whole.pruned + rest.decisions == len(twin.made)
    trained = train(log)
    for user, loop in twin.loops.items():
        assert to_json(trained[user]) == to_json(loop.state)


@pytest.mark.parametrize("how", ["open", "reopened", "two journals"])
def test_serving_goes_on_with_the_same_bits(twin: Any, how: str) -> None:
    """`Twin` compares every pmf and score; caches of before, of no process or of two."""
    if how == "two journals":
        twin.journals.append(twin.opened())
    for part in range(4):
        for step in range(10):
            twin.live(2)
            name = twin.decide("u", journal=step % len(twin.journals))
            twin.answer(name, journal=-1)
        _exported(twin, f"{part}.parquet")
        assert prune(twin.path).decisions > 10
        if how == "reopened":
            twin.reopen(close=part % 2 == 0)
    twin.live(10)
    _holds(twin)


def test_a_process_that_missed_what_was_pruned_reads_the_base(twin: Any) -> None:
    """One journal knows a user's first tips; the other goes on, and all that is pruned."""
    twin.journals.append(twin.opened())
    twin.answer(twin.decide(journal=1), journal=1)
    stale = twin.decide(journal=1)
    for _ in range(12):
        twin.answer(twin.decide())
    twin.answer(stale)
    twin.decide("newest")
    _exported(twin, "a.parquet")
    assert prune(twin.path).left == 1
    for _ in range(3):
        twin.answer(twin.decide(journal=1), journal=1)
    _holds(twin)


def test_every_retry_is_told_what_it_was_told(twin: Any) -> None:
    """The same /score, another under its id, answers again, otherwise, and too late."""
    asked = [twin.asked("u", f"r{i}", bytes([i])) for i in range(8)]
    journal = twin.journals[0]
    first = [journal.decide(POLICY, a) for a in asked]
    for (decision, _), word in zip(first, ["done", "dismiss"] * 2, strict=False):
        journal.answer(decision.decision_id, word, 1.0 if word == "done" else -1.0)
    twin.now += 61 * MINUTE
    own = Elsewhere(replace(asked[7], body=b"new"), "elsewhere", np.ones(1), 0)
    single = replace(asked[7], candidate_ids=["t0"], arms=["*"], context=np.zeros((1, 5)))
    own = replace(own, asked=replace(single, body=b"new"))
    void = journal.commit(POLICY, [own])[0]
    journal.answer(void.decision.decision_id, "done", 1.0)
    twin.decide("newest")

    def told() -> list[Any]:
        out: list[Any] = []
        for a in asked[:7]:
            again, scores = journal.decide(POLICY, a)
            out += [decision_digest(again), scores.tobytes()]
            for other in (replace(a, body=b"other"), replace(own, asked=a)):
                out.append(str(journal.commit(POLICY, [other])[0]))
        for decision, _ in first:
            for reward, word in ((1.0, "done"), (-1.0, "dismiss"), (1.0, None)):
                out.append(journal.answer(decision.decision_id, word, reward))
        again = journal.commit(POLICY, [own, asked[7], replace(own, action=0)])
        return [*out, again[0].decision.decision_id, str(again[1]), str(again[2])]

    before = told()
    assert {str(b) for b in before} >= {"the request was decided elsewhere"}
    _exported(twin, "a.parquet")
    done = prune(twin.path)
    assert (done.decisions, done.voided, done.left) == (9, 1, 1)
    assert told() == before
    twin.reopen()
    journal = twin.journals[0]
    assert told() == before
    with pytest.raises(Conflict, match="used for another request"):
        journal.decide(POLICY, replace(asked[0], body=b"x"))
    assert journal.answer("nobody", "done", 1.0).outcome == "unknown"
    with closing(sqlite3.connect(twin.path)) as db:
        assert db.execute("SELECT count(*) FROM late").fetchone()[0] > 0


def test_a_tip_that_is_awaited_stays(twin: Any) -> None:
    """The exports alone can rebuild it; once it is answered and exported again it goes."""
    twin.answer(twin.decide())
    waits = twin.decide()
    for _ in range(10):
        twin.answer(twin.decide())
    _exported(twin, "a.parquet")
    assert (prune(twin.path).decisions, len(read_log(twin.path))) == (10, 2)
    found = audit(twin.path)
    assert (found.ok, found.rebuilt, found.before_base) == (True, 1, 1)
    assert "1 decisions, awaited while older ones" in found.unchecked[0]
    assert "that 1 decisions had not seen" in read_log(twin.path).notes[0]
    twin.answer(waits)
    assert prune(twin.path).decisions == 0  # the export has not seen its answer
    _holds(twin)
    _exported(twin, "b.parquet")
    twin.reopen()
    twin.answer(twin.decide())
    assert prune(twin.path).left == 1
    twin.answer(twin.decide())
    _holds(twin)


def test_increments_are_disjoint_and_together_the_log(twin: Any) -> None:
    """Each closed decision once; a directory of them audits from zero."""
    where = twin.path.parent / "logs"
    where.mkdir()
    seen: list[str] = []
    for part in range(4):
        twin.live(15)
        done = export(twin.path, where / f"{part}.parquet", True)
        log = read_log(where / f"{part}.parquet")
        assert len(log) == done.decisions
        assert log.answered.all()
        seen += log.decision_id
        if part == 1:
            prune(twin.path)
    assert sorted(seen) == sorted(twin.told)
    found = audit(where)
    assert found.ok, found.failures
    assert (found.rebuilt, found.bases) == (len(seen), 0)
    assert _exported(twin, "none.parquet").file is None
    assert not (twin.path.parent / "none.parquet").exists()
    whole = _exported(twin, "all.parquet", since_last=False)
    assert whole.decisions == len(read_log(twin.path))


def test_only_verified_exports_vouch(twin: Any, tmp_path: Path) -> None:
    """Changed, gone or forged: nothing goes."""
    twin.live(30)
    with pytest.raises(BadInput, match="comes first"):
        prune(twin.path)
    file = tmp_path / "a.parquet"
    _exported(twin, file.name)
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + b"x" + whole[-8:])
    with pytest.raises(BadInput, match="was changed since"):
        prune(twin.path)
    file.unlink()
    with pytest.raises(BadInput, match="is gone"):
        prune(twin.path)
    other = tmp_path / "b.parquet"
    write_log(read_log(twin.path), other)
    log = read_log(other)
    at = log.table.schema.get_field_index("state_seq")
    forged = log.table.set_column(at, log.table.schema.field(at), log.table["feedback_seq"])
    write_log(replace(log, table=forged), tmp_path / "forged.parquet")
    with pytest.raises(BadInput, match="digest does not match"):
        prune(twin.path, exports=[tmp_path / "forged.parquet"])
    with pytest.raises(BadInput, match="vouches for nothing"):
        prune(twin.path, exports=[twin.path])
    dry = prune(twin.path, exports=[other], dry_run=True)
    assert len(read_log(twin.path)) == 30
    wet = prune(twin.path, exports=[other])
    assert (dry.decisions, dry.left) == (wet.decisions, wet.left)
    assert wet.decisions > 20
    assert wet.unusable == [f"{file} is gone"]


def test_before_a_time(twin: Any) -> None:
    """What was decided since stays."""
    twin.live(20)
    middle = twin.now
    twin.live(20)
    _exported(twin, "a.parquet")
    assert 0 < prune(twin.path, before=middle).decisions <= 20
    assert min(read_log(twin.path).decided_at) < twin.now
    assert sum(d.decided_at >= middle for d in twin.made.values()) <= len(read_log(twin.path))


def test_a_checkpoint_older_than_the_base_is_not_used(
    twin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The state file of before is there, and rebuilt from the base."""
    twin.live(40)
    twin.close()
    old = {user: (twin.states / file_name(user)).read_bytes() for user in twin.loops}
    with closing(sqlite3.connect(twin.path)) as db:
        rows = db.execute("SELECT * FROM checkpoints").fetchall()
    twin.reopen(close=False)
    twin.live(60)
    twin.close()
    _exported(twin, "a.parquet")
    prune(twin.path)
    for user, raw in old.items():
        (twin.states / file_name(user)).write_bytes(raw)
    with closing(sqlite3.connect(twin.path)) as db, db:
        db.execute("DELETE FROM checkpoints")
        db.executemany("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", rows)
    found = audit(read_log(twin.path), read_states(twin.states))
    assert found.ok
    assert sum("older than the base" in said for said in found.unchecked) == len(old)
    capsys.readouterr()
    twin.reopen(close=False)
    twin.live(10)
    assert "checkpoint_not_used" in capsys.readouterr().err
    _holds(twin)


def test_a_policy_that_learns_from_the_rest_goes_on_from_the_base(twin: Any) -> None:
    """What a shadow would have done at the decisions that stay: the bits of the whole log."""
    twin.live(80)
    _exported(twin, "a.parquet")
    assert prune(twin.path, before=sorted(d.decided_at for d in twin.made.values())[50]).left > 20
    rest = read_log(twin.path)
    all_of_it, _ = whole(rest, [read_log(twin.path.parent / "a.parquet")])
    other = make("linucb:alpha=2")
    expected = dict(zip(all_of_it.decision_id, _pmfs(all_of_it, other), strict=True))
    early = made_before_base(rest)
    assert 0 < early.sum() < 10
    for name, pmf, known in zip(rest.decision_id, _pmfs(rest, other), ~early, strict=True):
        assert not known or pmf.tobytes() == expected[name].tobytes()


def _pmfs(log: Log, policy: Any) -> list[np.ndarray]:
    return np.split(walk(log, policy).pmf, log.offsets[1:-1])


@pytest.mark.parametrize("column", ["state", "seq", "chain", "digest"])
def test_a_changed_base_is_named(twin: Any, column: str) -> None:
    """The audit fails, the user is refused and another served."""
    _pruned(twin)
    twin.reopen()
    change = {"seq": "seq - 1", "state": "replace(state, '\"count\": ', '\"count\": 1')"}
    value = change.get(column, "x'00'")
    _execute(twin.path, f"UPDATE bases SET {column} = {value} WHERE user_id = 'u'")
    found = audit(twin.path)
    assert found.failures == ["base state of u: its digest does not match"]
    twin.states.joinpath(file_name("u")).unlink()
    u, v = twin.journals[0].commit(POLICY, [twin.asked("u"), twin.asked("v")])
    assert type(u).__name__ == "DamagedBase"
    assert v.decision.user_id == "v"


def test_exports_that_lack_or_change_what_was_pruned_are_told(twin: Any) -> None:
    """From zero: a gap, or a base that is not the fold."""
    _pruned(twin)
    log = read_log(twin.path.parent / "a.parquet")
    write_log(log.take(np.arange(1, len(log))), twin.path.parent / "less.parquet")
    found = audit(twin.path, exports=[twin.path.parent / "less.parquet"])
    assert not found.ok
    assert "feedbacks are missing or doubled" in found.failures[0]


def test_the_space_is_used_again_or_given_back(twin: Any) -> None:
    """Free pages, and with vacuum a smaller file."""
    twin.live(150)
    _exported(twin, "a.parquet")
    assert prune(twin.path).freed > 0
    size = twin.journals[0].size()
    assert prune(twin.path, vacuum=True).freed == 0
    assert twin.journals[0].size() < size
    twin.live(5)
    _holds(twin)


def test_rows_are_never_numbered_twice(twin: Any) -> None:
    """The last ones pruned: the next is counted behind them, so the next export has it."""
    for part in range(3):
        for _ in range(3):
            twin.answer(twin.decide())
        _exported(twin, f"{part}.parquet")
        assert prune(twin.path).left == 1
    twin.answer(twin.decide())
    assert _exported(twin, "last.parquet").upto == 10


def test_other_tables_of_decisions_are_pruned_too(twin: Any) -> None:
    """Whatever tables hang on decisions, they are found by their columns."""
    create = "CREATE TABLE beside (decision_id TEXT PRIMARY KEY, more TEXT) WITHOUT ROWID"
    _execute(twin.path, create)
    twin.live(20)
    _execute(twin.path, "INSERT INTO beside SELECT decision_id, 'x' FROM decisions")
    _exported(twin, "a.parquet")
    done = prune(twin.path)
    with closing(sqlite3.connect(twin.path)) as db:
        assert db.execute("SELECT count(*) FROM beside").fetchone()[0] == done.left


def test_an_older_schema_is_left_to_the_server(twin: Any) -> None:
    """A server of before could still write it, and would not know of base states."""
    twin.live(5)
    twin.close()
    _execute(twin.path, "UPDATE meta SET value = '2' WHERE key = 'schema'")
    with pytest.raises(BadInput, match="brings it up to date"):
        prune(twin.path)
