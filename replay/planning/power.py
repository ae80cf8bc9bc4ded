"""How many users, or days, a difference needs to be found with a given power."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtr, ndtri

from replay.intervals.anytime import FIRST_LOOK, PEAK_DAY, half_width
from replay.intervals.cluster import t_value

LEAST_USERS = 30  # fewer, and neither a log nor a plan tells how people differ
MOST_USERS = 2**31
MOST_DAYS = 3650
SURE = 10.0  # standard errors beyond the bound: a power of 1


@dataclass(frozen=True)
class Question:
    """What is to be found: a true difference of `detect`, by an interval of `level`."""

    detect: float
    power: float
    level: float

    def power_at(self, error: float, dof: float) -> float:
        """P(the Student-t interval is above 0) at a true difference of `detect`.

        The noncentral t distribution (Cohen, 1988), one-sided: an interval on the wrong side
        decides for the wrong policy. `error`: the standard error.
        """
        dof = max(dof, 1.0)
        bound = t_value(self.level, dof)
        if error == 0 or self.detect / error > bound + SURE:
            return 1.0
        return 1.0 - float(nctdtr(dof, self.detect / error, bound))

    def reached(self, error: float, dof: float) -> bool:
        """Whether the power is."""
        return self.power_at(error, dof) >= self.power


def least(enough: Callable[[int], bool], first: int, last: int) -> int | None:
    """The smallest number from `first` to `last` that is enough, all above it being too."""
    if not enough(last):
        return None
    low, high = first - 1, last
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def daily_look(question: Question, days: int, equal_users: float) -> tuple[float, float] | None:
    """(length, user-days) of the interval `anytime` over those of one look at the end.

    The length is that of Waudby-Smith et al., 2021 (replay.intervals.anytime), over Student's
    t; more user-days make up for it as the square of its bound and of the power's quantile.
    None before the first look.
    """
    if days < FIRST_LOOK:
        return None
    bound = t_value(question.level, max(equal_users - 1, 1.0))
    one, clock = np.array(1.0), np.array(float(days))
    wide = float(half_width(one, clock, PEAK_DAY, question.level, equal_users))
    beyond = float(ndtri(question.power))
    return wide / bound, ((wide + beyond) / (bound + beyond)) ** 2
