"""Propensities of logs without pmfs: where a situation came again, its pscores are its pmf."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from journal.checks import SUM_TOLERANCE
from policies.arrays import Floats, Ints
from replay.doctor.case import Case
from replay.doctor.groups import REPEATED, Groups, mixed, situation

SAME = 1e-9  # relative: pscores of one action that differ by no more are one number


@dataclass(frozen=True)
class Implied:
    """What the logged pscores say of candidates that were not taken."""

    pmf: Floats  # (N,) NaN where nothing tells
    total: float  # of the situation whose candidates' sum is farthest from what it can be
    impossible: bool  # it is more than 1; or less, though every candidate was taken
    where: str  # the decision of that situation that came first


def implied(case: Case) -> Implied | None:
    """The pmf of a logger that does not change, as far as its actions show it.

    A situation is a policy with the same candidates and contexts; where these never come
    again, with the same candidates. It counts where each action always had one pscore: a
    logger that learns has many. None where no situation came at least 20 times.
    """
    for contexts in (True, False):
        found = _of(case, situation(case, contexts=contexts))
        if found is not None:
            return found
    return None


def _of(case: Case, same: Ints) -> Implied | None:
    log, pscore = case.log, case.logger.pscore
    key = mixed(same.view(np.uint64) + log.policy.astype(np.uint64))
    _, code = np.unique(key, return_inverse=True)
    times = np.bincount(code, case.known)
    k = int(case.lengths.max())
    at = code * k + log.action  # (n,) a situation's candidate
    low = np.full(len(times) * k, np.inf)
    high = np.zeros(len(times) * k)
    rows = np.flatnonzero(case.known)
    np.minimum.at(low, at[rows], pscore[rows])
    np.maximum.at(high, at[rows], pscore[rows])
    varies = high > np.minimum(low, 1.0) * (1 + SAME)
    fixed = (times >= REPEATED) & ~varies.reshape(-1, k).any(axis=1)
    if not fixed.any():
        return None
    sums = high.reshape(-1, k).sum(axis=1)
    size = np.zeros(len(times), np.int64)
    size[code] = case.lengths
    whole = (high.reshape(-1, k) > 0).sum(axis=1) == size
    excess = np.where(fixed, np.where(whole, np.abs(sums - 1), sums - 1), -np.inf)
    worst = int(excess.argmax())
    pmf = high[code[case.decision] * k + case.position]
    pmf[(pmf == 0) | ~fixed[code[case.decision]] | ~case.known[case.decision]] = np.nan
    first = int(np.flatnonzero(code == worst)[0])
    return Implied(
        pmf, float(sums[worst]), bool(excess[worst] > SUM_TOLERANCE), log.decision_id[first]
    )


def implied_groups(case: Case, known: Implied) -> Iterator[Groups]:
    """Arms and positions, of the candidates whose propensity is implied."""
    log, there = case.log, ~np.isnan(known.pmf)
    arms = log.arm_names
    yield Groups(
        np.where(there, log.arm, -1), len(arms), lambda g: f"arm {arms[g]}, its own pscore"
    )
    yield Groups(
        np.where(there, case.position, -1),
        int(case.lengths.max()),
        lambda g: f"candidates at position {g}, their own pscores",
    )
