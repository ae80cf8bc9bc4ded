"""The variance that the logged pmfs imply: rare heavy weights count before they come."""

import numpy as np

from policies.arrays import Floats
from replay.rounds import Rounds

FAKE_ROWS = 2.0  # per bin of weights, at the worst squared residual


def design_variance(rounds: Rounds, residual: Floats, value: float) -> float:
    """The variance of one round's weighted residual `(n,)`, over what the logger could draw.

    Bins of log2 w. What a bin contributes is known from all candidates, sum pi_e^2/pi_b;
    only its mean squared residual is estimated, shrunk toward the worst the reward range
    allows by two rows of the bin's mean square weight. A bin that nobody drew has the worst.
    """
    assert rounds.candidates is not None
    low, high = rounds.reward_range
    worst = max((high - value) ** 2, (value - low) ** 2)
    candidates = rounds.candidates
    ours, square = _bins(rounds.weight), rounds.weight**2
    kept = candidates.weight > 0
    theirs = _bins(candidates.weight[kept])
    first = min(ours.min(initial=0), theirs.min(initial=0))
    size = int(max(ours.max(initial=0), theirs.max(initial=0)) - first) + 1
    total = np.bincount(theirs - first, candidates.pi_e[kept] * candidates.weight[kept], size)
    at = np.flatnonzero(rounds.weight > 0)
    rows = np.bincount(ours[at] - first, minlength=size)
    mass = np.bincount(ours[at] - first, square[at], size)
    rest = np.bincount(ours[at] - first, square[at] * residual[at] ** 2, size)
    prior = FAKE_ROWS * mass / np.maximum(rows, 1)
    with np.errstate(invalid="ignore"):
        sigma2 = np.where(rows > 0, (rest + prior * worst) / (mass + prior), worst)
    return float(total @ sigma2) / len(rounds)


def _bins(weight: Floats) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.where(weight > 0, np.floor(np.log2(weight)), 0).astype(np.int64)
