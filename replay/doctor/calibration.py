"""Do draws follow the propensities? In groups fixed before the draw, counts against their sums."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats, Ints
from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said
from replay.doctor.groups import Groups, by_decision, groups
from replay.doctor.implied import implied, implied_groups

FALSE_ALARMS = 1e-3  # of honest logs, at most, over all groups together
LEAST_FINDING = 0.02  # of what was expected: less harms nobody, however sure
LEAST_VARIANCE = 3.0  # a group of less could never be told from chance
SHORT = 0.9  # of the candidates that the propensities account for; less is missing support
NAMED = 5  # groups that are shown
TOO_FEW = "too few draws to check the propensities against them"


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
    def matters(self) -> bool:
        """Whether it is too far off to be harmless."""
        return abs(self.drawn - self.expected) > LEAST_FINDING * self.expected


def calibration(case: Case) -> Iterator[Finding]:
    """One finding: the propensities hold where they can be checked, or the worst group.

    With right propensities, drawn - expected is a martingale whatever the logger learned:
    its variance is known, and Freedman's inequality (1975, in Bennett's form) bounds its
    tail without a normal approximation. A Bonferroni correction covers all groups. Where
    users' draws depend on each other (an action kept for a session) the larger, clustered
    variance counts: that is no fault of the propensities.
    """
    if not case.known.any() or not (case.lengths[case.known] > 1).any():
        return
    counted = [c for split in groups(case) for c in _counted(case, split, case.pmf)]
    own = implied(case) if case.pmf is None else None
    if own is not None and own.impossible:
        yield said(
            "impossible",
            "cannot",
            f"anything by weights: the pscores of one situation (that of decision {own.where}) "
            f"add up to {own.total:.3f} over its candidates: they cannot all be probabilities",
            "draw",
            total=own.total,
        )
        return
    if not counted and own is None:
        yield said("calibration", "fact", TOO_FEW)
        return
    short = case.pmf is None and _accounted(case) < SHORT
    if short:
        share = _accounted(case)
        yield said(
            "accounted",
            "cannot",
            f"policies that need every candidate: the propensities account for {share:.0%} of "
            "them (the sum of 1/pscore, against the number of candidates): some were hardly ever "
            "possible, or the propensities are too high",
            "exploration",
            share=share,
        )
        counted = [c for c in counted if c.drawn > c.expected]
    if own is not None:
        counted += [c for g in implied_groups(case, own) for c in _counted(case, g, own.pmf)]
    limit = math.log(FALSE_ALARMS / max(len(counted), 1))
    if not counted:
        yield said("calibration", "fact", TOO_FEW)
        return
    off = sorted((c for c in counted if c.log_p < limit and c.matters), key=lambda c: c.log_p)
    if not off:
        yield said(
            "calibration",
            "fact",
            f"propensities agree with the draws in all {len(counted)} groups that were checked",
            groups=len(counted),
        )
        return
    worst = off[0]
    yield said(
        "calibration",
        "cannot",
        f"anything by weights: the propensities do not fit the draws. {worst.group}: "
        f"{worst.what} {worst.drawn:.0f}, expected {worst.expected:.0f} ± {worst.error:.0f} "
        f"({len(off)} of {len(counted)} groups are off). They are wrong, or were computed after "
        "the draw, from a state that knew more (a late propensity)",
        "draw",
        groups=len(counted),
        off=len(off),
        worst=[
            {
                "group": c.group,
                "drawn": c.drawn,
                "expected": c.expected,
                "error": c.error,
                "log_p": c.log_p,
            }
            for c in off[:NAMED]
        ],
    )


def _accounted(case: Case) -> float:
    """Sum of 1/pscore over the number of candidates: 1 in expectation with full support."""
    return float((1 / case.logger.pscore[case.known]).sum() / case.lengths[case.known].sum())


def _counted(case: Case, split: Groups, pmf: Floats | None) -> Iterator[Counted]:
    """Each group of a partition that holds enough to say something; `pmf (N,)` if known."""
    drawn, expected, variance, bound, decision, group = _martingale(case, split, pmf)
    what = "drawn" if pmf is not None else "weighted draws (the sum of 1/pscore)"
    m = split.count
    total = np.bincount(group, drawn - expected, m)
    spread = np.bincount(group, variance, m)
    hoped = np.bincount(group, expected, m)
    spread = np.maximum(spread, _clustered(case, decision, group, drawn - expected, variance, m))
    for g in np.flatnonzero((spread >= LEAST_VARIANCE * bound**2) & (hoped > 0)):
        yield Counted(
            split.name(int(g)),
            what,
            float(hoped[g] + total[g]),
            float(hoped[g]),
            math.sqrt(spread[g]),
            log_tail(abs(float(total[g])), float(spread[g]), bound),
        )


def _martingale(
    case: Case, split: Groups, pmf: Floats | None
) -> tuple[Floats, Floats, Floats, float, Ints, Ints]:
    """(drawn, expected, variance, bound, decision, group), one entry a decision and group."""
    log, pscore = case.log, case.logger.pscore
    taken = np.zeros(len(case.decision))
    taken[log.chosen] = 1.0
    there = np.where(case.known[case.decision], 1.0, 0.0)
    if pmf is not None:
        values = np.column_stack([taken * there, np.where(there > 0, pmf, 0.0)])
        decision, group, sums = by_decision(case, split, values)
        p = np.clip(sums[:, 1], 0.0, 1.0)
        return sums[:, 0], p, p * (1 - p), 1.0, decision, group
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
    return sums[:, 0], sums[:, 1], variance, float(largest.max()), decision, group


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
