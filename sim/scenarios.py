"""Scenarios: what a simulated population is like, as data. An id is never given another meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.errors import BadInput

PROJECTS = ("work", "home", "errands", "health", "study")

_PEAKS = {"work": 9.5, "home": 19.0, "errands": 13.0, "health": 7.5, "study": 20.5}
_EVEN = {"work": 0.30, "home": 0.25, "errands": 0.20, "health": 0.10, "study": 0.15}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A population. Tastes and strengths are on the scale of the utility (a logit)."""

    about: str
    sessions_per_day: float = 4.0
    arrivals_per_day: float = 1.6  # new tasks a person
    backlog: int = 5  # tasks there on the first day
    mix: Mapping[str, float] = field(default_factory=lambda: _EVEN)  # share of tasks by project
    taste: Mapping[str, float] = field(default_factory=dict)  # by project, shared by all
    taste_sd: float = 0.8  # by person and project
    rhythm: float = 0.6  # how much the hour matters, by project
    peaks: Mapping[str, float] = field(default_factory=lambda: _PEAKS)  # hour each is liked
    peak_sd: float = 1.0  # hours, by person
    dread: float = 0.6  # of what is long overdue
    urgency: float = 0.8  # pull of priority
    staleness: float = 0.7  # of tasks that have lain about
    annoyance: float = 0.25  # by tip already shown for the task
    recurring: float = 0.15  # share of tasks
    lasting_days: float = 12.0  # mean life of a task that no tip gets done
    silence: float = 0.15  # mean share of tips that are ignored
    drift_day: int | None = None  # from here on tastes turn round and peaks move by six hours


SCENARIOS = {
    "steady": Scenario("people with tastes by project and a mild daily rhythm; nothing changes"),
    "procrastinators": Scenario(
        "what is overdue and important is what people avoid, and tips about it are ignored",
        dread=2.6,
        urgency=1.6,
        staleness=1.2,
        arrivals_per_day=1.8,
        lasting_days=20.0,
        silence=0.3,
    ),
    "mornings": Scenario(
        "each project has its time of day, work in the morning and home in the evening",
        rhythm=3.2,
        taste_sd=0.4,
        annoyance=0.15,
    ),
    "drift": Scenario(
        "tastes by project turn round after day 15, and the hours of projects move",
        taste_sd=1.4,
        rhythm=1.2,
        drift_day=15,
    ),
    "depletion": Scenario(
        "few tasks are liked and they do not come again: what a greedy policy takes is gone",
        arrivals_per_day=0.8,
        backlog=10,
        mix={"work": 0.65, "home": 0.1, "errands": 0.25},
        taste={"work": -1.6, "home": -1.2, "errands": 2.6},
        taste_sd=0.3,
        rhythm=0.2,
        annoyance=0.05,
        recurring=0.0,
        lasting_days=30.0,
    ),
}


def scenario_of(name: str) -> Scenario:
    """The scenario of an id. Raises `BadInput` for an unknown one."""
    if name not in SCENARIOS:
        raise BadInput("scenario", f"must be one of {', '.join(SCENARIOS)}", name)
    return SCENARIOS[name]
