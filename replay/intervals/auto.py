"""`auto`: a fixed rule, whose coverage is measured with the choice included."""

import math

import numpy as np

from policies.arrays import Floats
from replay.estimators import Estimate
from replay.estimators.calibrated import calibrated
from replay.intervals.cluster import t_value
from replay.intervals.cressie_read import cressie_read
from replay.intervals.cressie_users import Span
from replay.intervals.design_variance import design_variance
from replay.rounds import Rounds

ROBUST = "cressie-read by user"
BOTH = "cressie-read by user, intersected with t from the design variance"
SPENT = 0.7  # of what may be missed, by the wider interval of the two that are intersected
ENOUGH = 10.0  # users of equal size, below which none can be said to be like the others
ALIKE = 1.5  # a design effect up to which one user's rewards look independent


def auto(rounds: Rounds, estimate: Estimate, level: float, seed: int = 0) -> Span:
    """The narrower evidence where people look alike, else users as units.

    1. `cressie-read` by user, with the largest weight any candidate could have had.
    2. Where all pmfs are logged and the design effect is at most 1.5: that interval, at
       the level 1 - 0.7 (1 - level), intersected with `modelled`. An empty intersection
       leaves the first.
    """
    if choice(rounds) == ROBUST:
        return cressie_read(rounds, estimate, level, seed)
    robust = cressie_read(rounds, estimate, 1 - SPENT * (1 - level), seed)
    narrow = modelled(rounds, level)
    low, high = max(robust[0], narrow[0]), min(robust[1], narrow[1])
    return (low, high) if low <= high else robust


def choice(rounds: Rounds) -> str:
    """Which of the two `auto` takes, in words."""
    many = rounds.equal_users >= ENOUGH  # one user's sum is zero at the mean: it cannot tell
    alike = many and rounds.candidates is not None and design_effect(rounds) <= ALIKE
    return BOTH if alike else ROBUST


def modelled(rounds: Rounds, level: float) -> Span:
    """Calibrated `sndr` with at least the variance that the logged pmfs imply.

    The variance is the larger of two: by user with leverage correction (CR2; Bell &
    McCaffrey, 2002), and what all candidates' weights make it, plus what users add between
    them. Student's t over as many users of equal size, or over the rows that the variance
    stands on if they are fewer. Within the reward range.
    """
    found = calibrated(rounds)
    n, w = len(rounds), rounds.weight
    share = found.chosen["b"]
    e = rounds.reward - (share * rounds.q_hat if rounds.q_hat is not None else 0.0)
    q_pi = share * rounds.q_pi if rounds.q_pi is not None else np.zeros(n)
    shift = found.value - float(q_pi.mean())
    leverage = np.minimum(0.9, (rounds.by_user(w) / w.sum() + rounds.sizes / n) / 2)
    sums = rounds.by_user(found.influence)
    clustered = float((sums**2 / (1 - leverage)).sum()) / n**2
    between = max(0.0, clustered - float(found.influence @ found.influence) / n**2)
    drawn = design_variance(rounds, e - shift, found.value)
    designed = (drawn.variance + float(q_pi.var())) / n
    error = math.sqrt(max(clustered, designed + between))
    rows = drawn.rows * (designed / drawn.variance * n) ** 2 if drawn.variance > 0 else math.inf
    half = t_value(level, max(2.0, min(rounds.equal_users - 1, rows))) * error
    low, high = rounds.reward_range
    return max(low, found.value - half), min(high, found.value + half)


def design_effect(rounds: Rounds) -> float:
    """sum over users of (sum x)^2 / sum x^2, x = w (r - snips): 1 when users do not differ."""
    w = rounds.weight
    x: Floats = w * (rounds.reward - float(w @ rounds.reward) / float(w.sum()))
    square = float(x @ x)
    return float((rounds.by_user(x) ** 2).sum()) / square if square > 0 else 1.0
