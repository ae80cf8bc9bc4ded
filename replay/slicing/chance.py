"""p values of slices: of a paired difference, and of all groups of a split being equal."""

import math
from collections.abc import Sequence

import numpy as np

from policies.arrays import Floats
from replay.intervals.difference import signed
from replay.intervals.simultaneous import draws
from replay.rounds import Rounds

LEAST_LOG = math.log(1e-9)  # smaller p are not told apart
STEPS = 24  # halvings: p to 1e-6 of itself


def chance_of_none(ours: Rounds, theirs: Rounds) -> float:
    """p of no difference: 1 - the level at which the paired interval of `auto` touches 0.

    So p < 1 - level exactly where that interval leaves out 0.
    """
    both = signed(ours, theirs)

    def leaves_out(log_p: float) -> bool:
        low, high = both.at(-math.expm1(log_p))
        return low > 0 or high < 0

    low, high = LEAST_LOG, -1e-6
    if not leaves_out(high):
        return 1.0
    if leaves_out(low):
        return math.exp(low)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if leaves_out(middle) else (middle, high)
    return math.exp(high)


def chance_of_equals(values: Sequence[float], sums: Floats, dof: float, seed: int = 0) -> float:
    """p of k values being equal: how often chance alone makes some pair as far apart.

    The largest |t| of all pairs (Tukey, 1949, here with the users' covariance): `sums (g, k)`
    are the influences within users, in units of the values; a user may be in several groups.
    """
    noise = draws(sums, dof, seed)
    g, k = sums.shape
    largest, seen = np.zeros(len(noise)), 0.0
    centred = sums - sums.mean(axis=0)
    for i in range(k):
        for j in range(i):
            apart = centred[:, i] - centred[:, j]
            error = math.sqrt(float(apart @ apart) * g / max(g - 1, 1))
            if error <= 0:
                continue
            largest = np.maximum(largest, np.abs(noise[:, i] - noise[:, j]) / error)
            seen = max(seen, abs(values[i] - values[j]) / error)
    return float((1 + np.sum(largest >= seen)) / (1 + len(largest)))
