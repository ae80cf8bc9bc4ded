"""The world itself: people who differ, tasks that come, recur and go, answers by their odds."""

import math
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import BadInput, make
from sim.closed import Closed
from sim.life import AHEAD, LIST_LIMIT, Life
from sim.people import person_of
from sim.plan import World
from sim.reactions import Moment, expected_reward, react, utility, words
from sim.scenarios import PROJECTS, SCENARIOS
from sim.tasks import DAY, Arrival, Task, micros

WINDOW_S = 86_400


def lives(scenario: str, users: int = 10, days: int = 20, seed: int = 1) -> Iterator[Life]:
    world = World(scenario, users, days, seed)
    for i in range(users):
        yield Life(world.plan(i), scenario, seed, WINDOW_S)


# ---- people


def test_plans_are_the_same_whenever_they_are_made() -> None:
    """By scenario, seed and person alone; another seed makes others."""
    one, again, other = (World("steady", 5, 10, seed) for seed in (1, 1, 2))
    longer = World("steady", 50, 10, 1)
    for i in range(5):
        assert one.plan(i) == again.plan(i) == longer.plan(i)
        assert one.plan(i).sessions != other.plan(i).sessions
        assert one.plan(i).person != other.plan(i).person


def test_people_differ() -> None:
    """No two are alike in any trait; zones are several."""
    people = [World("steady", 60, 1, 1).plan(i).person for i in range(60)]
    for trait in ("rhythm", "dread", "urgency", "annoyance", "silence", "delay_mu"):
        assert len({getattr(p, trait) for p in people}) == 60
    assert len({p.zone.key for p in people}) > 2
    assert len({tuple(p.taste.values()) for p in people}) == 60
    assert all(0 <= p.silence <= 1 for p in people)


def test_sessions_are_on_the_persons_own_days() -> None:
    """Ascending, each moment once, from 5:00 to midnight by the person's clock."""
    for life in lives("steady", users=20):
        sessions = life.plan.sessions
        assert sessions == sorted(set(sessions))
        for at in sessions:
            local = datetime.fromtimestamp(at / 1e6, life.person.zone)
            assert 5 <= local.hour <= 23


def test_most_people_like_another_project_at_8_than_at_20_in_mornings() -> None:
    """The same plain task of each project, at two hours of one day."""
    scenario, differ = SCENARIOS["mornings"], 0
    for i in range(60):
        person = person_of(scenario, "mornings", 1, f"p{i}")
        best = []
        for hour in (8, 20):
            at = micros(datetime(2026, 1, 7, hour, tzinfo=person.zone))
            tasks = [
                Task(Arrival(p, p, 1, at - DAY, None, "date", 0, 0.0, at + DAY), person.zone)
                for p in PROJECTS
            ]
            liked = [utility(person, scenario, t, Moment(at, float(hour), 2.0)) for t in tasks]
            best.append(int(np.argmax(liked)))
        differ += best[0] != best[1]
    assert differ > 45


# ---- answers


@settings(derandomize=True, database=None)
@given(u=st.floats(-700, 700))
def test_the_odds_of_the_words_sum_to_1(u: float) -> None:
    """Each in [0, 1], whatever the utility."""
    found = words(u)
    assert all(-1e-15 <= p <= 1 for p in found)
    assert math.isclose(sum(found), 1.0, rel_tol=0, abs_tol=1e-12)


@given(low=st.floats(-50, 50), more=st.floats(0, 50), window=st.integers(1, 10**9))
@settings(deadline=None, derandomize=True, database=None)
def test_what_is_liked_more_is_expected_to_earn_more(low: float, more: float, window: int) -> None:
    """Within [-1, 1], for every window; a window only takes away."""
    person = World("steady", 1, 1, 1).plan(0).person
    a, b = (expected_reward(person, u, window) for u in (low, low + more))
    assert -1 <= a <= b + 1e-12 <= 1 + 1e-12
    assert abs(a) <= abs(expected_reward(person, low, None)) + 1e-15


@pytest.mark.parametrize("u", [-2.0, 0.0, 1.5])
def test_answers_are_drawn_by_their_odds(u: float) -> None:
    """Silence, words and delays of 4,000 sessions of one person, within 4.5 standard errors."""
    person, n = World("steady", 1, 1, 3).plan(0).person, 4000
    found = [react(person, u, 10**15, 1, f"session {i}") for i in range(n)]
    said = [r.word for r in found if r is not None]
    chances = dict(zip(("done", "snooze", "dismiss"), words(u), strict=True))
    for word, p in [*((w, p * (1 - person.silence)) for w, p in chances.items())]:
        error = math.sqrt(p * (1 - p) / n)
        assert abs(said.count(word) / n - p) <= 4.5 * error
    delays = np.log([(r.at - 10**15) / 1e6 for r in found if r is not None])
    assert abs(delays.mean() - person.delay_mu) <= 4.5 * delays.std() / math.sqrt(len(delays))
    again = [react(person, u, 10**15, 1, f"session {i}") for i in range(50)]
    assert again == found[:50]


