"""One person's life with a list of tasks: what is open, what they think of it, what they answer."""

import hashlib
import heapq
from dataclasses import dataclass
from datetime import datetime

from sim.plan import Plan
from sim.reactions import Moment, Reaction, expected_reward, react, utility
from sim.tasks import DAY, Task

LIST_LIMIT = 12  # candidates an app would send: the tasks that were added last
AHEAD = 2 * DAY  # what is due later than this is no tip for now


@dataclass(frozen=True, slots=True)
class Awaited:
    """An answer on its way."""

    at: int
    decision_id: str
    task: Task
    word: str

    def __lt__(self, other: "Awaited") -> bool:
        return (self.at, self.decision_id) < (other.at, other.decision_id)


class Life:
    """Mutable: what has happened to one person's tasks under some policy."""

    def __init__(self, plan: Plan, name: str, seed: int, window_s: int | None) -> None:
        self.plan = plan
        self.person = plan.person
        self._name, self._seed, self._window_s = name, seed, window_s
        self._next = 0  # arrivals that have come
        self._open: dict[str, Task] = {}
        self._answers: list[Awaited] = []
        self._began = plan.sessions[0] if plan.sessions else 0

    def open_tasks(self, at: int) -> list[Task]:
        """What an app would show at `at`, oldest first."""
        arrivals = self.plan.arrivals
        while self._next < len(arrivals) and arrivals[self._next].added_at <= at:
            task = Task(arrivals[self._next], self.person.zone)
            self._open[task.arrival.task_id] = task
            self._next += 1
        for name in [n for n, t in self._open.items() if t.arrival.leaves_at <= at]:
            del self._open[name]
        shown = [t for t in self._open.values() if t.due_at is None or t.due_at <= at + AHEAD]
        return shown[-LIST_LIMIT:]

    def moment(self, at: int, local: datetime) -> Moment:
        """`at` as the person experiences it."""
        hour = local.hour + local.minute / 60
        return Moment(at, hour, (at - self._began) / DAY)

    def utilities(self, tasks: list[Task], now: Moment) -> list[float]:
        """How each task would be liked as a tip now."""
        return [utility(self.person, self.plan.scenario, t, now) for t in tasks]

    def expected(self, utilities: list[float]) -> list[float]:
        """The exact mean reward of each."""
        return [expected_reward(self.person, u, self._window_s) for u in utilities]

    def session_id(self, at: int) -> str:
        """Names a session for life: the key of its noise, and the simulator's decision id."""
        text = f"{self._name}\x1f{self._seed}\x1f{self.person.user_id}\x1f{at}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def show(self, decision_id: str, task: Task, u: float, at: int) -> Reaction | None:
        """Shows a tip; the answer, if there is one, is on its way from now on."""
        task.shown += 1
        reaction = react(self.person, u, at, self._seed, self.session_id(at))
        if reaction is not None:
            heapq.heappush(self._answers, Awaited(reaction.at, decision_id, task, reaction.word))
        return reaction

    @property
    def next_answer(self) -> int | None:
        """When the next answer arrives."""
        return self._answers[0].at if self._answers else None

    def answers(self, until: int) -> list[Awaited]:
        """The answers that arrive by `until`, in order; what they say of a task is done to it."""
        out = []
        while self._answers and self._answers[0].at <= until:
            answer = heapq.heappop(self._answers)
            name = answer.task.arrival.task_id
            if answer.word == "done" and name in self._open and answer.task.complete(answer.at):
                del self._open[name]
            out.append(answer)
        return out
