"""The design A/B test: half of the users each, the difference of mean rewards."""

from functools import partial

import numpy as np

from policies.arrays import Floats
from replay.planning.components import (
    Components,
    Shape,
    Sums,
    resampled,
    score_sums,
    shape_of,
    shared_of,
)
from replay.planning.power import Question
from replay.planning.requirement import Asked, Scores, Variance, row_of
from replay.planning.result import AB_TEST, Part, Span
from replay.rounds import Rounds

BASE = 6  # columns of `score_sums`


def ab_test(
    logged: Rounds,
    arms: tuple[Rounds, ...],
    question: Question,
    asked: Asked,
    worse: Span,
    seed: int,
) -> Part:
    """One row.

    What two rewards of one user share is the log's; one reward's own variance is that under
    A and B where the log can weigh it (`arms`, the rounds of A and B), else the log's.
    `worse`: reward lost per tip by the half that has the worse policy.
    """
    sums = _sums(logged, arms)
    totals = sums.sum(axis=0)
    shape = shape_of(totals, len(sums))
    found = _arms(totals[None], len(arms))
    drawn = _variance(_arms(resampled(sums, seed), len(arms)), shape)
    scores = Scores(_variance(found, shape), drawn, shape, groups=2)
    row = row_of(None, scores, question, asked, worse)
    return Part(AB_TEST, float(np.sqrt(found[0].shared[0])), (row,), row.reasons)


def _sums(logged: Rounds, arms: tuple[Rounds, ...]) -> Sums:
    """Users' sums: `score_sums` of the rewards; of each arm w, w r, w r^2."""
    columns = [score_sums(logged.by_user, logged.reward)]
    for rounds in arms:
        for power in range(3):
            columns.append(rounds.by_user(rounds.weight * rounds.reward**power)[:, None])
    return np.hstack(columns)


def _arms(totals: Sums, weighed: int) -> tuple[Components, Components]:
    """A's and B's components, from totals `(B, m)`."""
    mean, shared, error = shared_of(totals[:, :BASE])
    own = totals[:, 3] / totals[:, 0] - mean**2 + error
    singles: list[Floats] = [own, own]
    for i in range(weighed):
        w, first, second = totals[:, BASE + 3 * i : BASE + 3 * (i + 1)].T
        singles[i] = np.divide(second, w, out=own.copy(), where=w > 0)
        singles[i] -= np.divide(first, w, out=mean.copy(), where=w > 0) ** 2
    a, b = (Components(np.maximum(s, shared), shared) for s in singles)
    return a, b


def _variance(arms: tuple[Components, Components], shape: Shape) -> Variance:
    return partial(_of_the_difference, arms, shape)


def _of_the_difference(
    arms: tuple[Components, Components], shape: Shape, users: Floats, scale: Floats
) -> Floats:
    """Two independent halves of the users."""
    a, b = (arm.variance(shape, users / 2, scale) for arm in arms)
    return a + b
