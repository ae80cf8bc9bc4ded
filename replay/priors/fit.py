"""Empirical Bayes: how theta is spread over a population, from its people's sums.

Each person's theta of an arm is N(mean, spread) and each reward x'theta + noise (the mixed
linear model of Laird & Ware, 1982), fitted by EM. In units of the noise its precision stands
exactly where lambda I stands in ridge regression, and few people leave it near that: the
cold start counts as a person of mean 0 and as d + 1 people of spread noise I.
"""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Bools, Floats

ITERATIONS = 50
MOST_PAIRS = 20_000  # of a fit; more people would change no digit that matters
LEAST_NOISE = 1e-4  # variance of a reward around its mean


@dataclass(frozen=True)
class Pairs:
    """P people's sums over one arm or several, one row a person and arm."""

    gram: Floats  # (P, d, d) sum x x'
    moment: Floats  # (P, d) sum r x
    count: Floats  # (P,)
    square: Floats  # (P,) sum r r

    def take(self, rows: Bools) -> "Pairs":
        """Those of the rows `(P,)`, the first `MOST_PAIRS` of them."""
        at = np.flatnonzero(rows)[:MOST_PAIRS]
        return Pairs(self.gram[at], self.moment[at], self.count[at], self.square[at])


@dataclass(frozen=True)
class Belief:
    """A normal prior of theta: `mean (d,)`, `precision (d, d)` in units of the noise."""

    mean: Floats
    precision: Floats

    def scaled(self, strength: float) -> "Belief":
        """The same mean, held `strength` times as firmly."""
        return Belief(self.mean, strength * self.precision)


def cold(width: int) -> Belief:
    """What nobody has taught: ridge regression's with lambda 1."""
    return Belief(np.zeros(width), np.eye(width))


def fit(pairs: Pairs) -> Belief:
    """The belief that fits the pairs, of which there is at least one."""
    people, width = pairs.moment.shape
    eye = np.eye(width)
    mean = np.linalg.solve(pairs.gram.sum(axis=0) + eye, pairs.moment.sum(axis=0))
    noise = max(float(pairs.square.sum() / pairs.count.sum()), LEAST_NOISE)
    spread = noise * eye
    for _ in range(ITERATIONS):
        inverse = np.linalg.inv(spread)
        covariance = np.linalg.inv(pairs.gram / noise + inverse)  # (P, d, d)
        theta = np.einsum("pij,pj->pi", covariance, pairs.moment / noise + inverse @ mean)
        mean = theta.sum(axis=0) / (people + 1)
        off = theta - mean
        total = covariance.sum(axis=0) + off.T @ off + (width + 1) * noise * eye
        spread = total / (people + width + 1)
        second = covariance + theta[:, :, None] * theta[:, None, :]
        residual = (
            pairs.square.sum() - 2 * (theta * pairs.moment).sum() + (pairs.gram * second).sum()
        )
        noise = max(float(residual / pairs.count.sum()), LEAST_NOISE)
    precision = noise * np.linalg.inv(spread)
    return Belief(mean, (precision + precision.T) / 2)
