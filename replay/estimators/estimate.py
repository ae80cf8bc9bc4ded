"""`Estimate`: per-round columns and how their means combine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from policies.arrays import Floats
from replay.rounds import Rounds

Combine = Callable[[Floats], float]


@dataclass(frozen=True)
class Estimate:
    """A value in units of reward, per decision.

    A resample renormalises by itself and shards add up, because `value` is `combine` of
    the column means; the influence gives clustered variance.
    """

    value: float
    influence: Floats  # (n,) mean zero: what each round moved
    columns: Floats  # (n, m)
    combine: Combine  # value = combine(column means (m,))
    chosen: Mapping[str, float] = field(default_factory=dict)  # parameters found in the data


Estimator = Callable[[Rounds], Estimate]


def mean_of(column: Floats, **chosen: float) -> Estimate:
    """The estimate that is the mean of one column `(n,)`."""
    value = float(column.mean())
    return Estimate(value, column - value, column[:, None], lambda m: float(m[0]), chosen)


def smooth(columns: Floats, combine: Combine, **chosen: float) -> Estimate:
    """The estimate `combine(means)` with its influence by the delta method.

    The gradient is taken by central differences, a step of 1e-6 of each column's scale.
    """
    means = columns.mean(axis=0)
    scale = np.abs(columns).mean(axis=0)
    gradient = np.zeros(len(means))
    for j in np.flatnonzero(scale > 0):
        step = 1e-6 * scale[j]
        up, down = means.copy(), means.copy()
        up[j] += step
        down[j] -= step
        gradient[j] = (combine(up) - combine(down)) / (2 * step)
    return Estimate(combine(means), (columns - means) @ gradient, columns, combine, chosen)
