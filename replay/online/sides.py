"""The two sides of a difference between users, as of the end of each day, with both intervals."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats, Ints
from replay.intervals.anytime import FIRST_LOOK, PEAK_DAY, half_width
from replay.intervals.cluster import t_value

CHUNK = 4096  # users whose days are held at once


@dataclass(frozen=True)
class Side:
    """Sums over the users of a variant, each `(days,)`, as of the end of each day; they add up."""

    users: Floats  # that had decided anything by then
    decisions: Floats
    decisions_squared: Floats
    reward: Floats
    reward_squared: Floats
    cross: Floats  # sum of reward times decisions

    def __add__(self, other: "Side") -> "Side":
        return Side(*(a + b for a, b in zip(_sums(self), _sums(other), strict=True)))

    @property
    def mean(self) -> Floats:
        """Reward per decision, a ratio of sums; NaN without decisions."""
        return _divided(self.reward, self.decisions)

    @property
    def variance(self) -> Floats:
        """Of the mean, linearised: the residuals summed within users, times g/(g-1) (CR1).

        NaN for fewer than two users.
        """
        m = self.mean
        squares = self.reward_squared - 2 * m * self.cross + m * m * self.decisions_squared
        few = _divided(self.users, np.where(self.users > 1, self.users - 1, 0.0))
        out: Floats = few * np.maximum(squares, 0.0) / np.maximum(self.decisions, 1.0) ** 2
        return out

    @property
    def equal_users(self) -> Floats:
        """As many users of equal size, n^2 / sum n_u^2 (Kish, 1965); NaN without any."""
        return _divided(self.decisions**2, self.decisions_squared)


def _sums(side: Side) -> tuple[Floats, ...]:
    return (
        side.users,
        side.decisions,
        side.decisions_squared,
        side.reward,
        side.reward_squared,
        side.cross,
    )


def _divided(a: Floats, b: Floats) -> Floats:
    out: Floats = np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)
    return out


def side_of(user: Ints, day: Ints, reward: Floats, days: int) -> Side:
    """The side of n decisions, each `(n,)`: the user's code, the day from 0, the reward."""
    codes, own = np.unique(user, return_inverse=True)
    out = Side(*(np.zeros(days) for _ in range(6)))
    order = np.argsort(own, kind="stable")
    for start in range(0, len(codes), CHUNK):
        low, high = np.searchsorted(own[order], (start, start + CHUNK))
        rows = order[low:high]
        shape = (min(CHUNK, len(codes) - start), days)
        count, total = np.zeros(shape), np.zeros(shape)
        at = (own[rows] - start, day[rows])
        np.add.at(count, at, 1.0)
        np.add.at(total, at, reward[rows])
        out += side_from(np.cumsum(count, axis=1), np.cumsum(total, axis=1))
    return out


def side_from(decisions: Floats, reward: Floats) -> Side:
    """The side of users' sums up to the end of each day, `(users, days)`."""
    return Side(
        (decisions > 0).sum(axis=0).astype(np.float64),
        decisions.sum(axis=0),
        (decisions**2).sum(axis=0),
        reward.sum(axis=0),
        (reward**2).sum(axis=0),
        (reward * decisions).sum(axis=0),
    )


@dataclass(frozen=True)
class Bands:
    """A difference in mean reward and its intervals as of the end of each day, `(days,)`.

    NaN: not computable as of then.
    """

    value: Floats
    error: Floats  # standard error
    cluster_t: Floats  # half-widths
    anytime: Floats


def bands(ours: Side, theirs: Side, level: float) -> Bands:
    """`ours` minus `theirs`: two groups of users, independent of each other.

    `cluster-t`: Student's t with the degrees of freedom of the smaller side's users of equal
    size. `anytime`: the sequence of `replay.intervals.anytime` at this standard error, its
    clock the decisions of both sides, narrowest at 20/7 of those of the first seven days. The
    same users on either side: between two looks s < t the covariance is that of the sum of
    two independent means, so the argument given there holds for each side and their sum. It
    needs decisions per user that do not fall as the log grows.
    """
    value = ours.mean - theirs.mean
    error = np.sqrt(ours.variance + theirs.variance)
    users = np.fmin(ours.equal_users, theirs.equal_users)
    clock = ours.decisions + theirs.decisions
    cluster, anytime = np.full(len(value), np.nan), np.full(len(value), np.nan)
    for d in np.flatnonzero(np.isfinite(error)).tolist():
        cluster[d] = t_value(level, float(users[d]) - 1) * error[d]
        if d + 1 >= FIRST_LOOK:
            peak = float(clock[FIRST_LOOK - 1]) * PEAK_DAY / FIRST_LOOK
            anytime[d] = half_width(error[d], clock[d], max(peak, 1.0), level, float(users[d]))
    return Bands(value, error, cluster, anytime)
