"""The closed loop: copies of a learner in lock-step over a log's contexts, rewards from a model."""

from dataclasses import dataclass

import numpy as np

from journal.log import NONE
from policies.arrays import Floats, Ints
from policies.draw import draws
from policies.policy import Batch
from policies.sums import Sums
from replay.learners.course import Course
from replay.learners.noise import Noise

AT_ONCE = 1_000_000  # candidates of all copies in one batch


@dataclass(frozen=True)
class Lived:
    """What M copies of a learner made of a course."""

    value: Floats  # (M,) mean expected reward of its choices, over the evaluated decisions
    folded: int  # feedbacks that one copy has folded


def closed(
    course: Course,
    means: Floats,
    noise: Noise,
    act: np.random.Generator,
    world: np.random.Generator,
) -> Lived:
    """Runs M copies, copy m in the world of `means[m]`, `means (M, N)` expected rewards.

    Each decision sees the feedbacks it saw in the log, now of the learner's own choices:
    the decisions of one stage are one batch over all copies and users, then the stage's
    feedbacks are folded, as `replay.walk` does.
    """
    log, arms = course.log, course.arms
    copies, n = len(means), len(log)
    rows = len(course.start.count)
    sums = stacked(course.start, copies)
    base = np.arange(copies)[:, None]
    asked = course.lived[np.argsort(course.order.seen[course.lived], kind="stable")]
    folds = course.lived[course.fold_at[course.lived] != NONE]
    folds = folds[np.argsort(course.fold_at[folds], kind="stable")]
    asks, ends = course.order.seen[asked], course.fold_at[folds] - 1
    stages = np.unique(np.concatenate([asks, ends]))
    spans = np.concatenate(
        [np.searchsorted(x, stages, side) for x in (asks, ends) for side in ("left", "right")]
    ).reshape(4, -1)
    u_act = act.random((n, copies))[course.rank]
    u_world = world.random((n, 2, copies))[course.rank]
    chosen = np.empty((n, copies), np.int64)
    reward = np.empty((n, copies))
    earned = np.zeros(copies)
    at_once = max(1, AT_ONCE // (copies * int(np.diff(log.offsets).max())))
    for a, b, f, g in spans.T:
        for start in range(a, b, at_once):
            part = asked[start : min(start + at_once, b)]
            where, offsets = gathered(log.offsets, part)
            lengths = np.diff(offsets)
            batch = Batch(
                repeated(offsets, copies),
                np.tile(log.context[where], (copies, 1)),
                (arms.read[where] + base * rows).ravel(),
                (arms.first[part] + base * rows).ravel(),
                (arms.last[part] + base * rows).ravel(),
            )
            pmf = course.policy.pmf(course.policy.score(batch, sums), batch.offsets)
            drawn = draws(pmf, batch.offsets, u_act[part].T.ravel()).reshape(copies, -1)
            took = log.offsets[part] + drawn  # (M, b - a)
            mean = means[base, took]
            chosen[part] = took.T
            reward[part] = noise.draw(mean, u_world[part, 0].T, u_world[part, 1].T).T
            kept = np.repeat(course.evaluated[part], lengths)
            every = pmf.reshape(copies, -1) * means[:, where]
            earned += every[:, kept].sum(axis=1)
        if g > f:
            part = folds[f:g]
            took = chosen[part].T
            sums.fold(
                (arms.read[took] + base * rows).ravel(),
                log.context[took.ravel()],
                reward[part].T.ravel(),
            )
    return Lived(earned / course.evaluated[course.lived].sum(), len(folds))


def stacked(sums: Sums, copies: int) -> Sums:
    """`copies` of the sums, one behind the other: row s of copy m is m * len + s."""
    return Sums(
        np.tile(sums.gram, (copies, 1)),
        np.tile(sums.moment, (copies, 1)),
        np.tile(sums.count, copies),
        np.tile(sums.total, copies),
    )


def gathered(offsets: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Where the candidates of `rows` are `(M,)`, and offsets `(rows + 1,)` into that."""
    lengths = offsets[rows + 1] - offsets[rows]
    local = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    where = np.arange(local[-1]) + np.repeat(offsets[rows] - local[:-1], lengths)
    return where, local


def repeated(offsets: Ints, copies: int) -> Ints:
    """The offsets of a batch repeated `copies` times."""
    rest = (offsets[1:] + np.arange(copies)[:, None] * offsets[-1]).ravel()
    return np.concatenate([offsets[:1], rest])
