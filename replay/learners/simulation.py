"""`model-simulation`: the learner in closed loop in worlds that may have made the log."""

import numpy as np

from replay.learners.closed import closed
from replay.learners.course import Course, Outcome
from replay.learners.noise import noise_of
from replay.learners.link import link_of
from replay.learners.worlds import plan_of, worlds_of

WORLDS = 32
ENTRIES = 20_000_000  # of expected rewards held at once; fewer worlds for a longer log


def model_simulation(course: Course) -> Outcome:
    """Mean expected reward of copies of the learner, each in a world drawn from the posterior.

    The copies live through the log's own contexts in their order, at the log's own horizon.
    One fitted q_hat would not do: shrunk, its best arms look too alike; not shrunk, the
    learner is rewarded for the noise in it. Over the posterior both cancel.
    """
    plan = plan_of(course)
    worlds, noise = worlds_of(plan, link_of(plan.reward)), noise_of(plan.reward)
    copies = max(4, min(WORLDS, ENTRIES // int(course.log.offsets[-1])))
    rng = course.rng("posterior", "model-simulation")
    means = np.array([worlds.draw(rng) for _ in range(copies)])
    act, world = (course.rng(p, "model-simulation") for p in ("replay", "world"))
    lived = closed(course, means, noise, act, world)
    error = float(lived.value.std(ddof=1)) if copies > 1 else 0.0
    return Outcome(
        float(lived.value.mean()),
        len(course.lived),
        course.history(lived.folded),
        {"worlds": copies, "sd_of_worlds": error, "moved": worlds.moved()},
    )
