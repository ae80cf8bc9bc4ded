"""Levels at which many intervals hold together: the largest of correlated t statistics."""

import numpy as np
from scipy.special import stdtr

from policies.arrays import Floats
from replay.estimators.calibrated import calibrated
from replay.intervals.auto import BOTH, choice, model_of
from replay.intervals.cressie_read import cressie_read
from replay.intervals.cressie_users import Span
from replay.rounds import Rounds

DRAWS = 10_000
STREAM = 1 << 63  # of the seed's Philox streams, apart from the bootstrap's blocks


def draws(sums: Floats, dof: float, seed: int = 0) -> Floats:
    """What chance does to m estimates together, `(DRAWS, m)`, in units of reward times n.

    `sums (g, m)`: each estimate's influence within each user. A Gaussian multiplier
    bootstrap over users (Chernozhukov, Chetverikov & Kato, 2013) given the data, which is
    the normal with the users' covariance; over one chi-square for the variance, as in the
    multivariate t of Hothorn, Bretz & Westfall (2008).
    """
    g, m = sums.shape
    centred = sums - sums.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred * g / max(g - 1, 1))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    key = np.array([seed % 2**64, STREAM], np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    shrink = np.sqrt(rng.chisquare(max(dof, 1.0), DRAWS) / max(dof, 1.0))
    return np.asarray(rng.standard_normal((DRAWS, m)) @ root / shrink[:, None])


def joint_level(sums: Floats, level: float, dof: float, seed: int = 0) -> float:
    """The level of each of m two-sided intervals that are to hold together at `level`.

    That of the quantile of the largest |t|; never beyond Bonferroni's 1 - (1 - level)/m,
    never below `level`, which it is for one estimate and for m that are the same.
    """
    noise = draws(sums, dof, seed)
    moves = _moves(sums)
    bound = 1 - (1 - level) / max(int(moves.sum()), 1)
    if not moves.any():
        return level
    largest = np.abs(noise[:, moves] / _errors(sums)[moves]).max(axis=1)
    limit = float(np.quantile(largest, level))
    each = 2 * float(stdtr(max(dof, 1.0), limit)) - 1
    return min(max(each, level), bound)


def best_levels(sums: Floats, level: float, dof: float, seed: int = 0) -> Floats:
    """For each estimate k `(m,)` the level of two-sided intervals of best - k.

    If no other is better than k, some other beats it by more than its one-sided limit c_k
    with probability (1 - level)/2 at most (Dunnett, 1955, with k as the control). Whoever
    beats all k by more than c_k therefore is better than all others but for 1 - level,
    though the data chose it (Hsu, 1984; twice, so that ties are never clear). For two
    estimates it is `level`.
    """
    noise = draws(sums, dof, seed)
    m = sums.shape[1]
    out = np.empty(m)
    for k in range(m):
        apart = sums - sums[:, [k]]
        moves = _moves(apart)
        if not moves.any():
            out[k] = level
            continue
        found = ((noise[:, moves] - noise[:, [k]]) / _errors(apart)[moves]).max(axis=1)
        limit = max(float(np.quantile(found, (1 + level) / 2)), 0.0)
        each = 2 * float(stdtr(max(dof, 1.0), limit)) - 1
        out[k] = min(max(each, level), 1 - (1 - level) / int(moves.sum()))
    return out


def widened(rounds: Rounds, span: Span, level: float) -> Span:
    """`span`, that of `auto`, as it is used for many: the wider evidence instead of the narrower.

    So far in the tails an intersection misses about twice as often as either part does.
    """
    if choice(rounds) != BOTH:
        return span
    robust, narrow = cressie_read(rounds, calibrated(rounds), level), model_of(rounds).at(level)
    return min(span[0], robust[0], narrow[0]), max(span[1], robust[1], narrow[1])


def _errors(sums: Floats) -> Floats:
    """Standard errors `(m,)`, in the draws' units."""
    g = len(sums)
    centred = sums - sums.mean(axis=0)
    return np.asarray(np.sqrt((centred**2).sum(axis=0) * g / max(g - 1, 1)))


def _moves(sums: Floats) -> Floats:
    """Which estimates chance moves at all, `(m,)`."""
    return np.asarray(_errors(sums) > 1e-12 * np.abs(sums).max(initial=0.0))
