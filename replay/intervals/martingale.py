"""`martingale`: Student's t for rounds whose logger learned from the rounds before."""

import math

from replay.estimators import Estimate
from replay.estimators.weighting import must_weigh
from replay.intervals.cluster import clustered_error, t_value
from replay.rounds import Rounds


def martingale(
    rounds: Rounds, estimate: Estimate, level: float, seed: int = 0
) -> tuple[float, float]:
    """t from the quadratic variation of the rounds, at least what the logged pmfs imply.

    With a state shared by all, rounds depend on each other through the logger, yet each
    round's error has mean 0 given the past: the variance is the sum of squares (Hall & Heyde,
    1980, Theorem 3.2). Users may still differ, so it is at least that of users (CR1). And
    where fewer squared weights came than sum pi_e^2/pi_b says, the rest is still to come:
    the variance grows by that factor. Nothing is drawn.
    """
    del seed
    must_weigh(rounds)
    influence, n = estimate.influence, len(rounds)
    by_round = float(influence @ influence) / (n * max(n - 1, 1))
    variance = max(by_round, clustered_error(rounds, influence) ** 2) * unseen(rounds)
    half = t_value(level, rounds.equal_users - 1) * math.sqrt(variance)
    return estimate.value - half, estimate.value + half


def unseen(rounds: Rounds) -> float:
    """The squared weight that the pmfs imply over the one that came, at least 1."""
    if rounds.candidates is None:
        return 1.0
    implied = float(rounds.candidates.pi_e @ rounds.candidates.weight)
    return max(1.0, implied / float(rounds.weight @ rounds.weight))
