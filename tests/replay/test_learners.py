"""The value of a learner: what each method is made of, and that it is what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from journal import Log
from policies import BadInput, make
from policies.loop import probabilities
from policies.state import UserState
from replay import evaluate
from replay.history.walk import walk
from replay.learners import LEARNERS, Course
from replay.learners.closed import closed
from replay.learners.course import course_of
from replay.learners.noise import noise_of
from replay.learners.simulation import fitted_to, model_simulation
from replay.rounds import NotComputable
from replay.sample import sample_of
from replay.studies.learner_worlds import WORLDS

LEARNER = "linucb:alpha=1,epsilon=0.05"


def course(log: Log, spec: str = LEARNER, seed: int = 0) -> Course:
    policy, sample = make(spec), sample_of(log)
    matched = walk(log, policy, learn="replay", known=sample.known).matched
    return course_of(log, policy, sample, matched, {}, seed)


def rows_of(log: Any, methods: list[str], **options: Any) -> dict[str, Any]:
    found = evaluate(log, LEARNER, learn="replay", estimators=methods, **options)
    return {row.estimator: row for row in found.results[0].judged.rows}


class Fixed:
    """A generator whose draws a reference can look up: `(n, …)` by rank."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def random(self, shape: Any) -> np.ndarray:
        self.drawn = self.rng.random(shape)
        return self.drawn


@pytest.mark.parametrize("spec", [LEARNER, "linucb:arm=shared,epsilon=0.3", "lin-ts:draws=9"])
def test_the_closed_loop_is_the_loop_one_by_one(log: Log, spec: str) -> None:
    """The decisions, silences and delays of the log, the learner's own choices and answers."""
    found = course(log, spec)
    means = np.random.default_rng(3).uniform(-1, 1, (2, int(log.offsets[-1])))
    noise = noise_of(np.array([-1.0, 0.0, 1.0]))
    act, world = Fixed(1), Fixed(2)
    lived = closed(found, means, noise, act, world)  # type: ignore[arg-type]
    for copy in range(2):
        values = one_by_one(found, means[copy], noise, act.drawn[..., copy], world.drawn[..., copy])
        assert lived.value[copy] == pytest.approx(np.mean(values), abs=1e-12)


def one_by_one(
    c: Course, means: np.ndarray, noise: Any, act: np.ndarray, world: np.ndarray
) -> list[float]:
    """One learner, decision by decision, through `policies.loop`."""
    log, values = c.log, []
    for code, name in enumerate(log.user_names):
        state = UserState.empty(name, log.features, log.context.shape[1])
        mine = c.lived[log.user[c.lived] == code]
        pending: dict[int, tuple[int, float]] = {}
        for i in mine[np.argsort(c.order.seen[mine])]:
            for j in [j for j in pending if c.fold_at[j] <= c.order.seen[i]]:
                at, reward = pending.pop(j)
                arm = log.arm_names[log.arm[at]]
                state.fold(arm, log.context[at], reward, log.decision_id[j], 1)
            span = slice(log.offsets[i], log.offsets[i + 1])
            arms = [log.arm_names[a] for a in log.arm[span]]
            pmf = probabilities(c.policy, state, arms, log.context[span], log.decision_id[i])[1]
            if c.evaluated[i]:
                values.append(float(pmf @ means[span]))
            drawn = int(np.searchsorted(np.cumsum(pmf), act[c.rank[i]], "right"))
            at = log.offsets[i] + min(drawn, len(pmf) - 1)
            u, mix = world[c.rank[i]]
            reward = float(noise.draw(means[at : at + 1], np.array([u]), np.array([mix]))[0])
            if c.fold_at[i] >= 0:
                pending[i] = (at, reward)
                pending = dict(sorted(pending.items(), key=lambda p: c.fold_at[p[0]]))
    return values


@pytest.mark.parametrize("method", LEARNERS)
def test_neither_the_order_of_rows_nor_a_second_look_changes_a_value(log: Log, method: str) -> None:
    turn = np.random.default_rng(5).permutation(len(log))
    first, again, turned = (LEARNERS[method](course(x)) for x in (log, log, log.take(turn)))
    assert first == again
    assert turned.value == pytest.approx(first.value, abs=1e-9)
    assert (turned.horizon, turned.history) == (first.horizon, first.history)


def test_each_says_its_horizon_and_history() -> None:
    log = WORLDS["common and own"].log(1).take(np.arange(600))
    found = {name: method(course(log)) for name, method in LEARNERS.items()}
    for name in ("bootstrapped-replay", "model-simulation", "learner"):
        assert (found[name].horizon, found[name].history) == (600, 12)
    for name in ("replay", "dr-ns"):
        assert 20 < found[name].horizon < 300
        assert found[name].history == found[name].horizon / 50
    for outcome in found.values():
        assert 0 <= outcome.value <= 1.5


