"""From a variance to users and days: one row of a plan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.arrays import Bools, Floats, Ints
from replay.planning.components import RESAMPLES, Shape
from replay.planning.power import (
    LEAST_USERS,
    MOST_DAYS,
    MOST_USERS,
    Question,
    daily_look,
    least,
)
from replay.planning.result import More, Row, Span
from replay.verdict import AMPLE_ESS

Variance = Callable[[Floats, Floats], Floats]
"""(users, times as many decisions each as in the log) -> of the estimated difference, `(B,)`."""


@dataclass(frozen=True)
class Asked:
    """How a plan is split."""

    users: int  # the log's
    days: int  # the log's
    scale: float  # planned tips of a user-day over the log's


@dataclass(frozen=True)
class Scores:
    """A design's variance, as found and in each resample of the log's users."""

    variance: Variance
    resampled: Variance  # `(RESAMPLES,)`
    shape: Shape
    weight: float | None = None  # mean square of the weights; None: there are none
    groups: int = 1  # that share the users

    def tips(self, users: Floats | int, scale: Floats | float) -> Any:
        """Decisions of a plan."""
        return users * scale * self.shape.decisions

    def dof(self, users: Floats | int) -> Floats:
        """Degrees of freedom of the interval."""
        return np.asarray(users * self.shape.equal - self.groups)


def row_of(
    floor: float | None, scores: Scores, question: Question, asked: Asked, cost: Span | None
) -> Row:
    """Users of the log's days, and what else would do."""
    by_power = int(_users(scores, scores.variance, question, asked.scale)[0])
    if by_power < 0:
        return Row(floor, reasons=(f"more than {MOST_USERS:,} users",))
    needs = {"power": by_power, "users": LEAST_USERS * scores.groups}
    if scores.weight is not None:
        needs["ess"] = int(np.ceil(AMPLE_ESS * scores.weight / scores.tips(1, asked.scale)))
    bound = max(needs, key=lambda name: needs[name])
    users = needs[bound]
    users += users % scores.groups  # groups of equal size
    others = max(needs[name] for name in needs if name != "power")
    drawn = _users(scores, scores.resampled, question, asked.scale, RESAMPLES)
    tails = [(1 - question.level) / 2, (1 + question.level) / 2]
    low, high = np.quantile(np.maximum(np.where(drawn < 0, MOST_USERS, drawn), others), tails)
    tips = float(scores.tips(users, asked.scale))
    error = np.sqrt(scores.variance(np.array([users]), np.array(asked.scale)))
    return Row(
        floor,
        users * asked.days,
        (float(low) * asked.days, float(high) * asked.days),
        users,
        asked.days,
        tips,
        None if scores.weight is None else tips / scores.weight,
        float(question.power_at(error, scores.dof(users))[0]),
        bound,
        cost,
        None if cost is None else cost.value * tips,
        _more(scores, question, asked, users),
    )


def _users(
    scores: Scores, variance: Variance, question: Question, scale: float, size: int = 1
) -> Ints:
    def enough(users: Floats) -> Bools:
        error = np.sqrt(variance(users, np.array(scale)))
        return question.reached(error, scores.dof(users))

    return least(enough, 2 * scores.groups, MOST_USERS, size)


def _more(scores: Scores, question: Question, asked: Asked, users: int) -> More:
    def error(days: Floats) -> Floats:
        out: Floats = np.sqrt(scores.variance(np.array(asked.users), scale(days)))
        return out

    def scale(days: Floats) -> Floats:
        return asked.scale * days / asked.days

    def enough(days: Floats) -> Bools:
        found = question.reached(error(days), scores.dof(asked.users))
        if scores.weight is not None:
            found &= scores.tips(asked.users, scale(days)) >= AMPLE_ESS * scores.weight
        return found

    days: int | None = int(least(enough, 1, MOST_DAYS)[0])
    why = None
    if days is None or days < 0:
        days = None
        why = (
            f"{MOST_DAYS:,} days of the log's {asked.users} users leave a standard error of "
            f"{error(np.array([float(MOST_DAYS)]))[0]:.4f}: days do not average out how people "
            "differ"
        )
    daily = daily_look(question, asked.days, users * scores.shape.equal)
    return More(days, None if days is None else days * asked.users, why, *(daily or (None, None)))
