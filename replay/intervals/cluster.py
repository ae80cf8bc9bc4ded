"""`cluster-t`: Student's t over users."""

import math

from scipy.special import stdtrit

from policies.arrays import Floats
from replay.estimators import Estimate
from replay.rounds import NotComputable, Rounds


def cluster_t(
    rounds: Rounds, estimate: Estimate, level: float, seed: int = 0
) -> tuple[float, float]:
    """Student-t over users (Liang & Zeger, 1986) with small-sample correction (CR1).

    The variance is that of the influence summed within users, times g/(g-1): one user's
    decisions are not independent. The degrees of freedom are those of as many users of
    equal size, n^2 / sum n_u^2 - 1 (Kish, 1965). Nothing is drawn; `seed` is not used.
    """
    del seed
    half = t_value(level, rounds.equal_users - 1) * clustered_error(rounds, estimate.influence)
    return estimate.value - half, estimate.value + half


def clustered_error(rounds: Rounds, influence: Floats) -> float:
    """The standard error of a mean over rounds whose users are the sample."""
    g = rounds.users
    if g < 2:
        raise NotComputable("one user: nothing tells how people differ")
    sums = rounds.by_user(influence)
    return math.sqrt(g / (g - 1) * float(sums @ sums)) / len(rounds)


def t_value(level: float, dof: float) -> float:
    """The two-sided quantile of Student's t; at least one degree of freedom."""
    return float(stdtrit(max(dof, 1.0), (1 + level) / 2))