def test_replay_is_what_the_walk_accepted(log: Log) -> None:
    entry = evaluate(log, LEARNER, learn="replay", estimators=["replay"]).results[0]
    (row,) = entry.judged.rows
    assert row.value == entry.replay_mean
    assert row.chosen["horizon"] == entry.matched


def test_dr_ns_takes_every_round_of_a_policy_that_is_the_logger() -> None:
    """pi = p: c is 1, nothing is refused, and the residuals leave the mean reward."""
    log = WORLDS["change half-way"].log(1).take(np.arange(400))
    found = LEARNERS["dr-ns"](course(log, "random"))
    assert found.horizon == 400
    assert found.chosen["c"] == 1.0
    assert found.value == pytest.approx(log.reward.mean(), abs=3 * log.reward.std() / 20)


def test_simulating_a_policy_that_does_not_look_is_the_mean_reward() -> None:
    """`random` earns what the logger `random` earned, up to shrinkage and the draws."""
    log = WORLDS["actions, theta .4"].log(2)
    found = model_simulation(course(log, "random"))
    assert found.value == pytest.approx(
        log.reward.mean(), abs=2 * log.reward.std() / len(log) ** 0.5
    )


def test_a_move_is_seen_and_standing_still_is_not_called_one() -> None:
    moved = [fitted_to(course(WORLDS["change half-way"].log(s))).moved() for s in range(4)]
    still = [fitted_to(course(WORLDS["actions, theta .8"].log(s))).moved() for s in range(2)]
    assert np.mean(moved) > 0.8
    assert np.mean(still) < np.mean(moved) - 0.2


def test_the_rule_takes_the_method_that_needs_no_line_where_rewards_are_bent() -> None:
    """One state, no drift, rewards even in the context: a linear q_hat has nothing to say."""
    rng = np.random.default_rng(4)
    n, arms = 1000, 4
    context = rng.normal(size=(n, 2))
    theta = rng.normal(size=(arms, 2)) * 2
    mean = 1 / (1 + np.exp(1.5 - np.abs(context @ theta.T) * 1.5))
    action = rng.integers(arms, size=n)
    reward = (rng.random(n) < mean[np.arange(n), action]).astype(float)
    log = frame_log(context, action, reward, arms)
    bent = LEARNERS["learner"](course(log))
    assert bent.chosen["method"] == "bootstrapped-replay"
    straight = LEARNERS["learner"](course(WORLDS["actions, theta .8"].log(1)))
    assert straight.chosen["method"] == "model-simulation"


def frame_log(context: np.ndarray, action: np.ndarray, reward: np.ndarray, arms: int) -> Log:
    from replay.studies.learner_worlds import Drawn, _log

    n = len(action)
    drawn = Drawn(
        np.arange(n + 1) * arms,
        np.repeat(context, arms, axis=0),
        np.tile(np.arange(arms), n),
        np.zeros(n * arms),
    )
    return _log(drawn, action, reward, np.zeros(n, np.int64))


@pytest.mark.parametrize("world", ["actions, theta .4", "change half-way", "common and own"])
def test_the_learners_value_is_nearer_to_life_than_replay_is(world: str) -> None:
    """Four logs: nearer on average by the goal's ratio and three standard errors of the truth."""
    lived = WORLDS[world].lived(make(LEARNER), 25, 11)
    error = lived.std(ddof=1) / 25**0.5
    ours, theirs = [], []
    for seed in range(4):
        found = rows_of(WORLDS[world].log(seed), ["replay", "learner"])
        ours.append(found["learner"].value - lived.mean())
        theirs.append(found["replay"].value - lived.mean())
    assert np.sqrt(np.mean(np.square(ours))) < 0.6 * np.sqrt(np.mean(np.square(theirs))) + 3 * error


def test_one_row_is_there_by_default_and_says_what_it_is(log: Log, tmp_path: Path) -> None:
    found = evaluate(log, LEARNER, learn="replay")
    rows = found.to_dict()["policies"][0]["estimates"]
    assert [row["estimator"] for row in rows] == ["auto", "ips", "snips", "dm", "dr", "learner"]
    last = rows[-1]
    assert (last["interval"], last["low"], last["high"], last["ess"]) == ("none", None, None, None)
    assert last["verdict"] in ("caution", "unreliable")
    end = log.decided_at[found.sample.rows].max()
    horizon = int((log.decided_at <= end).sum())
    assert last["chosen"]["horizon"] == horizon
    assert any(f"a learner over {horizon} decisions" in r for r in last["reasons"])
    assert found.to_frame()["estimator"].tolist()[-1] == "learner"
    assert "| learner |" in (found.report(tmp_path) / "summary.md").read_text()
    plain = evaluate(log, LEARNER, learn="logged").results[0].judged.rows
    assert "learner" not in [row.estimator for row in plain]


