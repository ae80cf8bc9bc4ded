"""`learner`: the method that a fixed rule picks, from what the log shows."""

from dataclasses import replace

from replay.learners.bootstrapped import bootstrapped_replay
from replay.learners.course import Course, Outcome
from replay.learners.rejection import replay
from replay.learners.simulation import fitted_to, simulated
from replay.rounds import NotComputable

DRIFT = 0.8  # posterior probability of a move, from which on time must not be lost
CURVED = 0.5  # share of the arms' variance in squares and products: a ridge by arm misses it


def learner(course: Course) -> Outcome:
    """One state, rewards that did not move and that q_hat fits badly: `bootstrapped-replay`,
    which needs no model. Else `model-simulation`. Without a model what can be replayed.
    """
    try:
        worlds = fitted_to(course)
    except NotComputable:
        return _first(course, "no reward model could be fitted")
    moved, curved = worlds.moved(), worlds.curved()
    if course.states == 1 and moved < DRIFT and curved > CURVED:
        try:
            return _named(
                bootstrapped_replay(course),
                "bootstrapped-replay",
                f"one state, no drift, {curved:.0%} of what tells arms apart is curved",
            )
        except NotComputable:
            pass
    states = "one state" if course.states == 1 else f"{course.states} states"
    why = f"{states}, {moved:.0%} sure of drift, {curved:.0%} of what tells arms apart is curved"
    return _named(simulated(course, worlds), "model-simulation", why)


def _first(course: Course, why: str) -> Outcome:
    """`bootstrapped-replay` where one state learns from all rounds, else `replay`."""
    if course.states == 1:
        try:
            return _named(bootstrapped_replay(course), "bootstrapped-replay", why)
        except NotComputable:
            pass
    return _named(replay(course), "replay", why)


def _named(found: Outcome, method: str, why: str) -> Outcome:
    return replace(found, chosen={"method": method, "why": why, **found.chosen})
