"""`auto`: a fixed rule, whose coverage is measured with the choice included."""

import math
from dataclasses import dataclass

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
MEET = 0.95  # the level at which the two are held against each other
ENOUGH = 10.0  # users of equal size, below which none can be said to be like the others
ALIKE = 1.5  # a design effect up to which one user's rewards look independent


def auto(rounds: Rounds, estimate: Estimate, level: float, seed: int = 0) -> Span:
    """The narrower evidence where people look alike, else users as units.

    1. `cressie-read` by user, with the largest weight any candidate could have had.
    2. Where all pmfs are logged and the design effect is at most 1.5: that interval, at
       the level 1 - 0.7 (1 - level), intersected with `model_of`. Where the two do not
       meet at the level 0.95, the first alone, at every level.

    A higher level's interval holds a lower one's. Two that meet at 0.95 may part below it,
    and a nested intersection would there be a point: unless the one's middle lies in the
    other at every level, the interval below 0.95 is that of 0.95, shrunk about its middle.
    """
    if choice(rounds) == ROBUST:
        return cressie_read(rounds, estimate, level, seed)
    model = model_of(rounds)

    def robust(at: float) -> Span:
        return cressie_read(rounds, estimate, 1 - SPENT * (1 - at), seed)

    def both(at: float) -> Span:
        (low, high), narrow = robust(at), model.at(at)
        return max(low, narrow[0]), min(high, narrow[1])

    low, high = both(max(level, MEET))
    if not _is_span((low, high)) or (level > MEET and not _is_span(both(MEET))):
        return robust(level)
    if level >= MEET or _is_span(both(0.0)):
        return both(level)
    middle, half = (low + high) / 2, (high - low) / 2
    half *= t_value(level, model.dof) / t_value(MEET, model.dof)
    return middle - half, middle + half


def _is_span(ends: Span) -> bool:
    return ends[0] <= ends[1]


def choice(rounds: Rounds) -> str:
    """Which of the two `auto` takes, in words."""
    many = rounds.equal_users >= ENOUGH  # one user's sum is zero at the mean: it cannot tell
    alike = many and rounds.candidates is not None and design_effect(rounds) <= ALIKE
    return BOTH if alike else ROBUST


@dataclass(frozen=True)
class Modelled:
    """A t interval, ready at many levels."""

    value: float
    error: float
    dof: float
    span: Span

    def at(self, level: float) -> Span:
        """The interval, within the reward range; at the level 0 the value alone."""
        half = t_value(level, self.dof) * self.error
        return max(self.span[0], self.value - half), min(self.span[1], self.value + half)


def model_of(rounds: Rounds) -> Modelled:
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
    dof = max(2.0, min(rounds.equal_users - 1, rows))
    return Modelled(found.value, error, dof, rounds.reward_range)


def design_effect(rounds: Rounds) -> float:
    """sum over users of (sum x)^2 / sum x^2, x = w (r - snips): 1 when users do not differ."""
    w = rounds.weight
    x: Floats = w * (rounds.reward - float(w @ rounds.reward) / float(w.sum()))
    square = float(x @ x)
    return float((rounds.by_user(x) ** 2).sum()) / square if square > 0 else 1.0
