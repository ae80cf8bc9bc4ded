"""An untouched log is rebuilt bit for bit; a single changed bit is found and named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journal import Log, log_of, read_log, write_log
from journal.states import read_states, write_states
from policies.records import record_digest
from replay.history.auditing import audit
from replay.history.training import train

ROW = 77  # answered, several candidates; any such row would do

Change = Callable[[Any], Any]


def ulp(value: float) -> float:
    """The next double: the last bit of the mantissa."""
    return float(np.nextafter(value, 2.0))


def first_of(change: Change) -> Change:
    """Changes the first entry of a list."""
    return lambda values: [change(values[0]), *values[1:]]


TAMPERED: dict[str, tuple[str, Change]] = {
    "pmf": ("pmf", first_of(ulp)),
    "context": ("context", first_of(first_of(ulp))),
    "pscore": ("pscore", ulp),
    "reward": ("reward", ulp),
    "feedback": ("feedback", lambda word: "snooze" if word != "snooze" else "done"),
    "feedback_at": ("feedback_at", lambda t: t ^ 1),
    "feedback_seq": ("feedback_seq", lambda seq: seq + 1),
    "decided_at": ("decided_at", lambda t: t ^ 1),
    "action": ("action", lambda a: a ^ 1),
    "arm": ("arms", first_of(lambda arm: arm + "!")),
    "candidate": ("candidate_ids", first_of(lambda name: name + "!")),
    "policy": ("policy", lambda _: "random:seed=1"),
    "features": ("features", lambda name: name + "!"),
    "state_seq": ("state_seq", lambda seq: seq ^ 1),
    "user": ("user_id", lambda _: "u39"),
    "window": ("reward_window_s", lambda s: s ^ 1),
    "digest": ("digest", lambda raw: bytes([raw[0] ^ 1]) + raw[1:]),
    "silenced": ("reward", lambda _: None),
    "unasked": ("pscore", lambda _: None),
}


def changed(log: Log, column: str, row: int, change: Change) -> pa.Table:
    """The table with one changed entry."""
    field = log.table.schema.field(column)
    is_time = pa.types.is_timestamp(field.type)
    plain = log.table[column].cast(pa.int64()) if is_time else log.table[column]
    values = plain.to_pylist()
    values[row] = change(values[row])
    array = pa.array(values, plain.type).cast(field.type)
    return log.table.set_column(log.table.schema.get_field_index(column), field, array)


def foreign(log: Log, spec: str) -> Log:
    """The records as another system's policy wrote them, digests and all."""
    records = []
    for i in range(len(log)):
        d = log.decision(i)
        fields = {name: getattr(d, name) for name in d.__slots__}
        records.append((type(d)(**{**fields, "policy": spec}), log.feedback_of(i)))
    return log_of(records)


@pytest.mark.parametrize(
    "spec", ["random", "linucb", "linucb:alpha=2,epsilon=0.3,arm=shared,seed=5", "random:seed=3"]
)
def test_an_untouched_log_is_rebuilt(lives: Callable, tmp_path: Path, spec: str) -> None:
    life = lives(spec, users=12)
    write_log(life.log(), tmp_path / "log.parquet")
    states = {name: loop.state for name, loop in life.loops.items()}
    found = audit(read_log(tmp_path / "log.parquet", values=False), states)
    assert (found.failures, found.unchecked) == ([], [])
    assert found.ok
    assert found.rebuilt == found.digests == found.decisions == len(life.records)
    assert found.states == len(states)


@pytest.mark.parametrize("case", TAMPERED)
def test_one_changed_bit_is_found_and_named(
    log: Log, run: Callable, tmp_path: Path, case: str
) -> None:
    column, change = TAMPERED[case]
    assert log.answered[ROW]
    pq.write_table(changed(log, column, ROW, change), tmp_path / "log.parquet")
    done = run("audit", tmp_path / "log.parquet")
    assert done.code == 1
    named = [line for line in done.out.splitlines() if line.startswith("FAILED")]
    assert len(named) == 1
    assert f"decision {log.decision_id[ROW]}:" in named[0]
    assert done.err == ""


def test_every_row_and_bit_of_a_pmf_counts(log: Log, tmp_path: Path) -> None:
    """Any bit of the 64, in any row: only that decision fails."""
    rng = np.random.default_rng(3)
    for row in rng.integers(len(log), size=12):
        bit = np.int64(1) << np.int64(rng.integers(63))
        flip = first_of(lambda p, b=bit: float((np.float64(p).view(np.int64) ^ b).view(float)))
        pq.write_table(changed(log, "pmf", int(row), flip), tmp_path / "x.parquet")
        found = audit(read_log(tmp_path / "x.parquet", values=False))
        assert found.failures == [f"decision {log.decision_id[row]}: its digest does not match"]


