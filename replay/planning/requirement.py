"""From a variance to users and days: one row of a plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from replay.planning.components import Shape
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

Variance = Callable[[float, float], float]
"""(users, times as many decisions each as in the log) -> of the estimated difference."""


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
    resampled: Sequence[Variance]
    shape: Shape
    weight: float | None = None  # mean square of the weights; None: there are none
    groups: int = 1  # that share the users

    def tips(self, users: float, scale: float) -> float:
        """Decisions of a plan."""
        return users * scale * self.shape.decisions

    def dof(self, users: float) -> float:
        """Degrees of freedom of the interval."""
        return users * self.shape.equal - self.groups


def row_of(
    floor: float | None, scores: Scores, question: Question, asked: Asked, cost: Span | None
) -> Row:
    """Users of the log's days, and what else would do."""
    by_power = _users(scores, scores.variance, question, asked.scale)
    if by_power is None:
        return Row(floor, reasons=(f"more than {MOST_USERS:,} users",))
    needs = {"power": by_power, "users": LEAST_USERS * scores.groups}
    if scores.weight is not None:
        needs["ess"] = int(np.ceil(AMPLE_ESS * scores.weight / scores.tips(1, asked.scale)))
    bound = max(needs, key=lambda name: needs[name])
    users = needs[bound]
    users += users % scores.groups  # groups of equal size
    others = max(needs[name] for name in needs if name != "power")
    drawn = [_users(scores, v, question, asked.scale) or MOST_USERS for v in scores.resampled]
    tails = [(1 - question.level) / 2, (1 + question.level) / 2]
    low, high = np.quantile(np.maximum(drawn, others), tails)
    tips = scores.tips(users, asked.scale)
    error = float(np.sqrt(scores.variance(users, asked.scale)))
    return Row(
        floor,
        users * asked.days,
        (float(low) * asked.days, float(high) * asked.days),
        users,
        asked.days,
        tips,
        None if scores.weight is None else tips / scores.weight,
        question.power_at(error, scores.dof(users)),
        bound,
        cost,
        None if cost is None else cost.value * tips,
        _more(scores, question, asked, users),
    )


def _users(scores: Scores, variance: Variance, question: Question, scale: float) -> int | None:
    def enough(users: int) -> bool:
        error = float(np.sqrt(variance(users, scale)))
        return question.reached(error, scores.dof(users))

    return least(enough, 2 * scores.groups, MOST_USERS)


def _more(scores: Scores, question: Question, asked: Asked, users: int) -> More:
    def scale(days: int) -> float:
        return asked.scale * days / asked.days

    def enough(days: int) -> bool:
        error = float(np.sqrt(scores.variance(asked.users, scale(days))))
        weighed = scores.weight is None or (
            scores.tips(asked.users, scale(days)) >= AMPLE_ESS * scores.weight
        )
        return weighed and question.reached(error, scores.dof(asked.users))

    days = least(enough, 1, MOST_DAYS)
    why = None
    if days is None:
        error = float(np.sqrt(scores.variance(asked.users, scale(MOST_DAYS))))
        why = (
            f"{MOST_DAYS:,} days of the log's {asked.users} users leave a standard error of "
            f"{error:.4f}: days do not average out how people differ"
        )
    daily = daily_look(question, asked.days, users * scores.shape.equal)
    return More(days, None if days is None else days * asked.users, why, *(daily or (None, None)))
