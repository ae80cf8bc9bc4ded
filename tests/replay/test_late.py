"""Late propensities: the pmf of after the update, digests and all, is found and named as such."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from journal import Log, log_of, write_log
from journal.frame import frame_of_log
from replay import audit, evaluate
from replay.history.rebuilding import LATE, OTHER_PMF, SEES_ITSELF

SPECS = ["linucb:epsilon=0.2", "linucb:alpha=0,epsilon=0.05", "linucb:arm=shared,epsilon=0.3"]


def differing(log: Log, honest: Log) -> list[str]:
    """The decisions whose pmfs differ in some bit, in the log's order."""
    same = np.logical_and.reduceat(log.pmf == honest.pmf, log.offsets[:-1])
    return [log.decision_id[i] for i in np.flatnonzero(~same)]


@pytest.mark.parametrize("spec", SPECS)
def test_the_late_log_is_found_and_the_honest_one_passes(lives: Callable, spec: str) -> None:
    """Two logs of one run: the logger drew alike, and logged the pmf before or after the answer."""
    honest, late = (lives(spec, users=15, late=x).log() for x in (False, True))
    assert late.action.tolist() == honest.action.tolist()
    passed, found = audit(honest), audit(late)
    assert (passed.failures, passed.rebuilt) == ([], len(honest))
    assert found.digests == len(late)  # they are computed over what was logged: all hold
    wrong = differing(late, honest)
    assert len(wrong) > 20
    assert found.failures == [f"decision {name}: {LATE}" for name in wrong]
    assert found.rebuilt == len(late) - len(wrong)


def test_the_mean_weight_cannot_tell(lives: Callable) -> None:
    """What the issue is about: here it is the audit alone that refuses, not a test of weights."""
    late = lives("linucb:alpha=0.3,epsilon=0.9", users=15, late=True).log()
    (row,) = evaluate(late, "random", estimators=["snips"]).results[0].judged.rows
    assert not any("mean weight" in reason for reason in row.reasons)
    (row,) = evaluate(late, "random", estimators=["snips"], audit=True).results[0].judged.rows
    assert row.verdict == "unreliable"
    assert row.reasons[0].endswith(LATE)


def test_the_command_names_the_first_in_the_logs_order(
    lives: Callable, run: Callable, tmp_path: Path
) -> None:
    honest, late = (lives(SPECS[0], users=12, late=x).log() for x in (False, True))
    write_log(late, tmp_path / "log.parquet")
    done = run("audit", tmp_path / "log.parquet")
    assert done.code == 1
    first = differing(late, honest)[0]
    assert done.out.splitlines()[0] == f"FAILED decision {first}: {LATE}"
    assert f"{len(late)} of {len(late)} digests hold" in done.out


def test_two_policies_are_reported_in_the_logs_order(lives: Callable) -> None:
    """One log of two loggers, both late: the first failure is the first row, whoever decided."""
    a, b = lives(SPECS[0], users=8, late=True), lives(SPECS[1], users=8, seed=5, late=True)
    others = [
        (
            replace(d, user_id=f"b{d.user_id}", decision_id=f"b{d.decision_id}"),
            f and replace(f, decision_id=f"b{f.decision_id}"),
        )
        for d, f in b.records
    ]
    records = sorted([*a.records, *others], key=lambda r: (r[0].decided_at, r[0].decision_id))
    log = log_of(records)
    found = audit(log)
    named = [failure.split()[1].rstrip(":") for failure in found.failures]
    assert {name[0] == "b" for name in named} == {True, False}
    assert named == [name for name in log.decision_id if name in set(named)]


def test_a_late_state_seq_does_not_hide_it(lives: Callable) -> None:
    """Whoever logs the later state_seq as well has a pmf that fits, and a count that cannot."""
    life = lives(SPECS[0], users=10, late=True)
    life.records = [
        (replace(d, state_seq=d.state_seq if f is None or f.seq is None else f.seq), f)
        for d, f in life.records
    ]
    log = life.log()
    found = audit(log)
    folded = [log.decision_id[i] for i in np.flatnonzero(log.feedback_seq > 0)]
    assert found.digests == len(log)
    assert found.failures[: len(folded)] == [f"decision {name}: {SEES_ITSELF}" for name in folded]


def test_any_other_wrong_pmf_is_not_called_late(lives: Callable) -> None:
    life = lives(SPECS[0], users=10)
    nudged = [(replace(d, pmf=np.nextafter(d.pmf, 0.5)), f) for d, f in life.records]
    found = audit(log_of(nudged))
    assert len(found.failures) == len(nudged)
    assert all(failure.endswith(OTHER_PMF) for failure in found.failures)


def test_a_tampered_late_log_is_a_tampered_log(lives: Callable, replaced: Callable) -> None:
    late = lives(SPECS[0], users=10, late=True).log()
    rewards = [None if r is None else -r or 1.0 for r in late.table["reward"].to_pylist()]
    found = audit(replaced(late, "reward", rewards))
    assert all(failure.endswith("its digest does not match") for failure in found.failures)


def test_what_a_foreign_log_cannot_show_is_said(log: Log) -> None:
    """Each reason, and that nothing was verified: never silently 0 of 0."""
    n = len(log)
    frame = frame_of_log(log).drop(columns=["digest", "state_seq", "pmf"]).assign(policy="theirs")
    found = audit(frame)
    assert found.ok
    assert (found.digests, found.rebuilt) == (0, 0)
    said = "\n".join(found.unchecked)
    for reason in (
        f"{n} decisions have no digest",
        "no pmf is logged",
        "state_seq is not logged",
        f"{n} decisions of theirs: not a policy of ours",
        "nothing of this log was verified",
    ):
        assert reason in said
    assert len(found.unchecked) == 5
    assert audit(frame.rename(columns={"user_id": "who"}), columns={"user_id": "who"}) == found


def test_the_part_that_can_be_checked_is(log: Log, replaced: Callable) -> None:
    """Rows without digest, pmf or state_seq are counted; the others are still made again."""
    half = [digest if i % 2 else None for i, digest in enumerate(log.digest)]
    found = audit(replaced(log, "digest", half))
    assert (found.digests, found.rebuilt) == (len(log) // 2, len(log))
    assert found.unchecked[0].startswith(f"{len(log) // 2} decisions have no digest")
    bare = replaced(log, "digest", [None] * len(log))
    some = [None if i < 9 else p for i, p in enumerate(log.table["pmf"].to_pylist())]
    found = audit(replaced(bare, "pmf", some))
    assert (found.ok, found.rebuilt) == (True, len(log) - 9)
    assert "9 decisions have no pmf: they cannot be rebuilt" in found.unchecked
    some = [None if i < 9 else s for i, s in enumerate(log.table["state_seq"].to_pylist())]
    found = audit(replaced(bare, "state_seq", some))
    assert (found.ok, found.rebuilt) == (True, 0)
    assert any("state_seq is not logged for 9 decisions" in gap for gap in found.unchecked)
    no_pmf = audit(replaced(log, "pmf", [None] * len(log)))
    assert any("digests cover the pmf" in gap for gap in no_pmf.unchecked)
