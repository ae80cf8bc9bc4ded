"""`replay`: the mean reward of the rounds that rejection replay accepts."""

import numpy as np

from journal.log import NONE
from replay.learners.course import Course, Outcome
from replay.rounds import NotComputable


def replay(course: Course) -> Outcome:
    """Rejection replay as a walk does it (Li, Chu, Langford & Wang, 2011, Algorithm 2).

    Unbiased for a learner that decides as often as rounds are accepted, about the log's least
    propensity of them; biased for one that decides as often as the log.
    """
    if np.isnan(course.pscore[course.lived]).any():
        raise NotComputable("rejection replay needs a propensity for every decision")
    accepted = course.matched[course.sample.rows]
    if not accepted.any():
        raise NotComputable("rejection replay accepted no decision")
    folded = course.matched & (course.fold_at != NONE)
    return Outcome(
        float(course.sample.reward[accepted].mean()),
        int(accepted.sum()),
        course.history(int(folded[course.lived].sum())),
    )
