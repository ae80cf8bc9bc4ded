"""What fate has in store for a person: when they ask, which tasks come. No policy changes it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from policies.errors import BadInput
from sim.people import Person, person_of, rng_of
from sim.scenarios import Scenario, scenario_of
from sim.tasks import DAY, Arrival, micros

START = datetime(2026, 1, 5)  # a Monday, midnight on each person's clock
MOST_USERS, MOST_DAYS = 100_000, 3_650  # ids of five digits; ten years
_SITTINGS = ((8.0, 1.2), (12.5, 1.5), (18.5, 2.0))  # hours people look at their list


@dataclass(frozen=True, slots=True)
class Plan:
    """A person, the moments they ask for a tip, and the tasks that come to them."""

    person: Person
    scenario: Scenario
    sessions: list[int]  # microseconds, ascending
    arrivals: list[Arrival]  # by added_at


@dataclass(frozen=True, slots=True)
class World:
    """A population: `users` people over `days` days. Its seed is apart from every policy's."""

    scenario: str
    users: int
    days: int
    seed: int

    def __post_init__(self) -> None:
        """Raises `BadInput` for an unknown scenario or a population of nobody."""
        scenario_of(self.scenario)
        for name, most in (("users", MOST_USERS), ("days", MOST_DAYS)):
            if not 1 <= getattr(self, name) <= most:
                raise BadInput(f"--{name}", f"must be 1 to {most}", getattr(self, name))

    @property
    def end(self) -> int:
        """When the last day is over everywhere, in microseconds."""
        return micros((START + timedelta(days=self.days, hours=12)).replace(tzinfo=UTC))

    def plan(self, i: int) -> Plan:
        """The plan of person i; people do not depend on how many others there are."""
        scenario = scenario_of(self.scenario)
        person = person_of(scenario, self.scenario, self.seed, f"p{i:05d}")
        rng = rng_of(self.seed, self.scenario, person.user_id, "days")
        arrivals = [
            _arrival(scenario, person, rng, float(-rng.exponential(15.0)), n)
            for n in range(scenario.backlog)
        ]
        for day in range(self.days):
            for _ in range(int(rng.poisson(scenario.arrivals_per_day))):
                when = day + float(rng.uniform(6, 23)) / 24
                arrivals.append(_arrival(scenario, person, rng, when, len(arrivals)))
        sessions = [
            at
            for day in range(self.days)
            for at in _sessions(person, rng_of(self.seed, self.scenario, person.user_id, day), day)
        ]
        return Plan(person, scenario, sessions, sorted(arrivals, key=lambda a: a.added_at))


def _sessions(person: Person, rng: np.random.Generator, day: int) -> list[int]:
    count = int(rng.poisson(person.sessions_per_day))
    which = rng.integers(len(_SITTINGS), size=count)
    spread = rng.normal(size=count)
    minutes = sorted(
        round(60 * min(23.9, max(5.0, _SITTINGS[w][0] + _SITTINGS[w][1] * z)))
        for w, z in zip(which.tolist(), spread.tolist(), strict=True)
    )
    seconds = rng.integers(60, size=count).tolist()
    return sorted(
        {_at(person, day, m / 1440) + s * 1_000_000 for m, s in zip(minutes, seconds, strict=True)}
    )


def _arrival(
    scenario: Scenario, person: Person, rng: np.random.Generator, day: float, n: int
) -> Arrival:
    projects = list(scenario.mix)
    project = projects[int(rng.choice(len(projects), p=list(scenario.mix.values())))]
    added = _at(person, 0, day)
    recurs = bool(rng.random() < scenario.recurring)
    dated = recurs or bool(rng.random() < 0.6)
    kind = ("date", "floating", "fixed")[int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
    ahead = timedelta(days=int(rng.integers(0, 8)))
    hour = timedelta(hours=int(rng.integers(8, 20)))
    period = int(rng.choice([1, 7])) if recurs else 0
    priority = int(rng.choice([1, 2, 3, 4], p=[0.55, 0.2, 0.15, 0.1]))
    effort = float(rng.gamma(2.0, 0.25))
    stays = int(rng.exponential(scenario.lasting_days) * DAY)
    start = START + timedelta(days=day)
    due = datetime.combine(start.date(), datetime.min.time()) + ahead
    # who is here on the first day has not left before it
    leaves = max(added, _at(person, 0, 0.0)) + stays
    task_id = f"{person.user_id}-{n}"
    return Arrival(
        task_id,
        project,
        priority,
        added,
        (due if kind == "date" else due + hour) if dated else None,
        kind,
        period,
        effort,
        leaves,
    )


def _at(person: Person, day: int, part: float) -> int:
    """A moment on the person's own clock, in microseconds."""
    return micros((START + timedelta(days=day + part)).replace(tzinfo=person.zone))
