"""Decisions made again from the journal: which pmfs are not what their policy gives, and why."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from journal.log import NONE, Log
from policies.arrays import Bools, Floats
from policies.draw import draws, uniform
from policies.policy import Policy
from replay.history.starts import made_before_base, seqs_of_bases
from replay.history.walk import walk

LATE = "its pmf was computed after its own feedback was folded: a late propensity"
SEES_ITSELF = "its state_seq counts its own feedback: its pmf is a late propensity"
OTHER_PMF = "its pmf is not what the logged policy gives"
OTHER_ACTION = "its action is not the one its id draws"


@dataclass(frozen=True)
class Rebuilt:
    """What became of the decisions that were made again, each `(n,)`."""

    asked: Bools
    self_seen: Bools  # state_seq counts the decision's own feedback
    other_pmf: Bools  # some bit of the pmf differs
    late: Bools  # of these: it is the pmf of the state that has folded the own feedback
    other_action: Bools

    def reason(self, i: int) -> str | None:
        """What does not hold of row i; None: all of it was rebuilt."""
        if self.self_seen[i]:
            return SEES_ITSELF
        if self.late[i]:
            return LATE
        if self.other_pmf[i]:
            return OTHER_PMF
        return OTHER_ACTION if self.other_action[i] else None


def history_gap(log: Log) -> str | None:
    """Whose feedbacks the log does not hold from the first, or from the base state of what was
    pruned; None: all of them are there.
    """
    folded = log.feedback_seq != NONE
    count = np.bincount(log.user[folded], minlength=len(log.user_names))
    ends = np.zeros(len(log.user_names), np.int64)
    np.maximum.at(ends, log.user[folded], log.feedback_seq[folded])
    need = ends.copy()
    np.maximum.at(need, log.user, log.state_seq)
    pairs = np.stack([log.user[folded], log.feedback_seq[folded]], axis=1)
    twice = len(np.unique(pairs, axis=0)) < len(pairs)
    start = seqs_of_bases(log)
    gap = np.flatnonzero(np.maximum(need, start) != start + count)
    if not len(gap) and not twice:
        return None
    who = log.user_names[int(gap[0])] if len(gap) else "some user"
    return f"user {who}: feedbacks are missing or doubled"


def rebuild(log: Log, policy: Policy, rows: Bools, threads: int = 1) -> Rebuilt:
    """Makes the decisions `rows (n,)` again; needs pmf and state_seq of each of them.

    But for those made before their user's base state, which holds too much by now.
    """
    assert log.pmf is not None
    rows = rows & ~made_before_base(log)
    none = np.zeros(len(log), np.bool_)
    self_seen = rows & (log.feedback_seq != NONE) & (log.state_seq >= log.feedback_seq)
    other = rows & ~same_bits(log, walk(log, policy, score=rows, threads=threads).pmf, log.pmf)
    u, ids = np.zeros(len(log)), log.decision_id
    for i in np.flatnonzero(rows).tolist():
        u[i] = uniform("act", policy.seed, ids[i])
    action = rows & (draws(log.pmf, log.offsets, u) != log.action)
    folded = other & (log.feedback_seq != NONE)
    late = none
    if folded.any():
        after = walk(_as_after(log, folded), policy, score=folded, threads=threads).pmf
        late = folded & same_bits(log, after, log.pmf)
    return Rebuilt(rows, self_seen, other, late, action)


def same_bits(log: Log, one: Floats, other: Floats) -> Bools:
    """(n,) whether a decision's probabilities are the same bits in two pmfs `(N,)`."""
    same = one.view(np.int64) == other.view(np.int64)
    whole: Bools = np.logical_and.reduceat(same, log.offsets[:-1])
    return whole


def _as_after(log: Log, rows: Bools) -> Log:
    """The log as if `rows` had been decided once their own feedback was folded."""
    kind = log.table.schema.field("state_seq")
    seq = pa.array(np.where(rows, log.feedback_seq, log.state_seq), kind.type)
    at = log.table.schema.get_field_index("state_seq")
    return Log(log.table.set_column(at, kind, seq), log.path, bases=log.bases)
