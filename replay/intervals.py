"""Confidence intervals: `fn(rounds, estimate, level, seed) -> (low, high)`."""

import math
from collections.abc import Callable

from scipy.special import stdtrit

from replay.estimators import Estimate
from replay.rounds import NotComputable, Rounds

Interval = Callable[[Rounds, Estimate, float, int], tuple[float, float]]


def cluster_t(
    rounds: Rounds, estimate: Estimate, level: float, seed: int = 0
) -> tuple[float, float]:
    """Student-t over users, g - 1 degrees of freedom (Liang & Zeger, 1986; CR1).

    The variance is that of the influence summed within users, times g/(g-1): one
    user's decisions are not independent. Nothing is drawn; `seed` is not used.
    """
    del seed
    g = rounds.users
    if g < 2:
        raise NotComputable("one user: nothing tells how people differ")
    sums = rounds.by_user(estimate.influence)
    error = math.sqrt(g / (g - 1) * float(sums @ sums)) / len(rounds)
    half = float(stdtrit(g - 1, (1 + level) / 2)) * error
    return estimate.value - half, estimate.value + half


INTERVALS: dict[str, Interval] = {"cluster-t": cluster_t}
