"""Plans: laws of their variances, refusals, and whether they keep their word."""

import json
import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import Log, write_log
from journal.frame import frame_of_log, log_of_frame
from policies import BadInput
from replay import plan
from replay.planning.loggers import floor_of, logged_floored
from replay.planning.power import Question
from replay.planning.result import Plan, Row
from replay.studies.plan_table import plan_table
from replay.studies.planned import Design, study
from replay.studies.planned_worlds import (
    World,
    draw,
    gain_of,
    log_under,
    off_policy_interval,
    scores_a,
    scores_b,
)

KEPT = Path(__file__).parents[2] / "results" / "reference" / "study" / "plan.json"
ALIKE, DIFFER = Design().worlds
OURS = partial(scores_b, DIFFER.edge)


@cache
def first(users: int = 240, floor: float = 0.2, world: World = DIFFER, seed: int = 3) -> Log:
    return log_under(draw(world, users, np.random.default_rng(seed)), world, floor)


def planned(log: Log | None = None, **asked: Any) -> Plan:
    words: dict[str, Any] = {
        "floors": (0.05, 0.2),
        "detect": 0.06,
        "against": scores_a,
        "learn": "none",
        **asked,
    }
    return plan(first() if log is None else log, words.pop("policy", OURS), **words)


@cache
def usual() -> Plan:
    return planned()


def figures(found: Plan) -> list[tuple[Any, ...]]:
    return [(r.user_days, r.users, r.tips, r.ess) for part in found.designs for r in part.rows]


def costs(found: Plan) -> list[float]:
    out = [row.cost for row in found.off_policy.rows]
    assert None not in out
    return [x for x in out if x is not None]


def user_days(rows: tuple[Row, ...]) -> list[int]:
    assert all(row.planned for row in rows)
    return [row.user_days or 0 for row in rows]


def test_more_to_detect_takes_fewer_user_days() -> None:
    each = [planned(detect=d) for d in (0.03, 0.06, 0.12)]
    for rows in zip(*(user_days((*f.off_policy.rows, *f.ab_test.rows)) for f in each), strict=True):
        assert rows[0] > rows[1] > rows[2]


def test_more_power_and_a_higher_level_take_more() -> None:
    base = user_days(usual().off_policy.rows)
    for words in ({"power": 0.95}, {"level": 0.99}):
        assert all(
            a > b for a, b in zip(user_days(planned(**words).off_policy.rows), base, strict=True)
        )


def test_a_higher_floor_is_less_noisy_and_costs_more_a_tip() -> None:
    found = usual()
    days = user_days(found.off_policy.rows)
    assert days == sorted(days, reverse=True)
    paid = [row.cost_per_tip.value for row in found.off_policy.rows if row.cost_per_tip]
    assert paid[0] == 0
    assert paid == sorted(paid)
    assert len(paid) == len(days)


def test_rewards_and_what_is_to_be_detected_have_one_unit() -> None:
    """Both times 3: the same user-days, three times the cost."""
    frame = frame_of_log(first())
    frame["reward"] *= 3
    scaled = log_of_frame(frame, reward_range=(-3.0, 3.0), action_by="index")
    one, three = usual(), planned(scaled, detect=0.18)
    for a, b in zip(figures(one), figures(three), strict=True):
        assert a[:2] == b[:2]
    assert costs(three) == pytest.approx([3 * c for c in costs(one)])


def test_the_order_of_rows_is_nothing() -> None:
    log = first()
    turned = log.take(np.random.default_rng(1).permutation(len(log)))
    for ours, theirs in zip(figures(planned(turned)), figures(usual()), strict=True):
        assert ours == (theirs if theirs[3] is None else pytest.approx(theirs))
    assert costs(planned(turned)) == pytest.approx(costs(usual()))


def test_what_no_number_of_days_finds_is_said() -> None:
    """Moods differ by 0.4: the A/B test of the log's 120 users never gets there."""
    log = first(120, world=World("moody", moods=0.4))
    (row,) = planned(log, detect=0.02).ab_test.rows
    assert row.more is not None
    assert row.more.days is None
    assert "days do not average out how people differ" in str(row.more.why)


def test_a_floor_is_taken_off_and_put_on(log: Log, lives: Callable) -> None:
    """A log of linucb at 0.3: its pmf at 0.3 is what was logged, at 1 uniform."""
    made = lives("linucb:epsilon=0.3", users=10).log()
    assert made.pmf is not None
    planner = logged_floored(made, made.pmf)
    assert planner.known
    assert planner.at(0.3) == pytest.approx(made.pmf)
    assert planner.at(1.0) == pytest.approx(planner.uniform)
    assert floor_of("random") == 0
    assert floor_of("somebody's") == 0
    assert log.pmf is not None
    assert not logged_floored(log, log.pmf).known


def test_json_is_finite_and_says_what_was_asked(tmp_path: Path) -> None:
    found = planned(tips_per_day=3.0)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["tips_per_day"] == 3.0
    assert [d["question"] for d in told["designs"]] == [
        "value on logged contexts",
        "value if deployed",
    ]
    assert told["recommended_floor"] in told["floors"]
    out = found.report(tmp_path / "plan")
    assert sorted(p.name for p in out.iterdir()) == ["plan.json", "plan.png", "summary.md"]
    assert json.loads((out / "plan.json").read_text()) == told


def test_more_tips_a_day_take_fewer_users() -> None:
    few, many = planned(tips_per_day=1.0), planned(tips_per_day=4.0)
    assert all(
        a > b
        for a, b in zip(
            user_days(few.off_policy.rows), user_days(many.off_policy.rows), strict=True
        )
    )


def without(log: Log, *columns: str) -> Log:
    return log_of_frame(frame_of_log(log).drop(columns=list(columns)), action_by="index")


