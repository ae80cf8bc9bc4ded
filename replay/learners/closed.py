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
HELD = 30_000_000  # numbers of all copies' states in one shard


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
    feedbacks are folded, as `replay.history.walk` does. Users are independent, so they go in shards
    whose states can be held.
    """
    copies, n = len(means), len(course.log)
    run = _Run(
        course,
        means,
        noise,
        act.random((n, copies))[course.rank],
        world.random((n, 2, copies))[course.rank],
    )
    earned, folded = np.zeros(copies), 0
    for lived in _shards(course, copies):
        part, count = run.through(lived)
        earned, folded = earned + part, folded + count
    return Lived(earned / course.evaluated[course.lived].sum(), folded)


def _shards(course: Course, copies: int) -> list[Ints]:
    """The rows that are lived, users in the order of their codes, each in one shard."""
    user = course.log.user[course.lived]
    size = copies * (course.start.gram.shape[1] + course.start.width + 2)
    end = course.arms.last[course.lived] * size // HELD  # of each row's user
    return [course.lived[end == shard] for shard in np.unique(end)] if len(user) else []


@dataclass(frozen=True)
class _Run:
    course: Course
    means: Floats  # (M, N)
    noise: Noise
    act: Floats  # (n, M) uniform draws of actions
    world: Floats  # (n, 2, M) and of rewards

    def through(self, lived: Ints) -> tuple[Floats, int]:
        """(summed expected reward a copy `(M,)`, feedbacks one copy folded) of some users."""
        course, log, arms = self.course, self.course.log, self.course.arms
        copies = len(self.means)
        low, high = int(arms.first[lived].min()), int(arms.last[lived].max())
        rows = high - low + 1  # row 0 is the empty arm
        sums = stacked(_some(course.start, low, high), copies)
        base = np.arange(copies)[:, None]
        shift = base * rows + 1 - low
        asked = lived[np.argsort(course.order.seen[lived], kind="stable")]
        folds = lived[course.fold_at[lived] != NONE]
        folds = folds[np.argsort(course.fold_at[folds], kind="stable")]
        asks, ends = course.order.seen[asked], course.fold_at[folds] - 1
        stages = np.unique(np.concatenate([asks, ends]))
        spans = np.concatenate(
            [np.searchsorted(x, stages, side) for x in (asks, ends) for side in ("left", "right")]
        ).reshape(4, -1)
        place = np.empty(len(log), np.int64)  # of a row among `lived`
        place[lived] = np.arange(len(lived))
        chosen = np.empty((len(lived), copies), np.int64)
        reward = np.empty((len(lived), copies))
        earned = np.zeros(copies)
        at_once = max(1, AT_ONCE // (copies * int(np.diff(log.offsets).max())))
        for a, b, f, g in spans.T:
            for start in range(a, b, at_once):
                part = asked[start : min(start + at_once, b)]
                where, offsets = gathered(log.offsets, part)
                batch = Batch(
                    repeated(offsets, copies),
                    np.tile(log.context[where], (copies, 1)),
                    (arms.read[where] + shift).ravel(),
                    (arms.first[part] + shift).ravel(),
                    (arms.last[part] + shift).ravel(),
                    *course.keys.of(part, where, copies),
                )
                pmf = course.policy.pmf(course.policy.score(batch, sums), batch.offsets)
                drawn = draws(pmf, batch.offsets, self.act[part].T.ravel()).reshape(copies, -1)
                took = log.offsets[part] + drawn  # (M, rows)
                u, mix = self.world[part, 0].T, self.world[part, 1].T
                chosen[place[part]] = took.T
                reward[place[part]] = self.noise.draw(self.means[base, took], u, mix).T
                kept = np.repeat(course.evaluated[part], np.diff(offsets))
                every = pmf.reshape(copies, -1) * self.means[:, where]
                earned += every[:, kept].sum(axis=1)
            if g > f:
                part = place[folds[f:g]]
                took = chosen[part].T
                slot, context = (arms.read[took] + shift).ravel(), log.context[took.ravel()]
                sums.fold(slot, context, reward[part].T.ravel())
        return earned, len(folds)


def _some(sums: Sums, low: int, high: int) -> Sums:
    """The empty row and the rows low:high."""
    kept = np.r_[0, low:high]
    return Sums(sums.gram[kept], sums.moment[kept], sums.count[kept], sums.total[kept])


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