def test_whether_there_is_an_answer_does_not_depend_on_the_tip() -> None:
    """The session's noise is one: policies are compared in pairs."""
    person = World("steady", 1, 1, 3).plan(0).person
    for i in range(200):
        bad, good = (react(person, u, 10**15, 1, f"s{i}") for u in (-3.0, 3.0))
        assert (bad is None) == (good is None)
        if bad is not None and good is not None:
            assert bad.at == good.at
            assert good.word == "done" or bad.word != "done"


# ---- tasks


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_candidates_are_open_known_and_near(scenario: str) -> None:
    """None before it came, none after it left, none due far ahead, and no endless list."""
    seen = 0
    for life in lives(scenario):
        for at in life.plan.sessions:
            life.answers(at)
            tasks = life.open_tasks(at)
            names = [t.arrival.task_id for t in tasks]
            assert len(names) == len(set(names)) <= LIST_LIMIT
            for t in tasks:
                assert t.arrival.added_at <= at < t.arrival.leaves_at
                assert t.due_at is None or t.due_at <= at + AHEAD
            seen += len(tasks)
    assert seen > 100


@pytest.mark.parametrize("kind", ["date", "floating", "fixed"])
def test_a_recurring_task_comes_back_later(kind: str) -> None:
    """The same id, a later due after the completion, last_completed_at, no tip counted."""
    zone = ZoneInfo("America/New_York")
    due = datetime(2026, 3, 7, 9 if kind != "date" else 0)  # a day before the clocks change
    arrival = Arrival("t", "work", 1, 0, due, kind, 1, 0.0, 2**62)
    task = Task(arrival, zone)
    for day in (7, 8, 20):
        before, raw = task.due, dict(task.raw)
        at = micros(datetime(2026, 3, day, 12, tzinfo=zone))
        task.shown = 3
        assert task.complete(at) is False
        assert before is not None
        assert task.due is not None
        assert task.due > before
        assert (task.due - before).days >= 1
        assert task.due_at is not None
        assert task.due_at > at
        assert task.raw["id"] == raw["id"] == "t"
        assert task.raw["due"]["date"] > raw["due"]["date"]
        assert task.raw["due"]["is_recurring"] is True
        assert task.raw["last_completed_at"] == f"2026-03-{day:02d}T" + (
            "17:00:00.000000Z" if day == 7 else "16:00:00.000000Z"
        )
        assert task.shown == 0


@pytest.mark.parametrize("scenario", ["steady", "depletion"])
def test_what_is_done_once_never_comes_again_and_what_recurs_does(scenario: str) -> None:
    """Over whole lives in closed loop, by the task's id."""
    once = again = 0
    world = World(scenario, 12, 28, 4)
    for i in range(world.users):
        recurs = {a.task_id: bool(a.period_days) for a in world.plan(i).arrivals}
        life = Closed(world, i)
        life.live(make("random"))
        gone: dict[str, int] = {}
        for decision, feedback, _ in life.biography.records():
            for name in decision.candidate_ids:
                back = name in gone and gone[name] < decision.decided_at
                assert not back or recurs[name]
                again += back
            if feedback is not None and feedback.feedback == "done":
                name = decision.candidate_ids[decision.action]
                gone.setdefault(name, feedback.feedback_at)
                once += not recurs[name]
    assert once > 20
    assert (again > 0) == (scenario == "steady")


def test_drift_turns_tastes_round_on_its_day() -> None:
    """Before day 15 the same person and task are liked otherwise than after it."""
    scenario = SCENARIOS["drift"]
    person = person_of(scenario, "drift", 1, "p")
    task = Task(Arrival("t", "work", 1, 0, None, "date", 0, 0.0, 2**62), person.zone)
    liked = [utility(person, scenario, task, Moment(0, 9.5, d)) for d in (0.0, 14.9, 15.0, 20.0)]
    assert liked[0] == liked[1] != liked[2] == liked[3]


@pytest.mark.parametrize(
    ("scenario", "users", "days", "named"),
    [("none", 1, 1, "scenario"), ("steady", 0, 1, "--users"), ("steady", 1, 0, "--days")],
)
def test_a_world_of_nobody_is_refused(scenario: str, users: int, days: int, named: str) -> None:
    """BadInput that names what is wrong."""
    with pytest.raises(BadInput, match=named):
        World(scenario, users, days, 0)
