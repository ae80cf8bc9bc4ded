"""The hour matters where each arm has its own theta, and cannot where they share one."""

from datetime import UTC, datetime

import numpy as np
import pytest

from policies import make
from policies.features import encode
from policies.loop import UserLoop
from policies.state import UserState

TASKS = (
    {"id": "report", "project_id": "work", "priority": 2},
    {"id": "laundry", "project_id": "home", "priority": 2},
)
ARMS = [str(task["project_id"]) for task in TASKS]


def context(hour: int) -> np.ndarray:
    now = datetime(2026, 11, 23, hour, tzinfo=UTC)
    return np.array([encode(task, now) for task in TASKS])


def taught() -> UserLoop:
    """A person who works in the morning and does the laundry in the evening."""
    loop = UserLoop(UserState.empty("u", "tip-v1", 5))
    for _ in range(20):
        for hour, best in ((8, "work"), (20, "home")):
            for arm, x in zip(ARMS, context(hour), strict=True):
                loop.state.fold(arm, x, 1.0 if arm == best else -1.0, f"{arm}{hour}", 0)
    return loop


def scores(spec: str, hour: int) -> np.ndarray:
    loop = taught()
    return loop.decide(make(spec), "d", 0, ["a", "b"], ARMS, context(hour), None)[1]


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_own_arms_rank_the_same_two_tasks_by_the_hour(alpha: float) -> None:
    """Work first at 8:00, home first at 20:00."""
    morning, evening = (scores(f"linucb:alpha={alpha},arm=own", h) for h in (8, 20))
    assert morning[0] > morning[1]
    assert evening[0] < evening[1]


@pytest.mark.parametrize("hour", range(24))
def test_one_shared_theta_cannot(hour: int) -> None:
    """The hour is the same for both candidates and cancels out: they tie at any hour."""
    first, second = scores("linucb:arm=shared", hour)
    assert first == second
