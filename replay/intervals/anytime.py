"""`anytime`: an interval that holds at every look at once."""

import math

import numpy as np
from scipy.special import lambertw, ndtri

from policies.arrays import Floats
from replay.estimators import Estimate
from replay.intervals.cluster import clustered_error, t_value
from replay.rounds import NotComputable, Rounds

FIRST_LOOK = 7  # the day of it; the first 24 hours are day 1
PEAK_DAY = 20  # where the sequence is narrowest for its level
PEAK_ROUNDS = 2000.0  # the same for rounds without days
TUNED_FOR = 0.05  # one rho at all levels, so that their intervals are nested


def anytime(rounds: Rounds, estimate: Estimate, level: float, seed: int = 0) -> tuple[float, float]:
    """An asymptotic confidence sequence over users: look every day, stop when you like.

    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, 2021 (Theorem 2.2), with the standard
    error of a mean over users (CR1), widened for few users as Student's t is. Time is the
    number of rounds so far; the sequence is narrowest at 20/7 of the rounds of the first
    seven days, which no later look changes; where these have none, days count from the first
    round's on. Rounds without `days` are their own clock, with the narrowest point at 2,000.

    The same people return every day, and what makes them differ does not average out. That
    part makes later looks resemble earlier ones more than independent rounds would: with v
    its variance in units of one round's, the correlation of two looks at s < t is
    sqrt(s/t) sqrt((1 + t v)/(1 + s v)) >= sqrt(s/t). By Slepian's inequality (1962) a
    boundary that holds for independent rounds is then crossed no more often, as long as the
    standard error is that of users. Raises `NotComputable` before day 7 of the evaluated
    decisions. Nothing is drawn.
    """
    del seed
    clock, peak = clock_of(rounds)
    error = clustered_error(rounds, estimate.influence)
    half = float(half_width(np.array(error), np.array(clock), peak, level, rounds.equal_users))
    return estimate.value - half, estimate.value + half


def clock_of(rounds: Rounds) -> tuple[float, float]:
    """(rounds so far, the number of rounds where the sequence is narrowest)."""
    if rounds.days is None:
        return float(len(rounds)), PEAK_ROUNDS
    begin = math.floor(float(rounds.days.min()))
    begin = 0 if begin < FIRST_LOOK else begin  # nobody decided in the first week: from then on
    day = math.floor(float(rounds.days.max())) - begin + 1
    if day < FIRST_LOOK:
        raise NotComputable(
            f"anytime: the first look is on day {FIRST_LOOK}, these decisions end on day {day}"
        )
    first = float((rounds.days < begin + FIRST_LOOK).sum())
    return float(len(rounds)), first * PEAK_DAY / FIRST_LOOK


def half_width(error: Floats, clock: Floats, peak: float, level: float, users: float) -> Floats:
    """Half-widths at standard errors `error` and times `clock`, arrays of one shape.

    With x = clock rho^2: error sqrt(2 (1 + 1/x) log(sqrt(x + 1)/alpha)), times t(users - 1)
    over the normal quantile.
    """
    x = clock * rho_squared(peak)
    bound = np.sqrt(2 * (1 + 1 / x) * np.log(np.sqrt(x + 1) / (1 - level)))
    few = t_value(level, users - 1) / float(ndtri((1 + level) / 2))
    return np.asarray(error * bound * few)


def rho_squared(peak: float) -> float:
    """rho^2 that makes the sequence narrowest at time `peak` (appendix B.2 of the paper)."""
    return float(-lambertw(-(TUNED_FOR**2) / math.e, -1).real - 1) / peak
