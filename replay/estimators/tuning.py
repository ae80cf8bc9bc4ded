"""tau and lambda from the data: as much shrinkage as cannot spoil an interval.

Rules that minimise an estimate of the error (Lepski's, as in SLOPE) pick a bias as large
as the noise, and intervals around the result cover far less than they promise. Here the
*bound* of the bias, from the weights alone, may be a quarter of the standard error of the
unshrunk estimate: a 95% interval then covers at least .943.
"""

import math
from collections.abc import Callable

import numpy as np

from policies.arrays import Floats
from replay.rounds import Rounds

BIAS_SHARE = 0.25  # of the standard error
STEPS = 64  # on a grid of logarithms between the least and the largest weight


def clip_at(rounds: Rounds) -> float:
    """tau of `clipped-ips`: bias at most E[(w - tau)+] max |r|."""
    worst = max(abs(r) for r in rounds.reward_range)
    column = rounds.weight * rounds.reward
    return _least(
        rounds, column, worst, lambda w, tau: np.maximum(1 - tau / np.maximum(w, 1e-300), 0.0)
    )


def switch_at(rounds: Rounds) -> float:
    """tau of `switch-dr`: bias at most E[w 1(w > tau)] max |r - q|."""
    return _least(rounds, *_residual(rounds), lambda w, tau: (w > tau).astype(float))


def shrink_by(rounds: Rounds) -> float:
    """lambda of `dros`: bias at most E[w w^2/(w^2 + lambda)] max |r - q|.

    Found on the grid of weights and squared, lambda being of the dimension of w^2.
    """

    def lost(w: Floats, root: float) -> Floats:
        return np.asarray(w * w / (w * w + (root * root) ** 2))

    root = _least(rounds, *_residual(rounds), lost)
    return root**4 if math.isfinite(root) else math.inf


def _residual(rounds: Rounds) -> tuple[Floats, float]:
    """The residual column, and the most a residual could be."""
    q_hat, q_pi = rounds.model
    low, high = rounds.reward_range
    worst = max(high - float(q_hat.min()), float(q_hat.max()) - low)
    return q_pi + rounds.weight * (rounds.reward - q_hat), worst


def _least(
    rounds: Rounds, column: Floats, worst: float, lost: Callable[[Floats, float], Floats]
) -> float:
    """The least parameter on the grid whose bias bound is small enough; else infinity.

    `lost(w, parameter)` is the share of a weight that shrinkage takes away. Its mean under
    the evaluation policy comes from all candidates where the pmfs are logged.
    """
    sums = rounds.by_user(column - column.mean())
    error = math.sqrt(float(sums @ sums)) / len(rounds)
    if rounds.candidates is None:
        weight, mass = rounds.weight, rounds.weight
    else:
        weight, mass = rounds.candidates.weight, rounds.candidates.pi_e
    positive = weight[weight > 0]
    if not len(positive) or error == 0.0:
        return math.inf
    grid = np.geomspace(positive.min(), 2 * positive.max(), STEPS)
    for parameter in grid:
        bias = worst * float((mass * lost(weight, float(parameter))).sum()) / len(rounds)
        if bias <= BIAS_SHARE * error:
            return float(parameter)
    return math.inf