def test_learners_are_no_estimators_of_a_policy_that_does_not_learn(log: Log) -> None:
    with pytest.raises(BadInput, match="dr-ns: values a learner: it needs --learn replay"):
        evaluate(log, LEARNER, estimators=["ips", "dr-ns"])

    def first(candidate_ids: list[str], context: np.ndarray) -> list[float]:
        assert len(candidate_ids) == len(context)
        return [1.0] + [0.0] * (len(candidate_ids) - 1)

    (row,) = evaluate(log, first, learn="replay", estimators=["learner"]).results[0].judged.rows
    assert row.value is None
    assert "does not learn" in row.reasons[0]


def test_a_deterministic_logger_is_no_ground_for_a_learner(lives: Callable) -> None:
    log = lives("linucb:epsilon=0", users=25).log()
    row = rows_of(log, ["learner"])["learner"]
    assert row.verdict == "unreliable"
    assert any("deterministic" in reason for reason in row.reasons)


def test_a_logger_that_was_not_uniform_is_weighed_away() -> None:
    """Arm 1 always pays and was logged four times as often; `random` earns half of it.

    Within four standard errors of the fewest rounds that any method keeps, a fifth of them.
    """
    rng = np.random.default_rng(6)
    n = 2000
    action = (rng.random(n) < 0.8).astype(np.int64)
    log = frame_log(rng.normal(size=(n, 2)), action, action.astype(float), 2)
    pscore, pmf = np.where(action, 0.8, 0.2), [[0.2, 0.8]] * n
    table = log.table
    for name, values in (("pscore", pscore), ("pmf", pmf)):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(name), pa.array(values))
    uneven = course(Log(table, "uneven"), "random")
    assert uneven.matched.sum() < 0.3 * n
    for name, method in LEARNERS.items():
        assert method(uneven).value == pytest.approx(0.5, abs=4 * 0.5 / (0.2 * n) ** 0.5), name


def test_resamples_know_no_period(log: Log) -> None:
    half = int(np.median(log.decided_at))
    found = rows_of(log, ["replay", "bootstrapped-replay", "model-simulation"], since=half)
    assert found["bootstrapped-replay"].value is None
    assert "have no time" in found["bootstrapped-replay"].reasons[0]
    assert found["model-simulation"].chosen["horizon"] > len(log) / 2


def test_resampling_ends_where_the_log_has_not_what_the_learner_wants() -> None:
    """Only arm 0 was ever logged, and never paid: the learner waits for arm 1 for ever."""
    log = frame_log(np.ones((60, 2)), np.zeros(60, np.int64), np.zeros(60), 2)
    with pytest.raises(NotComputable, match="no replay ends"):
        LEARNERS["bootstrapped-replay"](course(log, "linucb:epsilon=0"))


def test_units_of_features_do_not_matter_to_the_model(
    log: Log, replaced: Callable[..., Log]
) -> None:
    huge = [[[v * 1e80 for v in c] for c in row] for row in log.table["context"].to_pylist()]
    one, other = (
        model_simulation(course(x, "random")) for x in (log, replaced(log, "context", huge))
    )
    assert other.value == pytest.approx(one.value, rel=1e-9)


def test_rewards_that_are_all_the_same_are_what_a_learner_earns(
    log: Log, replaced: Callable[..., Log]
) -> None:
    ones = [None if np.isnan(r) else 1.0 for r in log.reward]
    every = evaluate(
        replaced(replaced(log, "reward", ones), "reward_window_s", [None] * len(log)),
        LEARNER,
        learn="replay",
        estimators=["replay", "model-simulation"],
    )
    for row in every.results[0].judged.rows:
        known = every.sample.reward
        assert known.min() <= row.value <= 1.0


def test_without_a_model_what_can_be_replayed_is(log: Log, replaced: Callable[..., Log]) -> None:
    """One reward is no model: the rule falls back, and says so."""
    known = [r if i == 0 else None for i, r in enumerate(log.reward)]
    silent = replaced(log, "reward", known).take(np.arange(1))
    silent = replaced(silent, "reward_window_s", [None])
    row = rows_of(silent, ["learner", "model-simulation"])
    assert row["model-simulation"].value is None
    assert "fewer than two rewards" in row["model-simulation"].reasons[0]
    assert row["learner"].verdict == "unreliable"
