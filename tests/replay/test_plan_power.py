"""The statistics under a plan: components of variance, power, and looking every day."""

import math

import numpy as np
import pytest

from replay.intervals.cluster import clustered_error
from replay.planning.components import Components, Shape, score_sums, shape_of, shared_of
from replay.planning.power import Question, daily_look, least
from replay.rounds import Rounds


def test_components_give_the_clustered_error_of_the_log_itself() -> None:
    """single and shared, put together again at the log's own shape, to the degree g/(g-1)."""
    rng = np.random.default_rng(2)
    user = rng.integers(200, size=3000)
    score = rng.normal(size=200)[user] + rng.normal(size=3000)
    rounds = Rounds(score, None, score**2, user=user, reward_range=(-10, 10))
    totals = score_sums(rounds.by_user, score).sum(axis=0)
    shape = shape_of(totals, rounds.users)
    mean, shared, error = (float(x[0]) for x in shared_of(totals[None]))
    single = float(totals[3] / totals[0]) - mean**2 + error
    found = variance(single, shared, shape, rounds.users, 1.0)
    g = rounds.equal_users
    assert found == pytest.approx(error * (1 + 1 / g))
    assert error * rounds.users / (rounds.users - 1) == pytest.approx(
        clustered_error(rounds, score - mean) ** 2
    )


def variance(single: float, shared: float, shape: Shape, users: int, scale: float) -> float:
    parts = Components(np.array([single]), np.array([shared]))
    return float(parts.variance(shape, np.array([users]), np.array(scale))[0])


def power_of(question: Question, dof: float) -> float:
    """At a standard error of 1."""
    return float(question.power_at(np.array([1.0]), np.array([dof]))[0])


def test_days_of_the_same_users_do_not_average_out_how_they_differ() -> None:
    """Ten times the days leave what users share; ten times the users leave a tenth."""
    shape = Shape(20.0, 21.0)
    once = variance(1.0, 0.1, shape, 100, 1.0)
    assert variance(1.0, 0.1, shape, 1000, 1.0) == pytest.approx(once / 10)
    assert variance(1.0, 0.1, shape, 100, 1e6) == pytest.approx(0.1 * 21 / 20 / 100, rel=1e-4)
    assert variance(1.0, 0.0, shape, 100, 10.0) == pytest.approx(
        variance(1.0, 0.0, shape, 1000, 1.0)
    )


def test_power_is_that_of_the_t_test() -> None:
    """The chance of a wrong side at no difference, and its rise to 1."""
    for dof in (5.0, 30.0, 1e5):
        none = power_of(Question(1e-12, 0.8, 0.95), dof)
        assert none == pytest.approx(0.025, abs=1e-6)
        powers = [power_of(Question(d, 0.8, 0.95), dof) for d in (0.5, 1, 2, 4, 8, 80)]
        assert powers == sorted(powers)
        assert powers[-1] == 1.0
    rng = np.random.default_rng(5)
    t = (2.5 + rng.standard_normal(40_000)) / np.sqrt(rng.chisquare(9, 40_000) / 9)
    assert power_of(Question(2.5, 0.8, 0.95), 9.0) == pytest.approx(
        float((t > 2.262157).mean()), abs=4 * 0.5 / math.sqrt(40_000)
    )


@pytest.mark.parametrize("answer", [1, 2, 3, 77, 1000])
def test_least_finds_the_first_that_is_enough(answer: int) -> None:
    assert least(lambda n: n >= np.array([answer, 5]), 1, 1000, 2).tolist() == [answer, 5]
    assert least(lambda n: n > 1000, 1, 1000).tolist() == [-1]


def test_looking_every_day_costs_length() -> None:
    """Nothing before the first look; later always more than one look at the end."""
    question = Question(0.05, 0.8, 0.95)
    assert daily_look(question, 6, 100) is None
    for days in (7, 20, 100):
        length, times = daily_look(question, days, 100) or (0.0, 0.0)
        assert length > 1.3
        assert 1 < times < length**2