@pytest.mark.parametrize("case", ["pmf", "action", "context", "reward"])
def test_a_forged_digest_does_not_help(lives: Callable, case: str) -> None:
    """Whoever recomputes the digest as well is caught by the rebuild: not by chance, by law."""
    log = lives("linucb", users=12).log()
    column, change = TAMPERED[case]
    if case == "pmf":
        change = lambda pmf: [pmf[1], pmf[0], *pmf[2:]]  # noqa: E731
    if case in ("context", "reward"):
        change = lambda v: -v if case == "reward" else [[-x for x in c] for c in v]  # noqa: E731
    row = next(i for i in range(20, 100) if forgeable(log, i))
    table = changed(log, column, row, change)
    if column in ("pmf", "action"):
        swapped = Log(table, "x")
        taken = float(swapped.pmf[swapped.chosen[row]])
        table = changed(swapped, "pscore", row, lambda _: taken)
    forged = Log(table, "x")
    digest = record_digest(forged.decision(row), forged.feedback_of(row))
    found = audit(Log(changed(forged, "digest", row, lambda _: digest), "x"))
    assert found.digests == len(log)
    assert found.rebuilt < len(log)
    assert not found.ok


def forgeable(log: Log, i: int) -> bool:
    """Answered with +-1, early in its user's life, and its first two probabilities differ."""
    start = log.offsets[i]
    early = 0 < log.feedback_seq[i] < 5
    return bool(early and log.reward[i] != 0 and log.pmf[start] != log.pmf[start + 1])


def test_missing_feedback_rows_are_told_by_user(log: Log, run: Callable, tmp_path: Path) -> None:
    gone = int(np.flatnonzero(log.feedback_seq == 2)[4])
    kept = np.delete(np.arange(len(log)), gone)
    write_log(log.take(kept), tmp_path / "log.parquet")
    done = run("audit", tmp_path / "log.parquet")
    assert done.code == 1
    assert f"FAILED user {log.user_names[log.user[gone]]}: feedbacks are missing" in done.out


def test_states_that_are_no_folds_are_told(life: Any, log: Log, run: Callable, file: Path) -> None:
    states = train(log)
    states["u3"].sums.total[1] = ulp(states["u3"].sums.total[1])
    states["u7"].fold("*", log.context[0], 1.0, "a decision of no log", int(log.decided_at[-1]))
    states["stranger"] = life.loops["u1"].state.empty("stranger", "tip-v1", 5)
    write_states(file.parent / "states", states)
    done = run("audit", file, "--state", file.parent / "states")
    assert done.code == 1
    failed = [line for line in done.out.splitlines() if line.startswith("FAILED")]
    assert sorted(failed) == [
        "FAILED state of stranger: it is ahead of the log",
        "FAILED state of u3: it is not the fold of its feedbacks",
        "FAILED state of u7: it is ahead of the log",
    ]
    assert "38 states rebuilt bit for bit" in done.out


def test_checkpoints_may_lag_behind_the_log(log: Log, run: Callable, file: Path) -> None:
    """Folds of each user's first feedbacks, cut at any moment, are all true states."""
    for share in (0.3, 0.5, 0.8):
        states = train(log, until=int(np.quantile(log.decided_at, share)))
        where = file.parent / f"states-{share}"
        write_states(where, states)
        done = run("audit", file, "--state", where, "--json")
        assert (done.code, done.json["states"]) == (0, len(read_states(where)))


def test_a_policy_of_others_is_unchecked_not_failed(
    log: Log, run: Callable, tmp_path: Path
) -> None:
    write_log(foreign(log, "their-policy v2"), tmp_path / "log.parquet")
    done = run("audit", tmp_path / "log.parquet", "--json")
    assert done.code == 0
    assert (done.json["ok"], done.json["rebuilt"]) == (True, 0)
    assert done.json["digests"] == len(log)
    (gap,) = done.json["unchecked"]
    assert gap == f"{len(log)} decisions of their-policy v2: not a policy of ours"


def test_a_log_that_cannot_be_rebuilt_says_why(log: Log, run: Callable, tmp_path: Path) -> None:
    for name, said in (("state_seq", "state_seq is not logged"), ("pmf", "no pmf is logged")):
        pq.write_table(log.table.drop_columns([name, "digest"]), tmp_path / "x.parquet")
        done = run("audit", tmp_path / "x.parquet")
        assert done.code == 0
        assert f"not checked: {len(log)} decisions have no digest" in done.out
        assert f"not checked: {said}" in done.out


def test_neither_the_jit_nor_the_order_of_rows_changes_a_bit(
    lives: Callable, spawn: Callable, tmp_path: Path
) -> None:
    life = lives("linucb:epsilon=0.2", users=10)
    log = life.log()
    turn = np.random.default_rng(4).permutation(len(log))
    write_log(log.take(turn), tmp_path / "log.parquet")
    write_states(tmp_path / "states", {name: loop.state for name, loop in life.loops.items()})
    arguments = ("audit", tmp_path / "log.parquet", "--state", tmp_path / "states", "--json")
    plain = spawn(*arguments, TIPBANDIT_JIT="0")
    assert (plain.code, plain.err) == (0, "")
    assert plain.json["rebuilt"] == plain.json["decisions"] == len(log)
    assert plain.json["states"] == len(life.loops)