def test_without_propensities_only_an_ab_test_is_planned() -> None:
    found = planned(without(first(), "pmf", "pscore"))
    assert "no propensities" in found.off_policy.reasons[0]
    assert not found.off_policy.planned
    assert found.off_policy.rows[0].user_days is None
    assert found.ab_test.planned
    assert found.difference is None
    assert "cannot plan an off-policy comparison" in found.recommendation


def test_without_pmfs_the_logs_own_policy_has_no_other_floor() -> None:
    found = planned(without(first(), "pmf"), against="logged")
    assert "the log has no pmfs" in found.off_policy.reasons[0]
    assert found.ab_test.planned


def test_without_support_nothing_is_planned_off_policy() -> None:
    """A alone was logged: B's other choices never were."""
    found = planned(first(floor=0.0))
    assert any("deterministic logger" in r for r in found.off_policy.reasons)
    assert not found.off_policy.planned


def test_a_low_ess_is_refused() -> None:
    """A floor of 0.002: B's other choices were logged about twice."""
    found = planned(first(floor=0.002))
    assert any("ess" in r for r in found.off_policy.reasons)
    assert not found.off_policy.planned


def test_policies_that_never_differ_are_refused() -> None:
    found = planned(policy=scores_a)
    assert "never differ" in found.off_policy.reasons[0]


def test_few_users_are_refused_whole(tmp_path: Path, refused: Callable) -> None:
    few = first(users=29)
    found = planned(few)
    assert not found.computable
    assert found.recommendation.startswith("No plan: 29 users")
    path = tmp_path / "log.parquet"
    write_log(few, path)
    said = refused("plan", path, "--policy", "random", "--detect", 0.1)
    assert "neither design can be planned, found '29 users" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--detect", 0), "--detect: must be a positive difference"),
        (("--detect", "nan"), "--detect: must be a positive difference"),
        (("--detect", 2), "--detect: must be less than the reward range, 2"),
        (("--power", 1), "--power: must be between 0 and 1"),
        (("--level", 0), "--level: must be between 0 and 1"),
        (("--floors", "0.1,0"), "--floors: must be in (0, 1], found 0.0"),
        (("--floors", "nan"), "--floors: must be in (0, 1]"),
        (("--floors", "0.1,much"), "--floors: must be numbers"),
        (("--floors", ""), "--floors: must be numbers"),
        (("--floors", "0.1,0.1"), "--floors: each may be given once"),
        (("--tips-per-day", 0), "--tips-per-day: must be positive"),
        (("--seed", -1), "--seed: must be an integer >= 0"),
        (("--policy", "best"), "policy: must be one of"),
        (("--policy", "logged"), "--policy: must be a spec"),
        (("--against", "best"), "policy: must be one of"),
        (("--state", "nowhere"), "nowhere"),
    ],
)
def test_bad_usage(file: Path, refused: Callable, words: tuple[object, ...], said: str) -> None:
    given = {"--policy": "random", "--detect": "0.1", "--out": file.parent / "out"}
    given |= {words[0]: words[1]}
    assert said in refused("plan", file, *(x for pair in given.items() for x in pair))


def test_the_command_prints_and_writes(file: Path, run: Callable) -> None:
    out = file.parent / "out"
    words = ("plan", file, "--policy", "linucb:epsilon=0.2", "--detect", 0.2)
    done = run(*words, "--out", out)
    assert done.code == 0, done.err
    assert "## A/B test: value if deployed" in done.out
    assert (out / "plan.png").stat().st_size > 5_000
    assert run(*words, "--json").json == json.loads((out / "plan.json").read_text())
    with pytest.raises(BadInput, match="--learn"):
        plan(str(file), "random", detect=0.1, learn="replay")  # type: ignore[arg-type]


def test_a_plan_keeps_its_word() -> None:
    """From a large log, so that the plan itself is sure: 60 runs, within 4 standard errors."""
    gain = gain_of(ALIKE)
    found = planned(first(600, 0.2, ALIKE), detect=gain, floors=(0.2,))
    (row,) = found.off_policy.rows
    assert row.users is not None
    runs = 60
    for users, power in ((row.users, 0.8), (row.users // 4, None)):
        low = [
            off_policy_interval(draw(ALIKE, users, np.random.default_rng([9, i])), 0.2, 0.95)[0]
            for i in range(runs)
        ]
        if power is None:  # a quarter of the users: twice the standard error
            quantile = 1.959964 + 0.841621
            question = Question(quantile / 2, 0.8, 0.95)
            power = float(question.power_at(np.ones(1), np.array([users - 1.0]))[0])
        error = math.sqrt(power * (1 - power) / runs)
        assert np.mean(np.array(low) > 0) == pytest.approx(power, abs=4 * error)


def test_the_study_runs_small() -> None:
    found = study(Design(worlds=(ALIKE,), users=240, floors=(0.1, 0.2), plans=2, runs=3))
    assert [row["design"] for row in found["rows"]] == [
        "off-policy, floor 0.1",
        "off-policy, floor 0.2",
        "A/B test",
    ]
    assert plan_table(found).count("\n| ") == 2 + 3


def test_the_kept_study_holds() -> None:
    """Achieved power within 3 Monte-Carlo errors of what was planned, of the design as it is."""
    from dataclasses import asdict

    kept = json.loads(KEPT.read_text())
    assert kept["design"] == json.loads(json.dumps(asdict(Design())))
    for row in kept["rows"]:
        assert abs(row["achieved_power"] - row["planned_power"]) < 3 * row["power_error"]
        apart = math.hypot(row["planned_cost_error"], row["achieved_cost_error"])
        assert abs(row["achieved_cost"] - row["planned_cost"]) < 3 * apart
