"""The value of a learner, not of one policy: each method says how long a learner it speaks of."""

from collections.abc import Callable

from replay.learners.bootstrapped import bootstrapped_replay
from replay.learners.course import Course, Outcome
from replay.learners.nonstationary import dr_ns
from replay.learners.rejection import replay
from replay.learners.rule import learner
from replay.learners.simulation import model_simulation

__all__ = ["LEARNERS", "Course", "Outcome"]

LEARNERS: dict[str, Callable[[Course], Outcome]] = {
    "replay": replay,
    "bootstrapped-replay": bootstrapped_replay,
    "model-simulation": model_simulation,
    "dr-ns": dr_ns,
    "learner": learner,
}
