"""`model-simulation`: the learner in closed loop in worlds that may have made the log."""

import numpy as np

from replay.learners.closed import closed
from replay.learners.course import Course, Outcome
from replay.learners.link import link_of
from replay.learners.noise import noise_of
from replay.learners.worlds import Worlds, plan_of, worlds_of
from replay.rounds import NotComputable

WORLDS = 32
ENTRIES = 20_000_000  # of expected rewards held at once: fewer worlds for a longer log
LEAST_WORLDS = 2


def model_simulation(course: Course) -> Outcome:
    """Mean expected reward of copies of the learner, each in a world drawn from the posterior.

    The copies live through the log's own contexts in their order, at the log's own horizon.
    One fitted q_hat would not do: shrunk, its best arms look too alike; not shrunk, the
    learner is rewarded for the noise in it. Over the posterior both cancel.
    """
    return simulated(course, fitted_to(course))


def fitted_to(course: Course) -> Worlds:
    """The worlds that may have made a log. Raises `NotComputable`."""
    if course.log.offsets[-1] > ENTRIES:
        raise NotComputable(f"model simulation holds at most {ENTRIES:,} candidates")
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            plan = plan_of(course)
            return worlds_of(plan, link_of(plan.reward))
    except (np.linalg.LinAlgError, FloatingPointError):
        raise NotComputable(
            "q_hat cannot be fitted: the features are too large or too alike"
        ) from None


def simulated(course: Course, worlds: Worlds) -> Outcome:
    """The learner's value in `worlds`."""
    noise = noise_of(worlds.plan.reward)
    copies = max(LEAST_WORLDS, min(WORLDS, ENTRIES // len(course.log.context)))
    rng = course.rng("posterior", "model-simulation")
    means = np.array([worlds.draw(rng) for _ in range(copies)])
    act, world = (course.rng(p, "model-simulation") for p in ("replay", "world"))
    lived = closed(course, means, noise, act, world)
    return Outcome(
        float(lived.value.mean()),
        len(course.lived),
        course.history(lived.folded),
        {"worlds": copies, "sd_of_worlds": float(lived.value.std(ddof=1))},
    )
