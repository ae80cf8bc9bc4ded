"""The Cressie-Read point estimate."""

import math

import numpy as np

from policies.arrays import Floats
from replay.estimators.estimate import Estimate, smooth
from replay.rounds import Rounds


def cressie_read(rounds: Rounds) -> Estimate:
    """Empirical likelihood with the power divergence CR(-2) and one unseen weight.

    Karampatziakis, Langford & Mineiro, 2020 (eq. 10 and appendix): rounds are reweighted
    as little as makes the mean weight 1, with one further round of weight 0 or of the
    largest possible weight (`weight_bound`; None: unbounded) where it is needed. The mass
    that is missing then gets the mean logged reward. Clipped to the reward range.
    """
    n = len(rounds)
    weight, reward = rounds.weight, rounds.reward
    squared = weight * weight
    largest = largest_weight(rounds)
    low, high = rounds.reward_range

    def combine(means: Floats) -> float:
        w, ww, wr, wwr, r = means.tolist()
        fake = largest if w < 1 else 0.0
        spread = 0.0
        if math.isfinite(fake):
            a, b = (fake + n * w) / (1 + n), (fake * fake + n * ww) / (1 + n)
            spread = b - a * a
        if spread > 0:
            gamma, beta = (b - a) / -spread, (1 - a) / -spread
        else:  # unbounded above, or all weights equal: the rounds keep equal shares
            gamma, beta = -(1 + n) / n, 0.0
        seen = -(gamma * w + beta * ww) * n / (1 + n)
        value = -(gamma * wr + beta * wwr) * n / (1 + n) + max(0.0, 1 - seen) * r
        return float(min(max(value, low), high))

    columns = np.column_stack([weight, squared, weight * reward, squared * reward, reward])
    return smooth(columns, combine)


def largest_weight(rounds: Rounds) -> float:
    """The largest weight any round could have had; infinite where nothing tells."""
    if rounds.weight_bound is None:
        return math.inf
    return max(rounds.weight_bound, float(rounds.weight.max()), 1.0)
