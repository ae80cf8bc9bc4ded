"""Sample ratio mismatch: do the users that each variant has fit the probabilities?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, chi2

ALARM = 0.001
"""Below this p the split is broken, and with it every comparison (Fabijan et al., 2019)."""

LEAST_EXPECTED = 5.0  # users, for the chi-square approximation (Cochran, 1954)
DRAWS = 99_999


@dataclass(frozen=True)
class Ratio:
    """Users a variant, what was expected, and how often chance alone does as badly."""

    users: Mapping[str, int]
    expected: Mapping[str, float]
    test: str  # binomial | chi-square | multinomial
    p: float

    @property
    def broken(self) -> bool:
        """Whether the split cannot be believed."""
        return self.p < ALARM


def ratio_of(users: Mapping[str, int], shares: Mapping[str, float], seed: int = 0) -> Ratio:
    """The test of users by variant against their probabilities, which sum to 1.

    Two variants: the exact binomial test. More: Pearson's chi-square where every variant
    expects `LEAST_EXPECTED` users, else his statistic against `DRAWS` draws of the
    multinomial by `seed`, p = (1 + as large)/(1 + draws): its size is exact.
    """
    counts = np.array([users[name] for name in shares])
    share = np.array(list(shares.values()))
    share = share / share.sum()
    n = int(counts.sum())
    expected = n * share
    told = dict(zip(shares, expected.tolist(), strict=True))
    if len(share) == 2:
        return Ratio(users, told, "binomial", float(binomtest(int(counts[0]), n, share[0]).pvalue))
    statistic = float(((counts - expected) ** 2 / expected).sum())
    if expected.min() >= LEAST_EXPECTED:
        return Ratio(users, told, "chi-square", float(chi2.sf(statistic, len(share) - 1)))
    drawn = np.random.default_rng(seed).multinomial(n, share, size=DRAWS)
    at_least = ((drawn - expected) ** 2 / expected).sum(axis=1) >= statistic * (1 - 1e-12)
    return Ratio(users, told, "multinomial", float((1 + at_least.sum()) / (1 + DRAWS)))
