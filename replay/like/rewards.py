"""Rewards with a wanted mean, on the support the log's own rewards have."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Bools, Floats

MOST_VALUES = 64  # different rewards that are a support; more are cut into as many quantiles
TILTS = 241  # tabulated; between two of them mixtures have every mean exactly


@dataclass(frozen=True)
class Noise:
    """How a mean becomes a reward: silence, else a tilted draw from the answered rewards.

    The distribution with mean q is the log's own, tilted exponentially (p_v exp(t v)): of all
    on that support the nearest to it in Kullback-Leibler divergence. For rewards of 0 and
    1 it is Bernoulli's.
    """

    values: Floats  # (m,) ascending
    means: Floats  # (t,) of the tabulated tilts, ascending
    tails: Floats  # (t, m) P(reward <= value)
    silence: float  # share of decisions that are never answered
    default: float  # their reward
    exact: bool  # the values are all that the log has

    def within(self, q: Floats) -> Floats:
        """`q` as near as these rewards can have as a mean, silence included."""
        low, high = (
            self.silence * self.default + (1 - self.silence) * end
            for end in (self.values[0], self.values[-1])
        )
        return np.asarray(np.clip(q, low, high))

    def done(self, reward: Floats) -> Bools:
        """(n,) which are the highest the log has, where that can be told."""
        return np.asarray((reward == self.values[-1]) & (len(self.values) > 1) & self.exact)

    def draw(self, q: Floats, silent: Floats, u: Floats) -> tuple[Floats, Bools]:
        """(reward, answered) for means `q (n,)` from `within`, uniforms `silent`, `u` `(n,)`."""
        answered = silent >= self.silence
        if len(self.values) == 1 or self.silence >= 1:
            return np.where(answered, self.values[0], self.default), answered
        wanted = (q - self.silence * self.default) / (1 - self.silence)
        at = np.clip(np.searchsorted(self.means, wanted, "right") - 1, 0, len(self.means) - 2)
        gap = self.means[at + 1] - self.means[at]
        share = np.clip((wanted - self.means[at]) / gap, 0, 1)[:, None]
        tail = (1 - share) * self.tails[at] + share * self.tails[at + 1]
        picked = np.minimum((tail <= u[:, None]).sum(axis=1), len(self.values) - 1)
        return np.where(answered, self.values[picked], self.default), answered


def noise_of(reward: Floats, silent: Bools) -> Noise:
    """The noise of a log with rewards `(n,)`, of which `silent (n,)` had no answer."""
    given = reward[~silent]
    if not len(given):
        given = reward
    values, count = np.unique(given, return_counts=True)
    exact = len(values) <= MOST_VALUES
    if not exact:
        cut = np.quantile(given, (np.arange(MOST_VALUES) + 0.5) / MOST_VALUES)
        values, count = np.unique(np.r_[values[0], cut, values[-1]], return_counts=True)
    means, tails = _tilted(values, count / count.sum())
    default = float(reward[silent].mean()) if silent.any() else 0.0
    return Noise(values, means, tails, float(silent.mean()), default, exact)


def _tilted(values: Floats, share: Floats) -> tuple[Floats, Floats]:
    spread = float(values[-1] - values[0]) or 1.0  # one value: every tilt gives it
    tilt = np.sinh(np.linspace(-7.0, 7.0, TILTS))[:, None] / 7.0
    log_mass = np.log(share) + tilt * (values - values.mean()) / spread
    mass = np.exp(log_mass - log_mass.max(axis=1, keepdims=True))
    mass /= mass.sum(axis=1, keepdims=True)
    ends = np.eye(len(values))[[0, -1]]  # the extremes themselves
    mass = np.vstack([ends[:1], mass, ends[1:]])
    means, kept = np.unique(mass @ values, return_index=True)
    return means, np.cumsum(mass[kept], axis=1)
