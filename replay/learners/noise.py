"""Rewards around a mean, from the reward's own support."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats, Ints

MEANS = 101  # means that are tabulated; between them two neighbours are mixed
ATOMS = 64  # of a support with more values: quantiles of what was seen
SLOPE = 700.0  # per range of the rewards: what exp can hold
HALVINGS = 60


@dataclass(frozen=True)
class Noise:
    """The distribution of a reward given its mean: that of all logged rewards, tilted.

    p_k(mean) is proportional to f_k exp(lambda v_k), f the logged shares of the values v:
    of all distributions with that mean the nearest to f (minimum discrimination
    information; Kullback, 1959). With two values it is Bernoulli.
    """

    values: Floats  # (S,) ascending
    means: Floats  # (M,) tabulated, ascending
    below: Floats  # (M, S) cumulative probabilities

    @property
    def low(self) -> float:
        """The least mean."""
        return float(self.means[0])

    @property
    def high(self) -> float:
        """The largest mean."""
        return float(self.means[-1])

    def draw(self, mean: Floats, u: Floats, mix: Floats) -> Floats:
        """Rewards of the given means, by `u`, `mix` in [0, 1), all of one shape.

        Between two tabulated means their distributions are mixed, so the mean is exact.
        """
        if len(self.values) == 1:
            return np.full(mean.shape, self.values[0])
        step = (self.high - self.low) / (MEANS - 1)
        place = np.clip((mean - self.low) / step, 0, MEANS - 1)
        row: Ints = np.minimum(place.astype(np.int64) + (mix < place % 1), MEANS - 1)
        at = (self.below[row] <= u[..., None]).sum(axis=-1)
        drawn: Floats = self.values[np.minimum(at, len(self.values) - 1)]
        return drawn


def noise_of(reward: Floats) -> Noise:
    """The noise of logged rewards `(n,)`."""
    values, count = np.unique(reward, return_counts=True)
    if len(values) > ATOMS:
        values = np.quantile(reward, (np.arange(ATOMS) + 0.5) / ATOMS)
        count = np.ones(ATOMS, np.int64)
    if len(values) == 1:
        return Noise(values, values, np.ones((1, 1)))
    means = np.linspace(values[0], values[-1], MEANS)
    below = np.cumsum(_tilted(values, count / count.sum()), axis=1)
    below[:, -1] = 1.0
    return Noise(values, means, below)


def _tilted(values: Floats, share: Floats) -> Floats:
    """`share (S,)` tilted to `MEANS` means `(M, S)`, by bisection of the slope."""
    unit = (values - values[0]) / (values[-1] - values[0])
    wanted = np.linspace(0, 1, MEANS)
    low, high = np.full(MEANS, -SLOPE), np.full(MEANS, SLOPE)
    for _ in range(HALVINGS):
        slope = (low + high) / 2
        below = _mass(share, unit, slope) @ unit < wanted
        low, high = np.where(below, slope, low), np.where(below, high, slope)
    return _mass(share, unit, (low + high) / 2)


def _mass(share: Floats, unit: Floats, slope: Floats) -> Floats:
    power = np.log(share) + slope[:, None] * unit
    mass: Floats = np.exp(power - power.max(axis=1)[:, None])
    return np.asarray(mass / mass.sum(axis=1)[:, None])
