"""Propensities of logs without pmfs: where a situation came again, its pscores are its pmf."""

from collections.abc import Iterator

import numpy as np

from journal.checks import SUM_TOLERANCE
from policies.arrays import Floats
from replay.doctor.case import Case
from replay.doctor.groups import REPEATED, Groups, mixed, situation

SAME = 1e-9  # relative: pscores of one action that differ by no more are one number


def implied(case: Case) -> Floats | None:
    """The pmf `(N,)` of a logger that does not change, NaN where its actions do not show it.

    A situation is a policy with the same candidates and contexts, 20 times or more. It counts
    where each candidate was taken, always with one pscore, and these add up to 1: a logger
    that learned meanwhile has several, or others that do not. None where there is none.
    """
    log, pscore = case.log, case.logger.pscore
    key = mixed(situation(case).view(np.uint64) + log.policy.astype(np.uint64))
    _, code = np.unique(key, return_inverse=True)
    times = np.bincount(code, case.known)
    k = int(case.lengths.max())
    at = (code * k + log.action)[case.known]  # a situation's candidate
    low, high = np.full(len(times) * k, np.inf), np.zeros(len(times) * k)
    np.minimum.at(low, at, pscore[case.known])
    np.maximum.at(high, at, pscore[case.known])
    varies = high > np.minimum(low, 1.0) * (1 + SAME)
    size = np.zeros(len(times), np.int64)
    size[code] = case.lengths
    table = high.reshape(-1, k)
    whole = (table > 0).sum(axis=1) == size
    one = np.abs(table.sum(axis=1) - 1) <= SUM_TOLERANCE
    fixed = (times >= REPEATED) & whole & one & ~varies.reshape(-1, k).any(axis=1)
    if not fixed.any():
        return None
    pmf: Floats = high[code[case.decision] * k + case.position]
    pmf[~(fixed[code] & case.known)[case.decision]] = np.nan
    return pmf


def implied_groups(case: Case, pmf: Floats) -> Iterator[Groups]:
    """Arms and positions, of the candidates whose propensity is implied."""
    log, there = case.log, ~np.isnan(pmf)
    arms = log.arm_names
    yield Groups(
        np.where(there, log.arm, -1), len(arms), lambda g: f"arm {arms[g]}, its own pscore"
    )
    yield Groups(
        np.where(there, case.position, -1),
        int(case.lengths.max()),
        lambda g: f"candidates at position {g}, their own pscores",
    )
