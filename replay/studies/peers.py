"""Intervals as the field's tools make them, on the same draws; rows count as independent.

Written from their sources' formulas, because what is compared is the rule.
"""

import numpy as np

from policies.arrays import Floats
from replay.estimators import ESTIMATORS
from replay.intervals.cluster import cluster_t
from replay.intervals.cressie_read import plain
from replay.intervals.cressie_users import Span
from replay.rounds import Rounds

RESAMPLES = 1000
AT_ONCE = 50  # resamples in memory together
SEED = 7  # apart from every other use of a replicate's seed

OBP_IPS, OBP_SNIPS = "obp bootstrap ips", "obp bootstrap snips"
CRESSIE_READ, SNDR_T = "cressie-read ips, largest weight known", "sndr-t"
PEERS = (OBP_IPS, OBP_SNIPS, CRESSIE_READ, SNDR_T)
BEATEN = (OBP_IPS, CRESSIE_READ, SNDR_T)  # whose width `auto` is held against


def peers(rounds: Rounds, level: float, seed: int) -> dict[str, tuple[float, Span]]:
    """(value, interval) by peer."""
    alone = Rounds(
        rounds.reward,
        rounds.pscore,
        rounds.pi_e,
        rounds.q_hat,
        rounds.q_pi,
        None,
        rounds.reward_range,
        rounds.weight_bound,
        rounds.candidates,
    )
    ips, sndr = ESTIMATORS["ips"](alone), ESTIMATORS["sndr"](alone)
    gain = alone.weight * alone.reward
    frozen = gain / alone.weight.mean()  # the denominator does not move with the resample
    columns = np.column_stack([gain, frozen])
    low, high = np.quantile(
        _resampled(columns, seed), [(1 - level) / 2, (1 + level) / 2], axis=0
    ).tolist()
    return {
        OBP_IPS: (ips.value, (low[0], high[0])),
        OBP_SNIPS: (float(frozen.mean()), (low[1], high[1])),
        CRESSIE_READ: (ips.value, plain(alone, level)),
        SNDR_T: (sndr.value, cluster_t(alone, sndr, level)),
    }


def _resampled(columns: Floats, seed: int) -> Floats:
    """Means of rows drawn with replacement `(RESAMPLES, m)`, as obp's bootstrap draws them."""
    rng, n = np.random.default_rng([SEED, seed]), len(columns)
    apart = np.ascontiguousarray(columns.T)
    means = []
    for _ in range(RESAMPLES // AT_ONCE):
        rows = rng.integers(n, size=(AT_ONCE, n), dtype=np.int32)
        means.append(np.stack([column[rows].mean(axis=1) for column in apart], axis=1))
    return np.concatenate(means)
