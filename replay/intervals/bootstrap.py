"""`bootstrap`: users are resampled, and everything is normalised again in each resample."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from policies.arrays import Floats
from replay.estimators import Estimate
from replay.rounds import NotComputable, Rounds

RESAMPLES = 1000
BLOCK = 256  # users whose counts and sums fit into the cache
COUNTS = np.repeat(  # Poisson(1) by inversion of 16 random bits
    np.arange(9, dtype=np.uint8), [24109, 24109, 12055, 4018, 1005, 201, 33, 5, 1]
)


def bootstrap(
    rounds: Rounds, estimate: Estimate, level: float, seed: int = 0, threads: int = 1
) -> tuple[float, float]:
    """Percentile interval of a Poisson bootstrap over users (Chamandy et al., 2012).

    Each resample takes user u Poisson(1) times, by bits keyed by (seed, block of users),
    adds up the users' columns and combines their means: a ratio's denominator moves too.
    The result does not depend on `threads`.
    """
    values = resampled(rounds, estimate, seed, threads)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resampled(rounds: Rounds, estimate: Estimate, seed: int = 0, threads: int = 1) -> Floats:
    """The estimate in each resample; those that cannot be normalised are left out."""
    values = combined(estimate, resampled_means(rounds, estimate.columns, seed, threads))
    finite: Floats = values[np.isfinite(values)]
    return finite


def combined(estimate: Estimate, means: Floats) -> Floats:
    """The estimate of each resample from its column means `(B, m)`; maybe not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.array([estimate.combine(row) for row in means])


def resampled_means(rounds: Rounds, columns: Floats, seed: int = 0, threads: int = 1) -> Floats:
    """Means of `columns (n, m)` in each resample with any users, `(B, m)`."""
    if rounds.users < 2:
        raise NotComputable("one user: nothing tells how people differ")
    sums = np.stack([rounds.by_user(c) for c in [*columns.T, np.ones(len(rounds))]], axis=1)

    def totals(block: int) -> Floats:
        part = sums[block * BLOCK : (block + 1) * BLOCK]
        size = RESAMPLES * len(part)
        raw = np.random.Philox(key=[seed, block]).random_raw(-(-size // 4))
        words = raw.astype("<u8").view("<u2")[:size]
        counts = COUNTS.take(words).reshape(RESAMPLES, len(part))
        found: Floats = counts.astype(np.float64) @ part
        return found

    total = np.zeros((RESAMPLES, sums.shape[1]))
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:  # ours, not BLAS's
        for found in pool.map(totals, range(-(-len(sums) // BLOCK))):
            total += found
    kept = total[total[:, -1] > 0]
    means: Floats = kept[:, :-1] / kept[:, -1:]
    return means
