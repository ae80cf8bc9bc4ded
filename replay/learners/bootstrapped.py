"""`bootstrapped-replay`: rejection replay on resamples that accept the log's own horizon."""

import math

import numpy as np

from policies.arrays import Bools, Floats, Ints
from policies.draw import draws
from policies.policy import Batch
from replay.learners.closed import AT_ONCE, HELD, gathered, stacked
from replay.learners.course import Course, Outcome
from replay.rounds import NotComputable

RESAMPLES = 8
PROPOSALS = 30_000_000  # decisions scored in all, which a longer log shares among fewer resamples
LONGEST_BLOCK = 64
PATIENCE = 20  # times as many proposals as a uniform logger's log would need


def bootstrapped_replay(course: Course) -> Outcome:
    """Mean accepted reward of learners on resamples (Nicol, Mary & Preux, ICML 2014, Algorithm 3).

    Each user's rounds are drawn with replacement, contexts jittered, and offered to the
    learner of that user until it has accepted as many as the user has in the log. A round is
    accepted as `replay` accepts it. Time is lost: a world that drifts looks mixed. A user
    with few rounds meets the same ones often, and is rewarded for their noise.
    """
    log = course.log
    if np.isnan(course.pscore[course.lived]).any():
        raise NotComputable("bootstrapped replay needs a propensity for every decision")
    if not course.evaluated[course.lived].all():
        raise NotComputable("bootstrapped replay needs all of the log: its resamples have no time")
    names = np.array(log.user_names)[log.user[course.lived]]
    rows = course.lived[np.lexsort((course.rank[course.lived], names))]
    users, first, size = np.unique(np.sort(names), return_index=True, return_counts=True)
    least = float(course.pscore[rows].min())
    fit = HELD // course.start.gram.size
    copies = int(min(RESAMPLES, max(fit, 1), PROPOSALS * least // len(rows)))
    if copies < 1:
        raise NotComputable(f"bootstrapped replay would score {len(rows) / least:.0f} decisions")
    rng = course.rng("bootstrap", "bootstrapped-replay")
    noise = _Jitter(course, rows)
    sums = stacked(course.start, copies)
    each = len(course.start.count)
    copy = np.repeat(np.arange(copies), len(users))  # one state a copy and user
    start, left = np.tile(first, copies), np.tile(size, copies)
    block = min(LONGEST_BLOCK, math.ceil(1 / least))
    total = np.zeros(copies)
    at_once = max(1, AT_ONCE // (block * int(np.diff(log.offsets).max())))
    patience = PATIENCE * copies * len(rows) / least
    while True:
        active = np.flatnonzero(left)[:at_once]
        if not len(active):
            break
        patience -= len(active) * block
        if patience < 0:
            raise NotComputable("the log hardly has what the learner chooses: no replay ends")
        u = rng.random((3, len(active), block))
        length = np.tile(size, copies)[active][:, None]
        took = rows[start[active][:, None] + (u[0] * length).astype(np.int64)].ravel()
        where, offsets = gathered(log.offsets, took)
        context = log.context[where] + noise.draw(rng, offsets, len(where))
        shift = np.repeat(copy[active], block) * each
        batch = Batch(
            offsets,
            context,
            course.arms.read[where] + np.repeat(shift, np.diff(offsets)),
            course.arms.first[took] + shift,
            course.arms.last[took] + shift,
            *course.keys.anew(rng, took, where),
        )
        pmf = course.policy.pmf(course.policy.score(batch, sums), offsets)
        same = draws(pmf, offsets, u[1].ravel()) == log.action[took]
        kept = (same & (u[2].ravel() < least / course.pscore[took])).reshape(-1, block)
        got = np.flatnonzero(kept.any(axis=1))
        at = got * block + kept[got].argmax(axis=1)  # the first; what follows is drawn anew
        chosen = offsets[at] + log.action[took[at]]
        reward = course.reward[took[at]]
        sums.fold(batch.slot[chosen], context[chosen], reward)
        np.add.at(total, copy[active[got]], reward)
        left[active[got]] -= 1
    return Outcome(
        float((total / len(rows)).mean()),
        len(rows),
        course.history(len(rows)),
        {"resamples": copies, "jitter": noise.width},
    )


class _Jitter:
    """Gaussian noise on contexts, so that a round met again is not the same round."""

    def __init__(self, course: Course, rows: Ints):
        """Its width in standard deviations by Silverman's rule (1986), n / K rounds an arm."""
        log = course.log
        where, offsets = gathered(log.offsets, rows)
        context = log.context[where]
        least = np.minimum.reduceat(context, offsets[:-1])
        most = np.maximum.reduceat(context, offsets[:-1])
        self.shared: Bools = (least == most).all(axis=0)  # (d,) of the decision, not a candidate's
        per_arm = len(rows) / (len(where) / len(rows))
        d = context.shape[1]
        self.width = (4 / (d + 2) / max(per_arm, 1.0)) ** (1 / (d + 4))
        self.scale: Floats = self.width * context.std(axis=0)

    def draw(self, rng: np.random.Generator, offsets: Ints, total: int) -> Floats:
        """Noise `(N, d)`; what all candidates of a decision share moves together."""
        out = np.empty((total, len(self.scale)))
        common = rng.standard_normal((len(offsets) - 1, int(self.shared.sum())))
        out[:, self.shared] = np.repeat(common, np.diff(offsets), axis=0)
        out[:, ~self.shared] = rng.standard_normal((total, int((~self.shared).sum())))
        return out * self.scale
