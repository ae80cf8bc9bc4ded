"""The Cressie-Read interval with users as units: for a policy, or the difference of two."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from policies.arrays import Floats

Span = tuple[float, float]
Fake = tuple[float, float]
"""A round nobody saw: its weight (maybe infinite) and its reward."""


@dataclass(frozen=True)
class Units:
    """Per user, `(g,)`: what a clustered interval of a weighted mean needs."""

    size: Floats  # N_u decisions
    gain: Floats  # Y_u = sum w r
    excess: Floats  # A_u = sum (w - mean_weight), zero in expectation
    mean_weight: float = 1.0  # E w: 1 for a policy, 0 for the difference of two


def by_user(
    units: Units, level: float, worst: Sequence[Fake], best: Sequence[Fake], span: Span
) -> Span:
    """Users as units and one unseen round beside them, the `worst` or the `best` of some.

    theta solves mean(Z) - beta mean(A) = -+ t sqrt(RSS / (m - 1) / (m + 1)) over m = g + 1
    units, Z = Y - theta N, beta and RSS of the regression of Z on A: the profile of CR(-2)
    with t(m)^2 for its F(1, m). An unseen weight that is infinite forces the regression
    through it. Within `span`.
    """
    low = min(_root(units, level, fake, -1) for fake in worst)
    high = max(_root(units, level, fake, 1) for fake in best)
    return max(low, span[0]), min(high, span[1])


def _root(units: Units, level: float, fake: Fake, side: int) -> float:
    """The end of the interval on `side` (-1, 1); infinite where nothing bounds it."""
    weight, reward = fake
    m = len(units.size) + 1
    k = float(stdtrit(m, (1 + level) / 2)) ** 2 / ((m - 1) * (m + 1))
    if math.isinf(weight):
        top, rest_top = _centred(units.gain - reward * units.excess)
        bottom, rest_bottom = _centred(units.size)
    else:
        excess = np.append(units.excess, weight - units.mean_weight)
        top, rest_top = _without(np.append(units.gain, weight * reward), excess)
        bottom, rest_bottom = _without(np.append(units.size, 1.0), excess)
    a = bottom * bottom - k * float(rest_bottom @ rest_bottom)
    b = top * bottom - k * float(rest_top @ rest_bottom)
    c = top * top - k * float(rest_top @ rest_top)
    if a <= 0 or bottom <= 0:
        return side * math.inf
    return (b + side * math.sqrt(max(b * b - a * c, 0.0))) / a


def _centred(column: Floats) -> tuple[float, Floats]:
    mean = float(column.mean())
    return mean, column - mean


def _without(column: Floats, control: Floats) -> tuple[float, Floats]:
    """Where the regression of `column` on `control` meets control = 0, and its residuals."""
    (mean, rest), (shift, spread) = _centred(column), _centred(control)
    square = float(spread @ spread)
    beta = float(spread @ rest) / square if square > 0 else 0.0
    return mean - beta * shift, rest - beta * spread
