"""The closed loop: people live with a policy, through the very `UserLoop` that a server runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from policies.arrays import Floats
from policies.features import NAME, WIDTH, encode
from policies.loop import UserLoop
from policies.policy import Policy
from policies.records import Decision, Feedback
from policies.rewards import REWARDS
from policies.state import UserState
from sim.life import Life
from sim.plan import World
from sim.tasks import moment

WINDOW_S = 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """One decision in the world, with what only the world knows of it."""

    decision: Decision
    expected: Floats  # (K,) exact mean reward of every candidate

    @property
    def value(self) -> float:
        """Mean reward of this decision under the pmf that made it."""
        return float((self.decision.pmf * self.expected).sum())


@dataclass(slots=True)
class Biography:
    """All that happened to one person."""

    shown: list[Shown] = field(default_factory=list)
    feedback: dict[str, Feedback] = field(default_factory=dict)  # by decision_id

    def records(self) -> Iterable[tuple[Decision, Feedback | None, Floats]]:
        """Decision, feedback and expected rewards, by time."""
        for s in self.shown:
            yield s.decision, self.feedback.get(s.decision.decision_id), s.expected


class Closed:
    """One person, a policy and its state in a loop; the policy can be changed on the way."""

    def __init__(
        self, world: World, i: int, state: UserState | None = None, window_s: int | None = WINDOW_S
    ) -> None:
        plan = world.plan(i)
        self.user_id = plan.person.user_id
        self.biography = Biography()
        self.loop = UserLoop(state or UserState.empty(self.user_id, NAME, WIDTH))
        self._life = Life(plan, world.scenario, world.seed, window_s)
        self._sessions = plan.sessions
        self._at = 0  # sessions that were lived
        self._window_s = window_s

    def live(self, policy: Policy, until: int | None = None, learn: bool = True) -> None:
        """The sessions before `until` (microseconds) under `policy`."""
        while self._at < len(self._sessions):
            at = self._sessions[self._at]
            if until is not None and at >= until:
                return
            self._at += 1
            self.settle(at, learn)
            if learn:
                self._note(self.loop.expire(at))
            self._session(policy, at)

    def settle(self, until: int, learn: bool = True) -> None:
        """What arrives by `until` is folded, each silence that was due before it first."""
        for answer in self._life.answers(until):
            if not learn:
                self.loop.open.pop(answer.decision_id, None)
                continue
            self._note(self.loop.expire(answer.at))
            if answer.decision_id in self.loop.open:
                reward = REWARDS[answer.word]
                self._note([self.loop.answer(answer.decision_id, answer.word, reward, answer.at)])

    def _note(self, feedback: list[Feedback]) -> None:
        for f in feedback:
            self.biography.feedback[f.decision_id] = f

    def _session(self, policy: Policy, at: int) -> None:
        life = self._life
        tasks = life.open_tasks(at)
        if not tasks:
            return
        local = moment(at).astimezone(life.person.zone)
        utilities = life.utilities(tasks, life.moment(at, local))
        decision, _ = self.loop.decide(
            policy,
            life.session_id(at),
            at,
            [t.arrival.task_id for t in tasks],
            [t.arrival.project for t in tasks],
            np.array([encode(t.raw, local) for t in tasks]),
            self._window_s,
        )
        self.biography.shown.append(Shown(decision, np.array(life.expected(utilities))))
        k = decision.action
        life.show(decision.decision_id, tasks[k], utilities[k], at)
