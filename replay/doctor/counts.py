"""Draws counted against propensities, group by group, with a bound of how far chance goes."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from policies.arrays import Floats, Ints
from replay.doctor.case import Case
from replay.doctor.groups import Groups, by_decision

WEIGHTED = "draws weighted by 1/pscore"
LEAST_FINDING = 0.02  # of what was expected: less harms nobody, however sure
LEAST_VARIANCE = 3.0  # a group of less could never be told from chance


@dataclass(frozen=True)
class Counted:
    """What was drawn in one group, and what the propensities make of it."""

    group: str
    what: str  # what was counted
    drawn: float
    expected: float
    error: float  # standard deviation of `drawn`
    log_p: float  # natural logarithm of the p-value's bound, over this group alone

    @property
    def weighted(self) -> bool:
        """Whether draws were weighted by 1/pscore, for want of a pmf."""
        return self.what == WEIGHTED

    def to_dict(self) -> dict[str, object]:
        """For the figures of a finding."""
        return asdict(self)

    @property
    def matters(self) -> bool:
        """Whether it is too far off to be harmless."""
        return abs(self.drawn - self.expected) > LEAST_FINDING * self.expected


def counted(case: Case, split: Groups, pmf: Floats | None) -> Iterator[Counted]:
    """Each group of a partition that holds enough to say something; `pmf (N,)` if known."""
    drawn, expected, variance, largest, decision, group = _martingale(case, split, pmf)
    what = WEIGHTED if pmf is None else "drawn"
    m = split.count
    total = np.bincount(group, drawn - expected, m)
    spread = np.bincount(group, variance, m)
    hoped = np.bincount(group, expected, m)
    bound = np.ones(m)
    np.maximum.at(bound, group, largest)
    spread = np.maximum(spread, _clustered(case, decision, group, drawn - expected, variance, m))
    for g in np.flatnonzero((spread >= LEAST_VARIANCE * bound**2) & (hoped > 0)):
        yield Counted(
            split.name(int(g)),
            what,
            float(hoped[g] + total[g]),
            float(hoped[g]),
            math.sqrt(spread[g]),
            log_tail(abs(float(total[g])), float(spread[g]), float(bound[g])),
        )


def _martingale(
    case: Case, split: Groups, pmf: Floats | None
) -> tuple[Floats, Floats, Floats, Floats, Ints, Ints]:
    """(drawn, expected, variance, most drawn, decision, group), an entry a decision and group."""
    log, pscore = case.log, case.logger.pscore
    taken = np.zeros(len(case.decision))
    taken[log.chosen] = 1.0
    there = np.where(case.known[case.decision], 1.0, 0.0)
    if pmf is not None:
        values = np.column_stack([taken * there, np.where(there > 0, pmf, 0.0)])
        decision, group, sums = by_decision(case, split, values)
        p = np.clip(sums[:, 1], 0.0, 1.0)
        return sums[:, 0], p, p * (1 - p), np.ones(len(p)), decision, group
    # Without pmfs: the sum over a group of 1{a}/pscore is its number of candidates, in
    # expectation; its variance is at most that number times the largest weight. The logger's
    # least share of 1/K stands for what it would have given to any other candidate.
    share = np.ones(len(log.policy_names))
    np.minimum.at(share, log.policy[case.known], (pscore * case.lengths)[case.known])
    largest = case.lengths / share[log.policy]
    weight = np.where(case.known, 1 / pscore, 0.0)
    values = np.column_stack([taken * np.repeat(weight, case.lengths), there])
    decision, group, sums = by_decision(case, split, values)
    variance = sums[:, 1] * largest[decision]
    return sums[:, 0], sums[:, 1], variance, largest[decision], decision, group


def _clustered(
    case: Case, decision: Ints, group: Ints, deviation: Floats, variance: Floats, m: int
) -> Floats:
    """Variance of the groups' sums by user `(m,)`, beside the groups' own deviation."""
    if not case.has_users or case.users < 2:
        return np.zeros(m)
    key = case.log.user[decision] * m + group
    pairs, at = np.unique(key, return_inverse=True)
    sums = np.bincount(at, deviation, len(pairs))
    share = np.bincount(at, variance, len(pairs))
    of = pairs % m
    total, whole = np.bincount(of, sums, m), np.bincount(of, share, m)
    rate = np.divide(total, whole, out=np.zeros(m), where=whole > 0)
    rest = sums - rate[of] * share
    users = np.bincount(of, minlength=m)
    squares = np.bincount(of, rest * rest, m)
    out: Floats = squares * users / np.maximum(users - 1, 1)
    return out


def log_tail(deviation: float, variance: float, bound: float) -> float:
    """log of 2 exp(-V/b^2 h(b t/V)), h(u) = (1+u) log(1+u) - u: P(|S| >= t), increments <= b."""
    u = bound * deviation / variance
    return math.log(2.0) - variance / bound**2 * ((1 + u) * math.log1p(u) - u)
