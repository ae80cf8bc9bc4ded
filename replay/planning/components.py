"""What a log says of the variance of a planned difference: one decision's, and one person's."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats

RESAMPLES = 200  # of users, for how well the log knows what it plans


@dataclass(frozen=True)
class Shape:
    """How decisions are spread over users."""

    decisions: float  # a user's, on average
    clumped: float  # sum n_u^2 / sum n_u: those of the user that a random decision belongs to

    @property
    def equal(self) -> float:
        """Users of equal size that one user is worth (Kish, 1965)."""
        return self.decisions / self.clumped


@dataclass(frozen=True)
class Components:
    """Of a mean over decisions whose users are the sample, in units of reward squared, `(B,)`."""

    single: Floats  # the variance of one decision's score
    shared: Floats  # the covariance of two decisions' scores of one user

    def variance(self, shape: Shape, users: Floats, scale: Floats) -> Floats:
        """Of the mean over `users` with `scale` times as many decisions each as in `shape`.

        sum_u (n_u single + n_u (n_u - 1) shared) / n^2 (Kish, 1965, section 5.4: the design
        effect): more decisions of the same users leave shared * clumped / (n per user * users).
        """
        others = np.maximum(0.0, scale * shape.clumped - np.minimum(1.0, scale))
        return (self.single + self.shared * others) / (users * scale * shape.decisions)


Sums = Floats
"""Users' sums `(g, m)`, or resampled totals `(B, m)`: what components are computed from."""


def score_sums(user_sum: Callable[[Floats], Floats], score: Floats) -> Sums:
    """Columns n, n^2, T, Q, T^2, nT of each user, T and Q the sums of scores and squares."""
    n, total, square = (user_sum(x) for x in (np.ones(len(score)), score, score**2))
    return np.column_stack([n, n * n, total, square, total * total, n * total])


def shape_of(totals: Sums, users: int) -> Shape:
    """From `score_sums` added up, `(m,)`."""
    return Shape(float(totals[0] / users), float(totals[1] / totals[0]))


def shared_of(totals: Sums) -> tuple[Floats, Floats, Floats]:
    """(mean, covariance of two decisions of one user, squared standard error), each `(B,)`.

    The covariance is that of all pairs of a user, a U-statistic (Hoeffding, 1948), corrected
    for the estimated mean, and 0 at least. `totals (B, 6)`.
    """
    n, squares, total, square, total2, cross = totals.T
    mean = total / n
    within = square - 2 * mean * total + mean**2 * n
    of_users = total2 - 2 * mean * cross + mean**2 * squares
    error = of_users / n**2
    pairs = squares - n
    shared = np.divide(of_users - within, pairs, out=np.zeros(len(n)), where=pairs > 0) + error
    return mean, np.maximum(shared, 0.0), error


def resampled(sums: Sums, seed: int) -> Sums:
    """Totals of `sums (g, m)` over users drawn with replacement, `(RESAMPLES, m)`."""
    g = len(sums)
    counts = np.random.default_rng(seed).multinomial(g, np.full(g, 1 / g), RESAMPLES)
    out: Floats = counts.astype(np.float64) @ sums
    return out
