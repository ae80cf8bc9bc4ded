"""Decisions with the sums that made them, kept as they were: for policies that are asked later."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from policies.arrays import Floats, Ints
from policies.keys import arm_keys, decision_keys, is_keyed
from policies.loop import answer_of, slots_of
from policies.policy import Batch, Policy
from policies.prior import check_prior
from policies.records import Decision
from policies.state import UserState
from policies.sums import Sums


@dataclass(frozen=True, slots=True)
class Moment:
    """A decision of K candidates and a copy of its user's sums, before its feedback."""

    decision: Decision
    sums: Sums
    slot: Ints  # (K,) the candidate's row of the sums


def moment_of(state: UserState, decision: Decision) -> Moment:
    """Copies the `state` that decided."""
    s = state.sums
    copied = Sums(s.gram.copy(), s.moment.copy(), s.count.copy(), s.total.copy())
    return Moment(decision, copied, slots_of(state, decision.arms))


def probabilities_at(policy: Policy, moments: Sequence[Moment]) -> list[Floats]:
    """A policy's pmf `(K,)` at each moment, all in one batch: the bits of `probabilities`.

    The policy gets copies: it may write into them. Raises what the policy raises, and
    `BadInput` for what is no pmf.
    """
    decisions = [m.decision for m in moments]
    ends = [0, *accumulate(len(m.slot) for m in moments)]
    rows = [0, *accumulate(len(m.sums.count) for m in moments)]  # each begins with an empty arm
    keyed = is_keyed(policy)
    if keyed:
        for features in {d.features for d in decisions}:
            check_prior(policy, features)
    first = np.array(rows[:-1], dtype=np.int64)
    batch = Batch(
        np.array(ends, dtype=np.int64),
        np.concatenate([d.context for d in decisions]),
        np.concatenate([m.slot + row for m, row in zip(moments, rows, strict=False)]),
        first + 1,
        np.array(rows[1:], dtype=np.int64),
        decision_keys([d.decision_id for d in decisions]) if keyed else None,
        arm_keys([arm for d in decisions for arm in d.arms]) if keyed else None,
    )
    sums = Sums(
        np.concatenate([m.sums.gram for m in moments]),
        np.concatenate([m.sums.moment for m in moments]),
        np.concatenate([m.sums.count for m in moments]),
        np.concatenate([m.sums.total for m in moments]),
    )
    _, answered = answer_of(policy, batch, sums)
    pmf = answered.astype(np.float64)  # a copy: the policy may have kept its own
    return [pmf[a:b] for a, b in pairwise(ends)]
