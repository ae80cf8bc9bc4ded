"""How many users, or days, a difference needs to be found with a given power."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtr, ndtri, stdtrit

from policies.arrays import Bools, Floats, Ints
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

    def power_at(self, error: Floats, dof: Floats) -> Floats:
        """P(the Student-t interval is above 0) at a true difference of `detect`, `(B,)`.

        The noncentral t distribution (Cohen, 1988), one-sided: an interval on the wrong side
        decides for the wrong policy. `error`: the standard errors `(B,)`.
        """
        dof = np.maximum(dof, 1.0)
        bound = stdtrit(dof, (1 + self.level) / 2)
        far = np.divide(self.detect, error, out=np.full(len(error), np.inf), where=error > 0)
        sure = far > bound + SURE
        return np.where(sure, 1.0, 1.0 - nctdtr(dof, np.where(sure, 0.0, far), bound))

    def reached(self, error: Floats, dof: Floats) -> Bools:
        """Whether the power is, `(B,)`."""
        out: Bools = self.power_at(error, dof) >= self.power
        return out


def least(enough: Callable[[Floats], Bools], first: int, last: int, size: int = 1) -> Ints:
    """The smallest numbers from `first` to `last` that are enough, `(size,)`; -1: none is.

    `enough` says it of `(size,)` numbers at once; all above an enough one must be enough too.
    """
    low, high = np.full(size, first - 1), np.full(size, last)
    never = ~enough(high.astype(np.float64))
    while (high - low > 1).any():
        middle = (low + high) // 2
        found = enough(np.maximum(middle, first).astype(np.float64)) & (middle >= first)
        high, low = np.where(found, middle, high), np.where(found, low, middle)
    return np.where(never, -1, high)


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
