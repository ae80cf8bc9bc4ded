"""`dr-ns`: the doubly robust value of a learner whose history is drawn by rejection."""

from bisect import insort

import numpy as np

from journal.log import NONE
from policies.policy import Batch
from replay.learners.closed import gathered, stacked
from replay.learners.course import Course, Outcome
from replay.models.ridge import cross_fitted, folds
from replay.rounds import NotComputable

MOST = 1.0  # c_max of the paper
QUANTILE = 0.05  # q: how often a ratio may be too large to be accepted rightly


def dr_ns(course: Course) -> Outcome:
    """Weighted mean of doubly robust rewards (Dudik, Erhan, Langford & Li, UAI 2012, Algorithm 2).

    Each round counts r_k = q_pi + pi/p (r - q_hat) for the learner's history so far, by the
    acceptance factor c then in force; the round joins the history with probability c pi/p.
    c is the q-quantile of the p/pi met before, at most c_max. The history is about as short
    as that of `replay`, the value much less noisy.
    """
    log = course.log
    pscore = course.pscore
    if np.isnan(pscore[course.lived]).any():
        raise NotComputable("dr-ns needs a propensity for every decision")
    q_hat = _model(course)
    act = course.rng("accept", "dr-ns").random(len(log))[course.rank]
    sums = stacked(course.start, 1)
    asked = course.lived[np.lexsort((course.rank[course.lived], course.order.seen[course.lived]))]
    folded = course.lived[course.fold_at[course.lived] != NONE]
    folded = folded[np.argsort(course.fold_at[folded], kind="stable")]
    asks, ends = course.order.seen[asked], course.fold_at[folded] - 1
    met: list[float] = []
    accepted = np.zeros(len(log), np.bool_)
    earned = weight = 0.0
    for stage in np.unique(np.concatenate([asks, ends])):
        part = asked[np.searchsorted(asks, stage) : np.searchsorted(asks, stage, "right")]
        if len(part):
            where, offsets = gathered(log.offsets, part)
            slots = course.arms.read[where]
            batch = Batch(
                offsets,
                log.context[where],
                slots,
                course.arms.first[part],
                course.arms.last[part],
                *course.keys.of(part, where),
            )
            pmf = course.policy.pmf(course.policy.score(batch, sums), offsets)
            took = offsets[:-1] + log.action[part]
            ratio = pmf[took] / pscore[part]
            q_pi = np.add.reduceat(pmf * q_hat[where], offsets[:-1])
            c = MOST if not met else min(MOST, met[int(QUANTILE * len(met))])
            known = course.evaluated[part]
            left = np.where(known, course.reward[part] - q_hat[log.chosen[part]], 0.0)
            earned += c * float((q_pi + ratio * left)[known].sum())
            weight += c * int(known.sum())
            accepted[part] = act[part] <= c * ratio
            for value in 1 / np.maximum(ratio, 1e-12):
                insort(met, float(value))
        rows = folded[np.searchsorted(ends, stage) : np.searchsorted(ends, stage, "right")]
        rows = rows[accepted[rows]]
        at = log.chosen[rows]
        sums.fold(course.arms.read[at], log.context[at], log.reward[rows])
    if not weight > 0:
        raise NotComputable("dr-ns: no round was counted")
    kept = int(accepted.sum())
    return Outcome(
        earned / weight,
        kept,
        course.history(int((accepted & (course.fold_at != NONE)).sum())),
        {"c": min(MOST, met[int(QUANTILE * len(met))])},
    )


def _model(course: Course) -> np.ndarray:
    """q_hat `(N,)` cross-fitted by user; by decision where there are too few users."""
    log = course.log
    rows = np.flatnonzero(np.isfinite(course.reward))
    alone = len(log.user_names) < 5
    fold = folds(log.decision_id) if alone else folds(log.user_names)[log.user]
    return cross_fitted(
        log.context,
        log.arm,
        len(log.arm_names),
        log.chosen[rows],
        course.reward[rows],
        fold[rows],
        np.repeat(fold, np.diff(log.offsets)),
    )
