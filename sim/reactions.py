"""What a person makes of a tip: utility, the probabilities of each answer, and the draw.

The utility is not linear in the features of the policies: hours act by peaks, overdue and
priority multiply, staleness saturates, effort and the tips shown before are not seen.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from policies.draw import uniform
from policies.rewards import REWARDS
from sim.people import Person
from sim.scenarios import Scenario
from sim.tasks import DAY, Task

DELAY_SIGMA = 1.1  # of ln(seconds) until an answer
WIDTH_H = 2.5  # how wide the peak of a project's hour is
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Moment:
    """When a person looks: the instant, and what their own clock says."""

    at: int  # microseconds
    hour: float  # local
    day: float  # since the world began


@dataclass(frozen=True, slots=True)
class Reaction:
    """A person's answer and when it arrives; no answer is silence."""

    word: str
    at: int


def utility(person: Person, scenario: Scenario, task: Task, now: Moment) -> float:
    """How much the person likes to be told of this task now: a logit."""
    a = task.arrival
    taste, peak = person.taste[a.project], person.peak[a.project]
    if scenario.drift_day is not None and now.day >= scenario.drift_day:
        taste, peak = -taste, (peak + 6.0) % 24
    away = abs(now.hour - peak)
    away = min(away, 24 - away) / WIDTH_H
    liked = person.rhythm * (2.0 * math.exp(-0.5 * away * away) - 0.8)
    late = 0.0 if task.due_at is None else max(0.0, (now.at - task.due_at) / DAY)
    important = (a.priority - 1) / 3
    since = a.added_at if task.completed_at is None else task.completed_at
    age = max(0.0, (now.at - since) / DAY)
    pressing = 0.4 if late > 0 else 0.0
    dreaded = person.dread * (1.0 - math.exp(-late / 3.0)) * (0.4 + important)
    stale = person.staleness * age * age / (age * age + 100.0)
    return (
        taste
        + liked
        + person.urgency * important * (1.0 + pressing)
        + pressing
        - dreaded
        - stale
        - person.annoyance * min(task.shown, 6)
        - a.effort
    )


def words(u: float) -> tuple[float, float, float]:
    """Probabilities of done, snooze and dismiss, given that there is an answer."""
    done = 1.0 / (1.0 + math.exp(-u))
    dismiss = (1.0 - done) / (1.0 + math.exp(0.4 + u))
    return done, 1.0 - done - dismiss, dismiss


def expected_reward(person: Person, u: float, window_s: int | None) -> float:
    """The exact mean reward of a tip: silence and answers after the window are worth 0."""
    done, _, dismiss = words(u)
    in_time = 1.0
    if window_s is not None:
        in_time = _NORMAL.cdf((math.log(window_s) - person.delay_mu) / DELAY_SIGMA)
    mean = REWARDS["done"] * done + REWARDS["dismiss"] * dismiss
    return (1.0 - person.silence) * in_time * mean


def react(person: Person, u: float, at: int, seed: int, session: str) -> Reaction | None:
    """The answer to a tip at `at`, drawn by the world's noise for this session.

    The noise does not depend on which task was shown: policies can be compared in pairs.
    """
    if uniform("world", seed, session, 0) < person.silence:
        return None
    done, snooze, _ = words(u)
    v = uniform("world", seed, session, 1)
    word = "done" if v < done else "snooze" if v < done + snooze else "dismiss"
    z = _NORMAL.inv_cdf(min(max(uniform("world", seed, session, 2), 1e-12), 1 - 1e-12))
    delay = math.exp(person.delay_mu + DELAY_SIGMA * z)
    return Reaction(word, at + max(1, int(delay * 1_000_000)))
