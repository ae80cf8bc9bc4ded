"""A simulated log: the same for the same arguments, valid, rebuilt, and true to its truth."""

from pathlib import Path

import numpy as np
import pytest

from journal import Log, read_log, write_log
from journal.checks import check_values
from journal.log import NO_TIME, NONE
from policies import make
from policies.features import FEATURES
from replay import audit, evaluate, train
from sim import generate
from sim.scenarios import SCENARIOS


def within(found: np.ndarray, errors: float = 4.0) -> bool:
    """Whether the mean of differences `(n,)` is 0 but for chance."""
    return bool(abs(found.mean()) <= errors * found.std(ddof=1) / np.sqrt(len(found)))


def by_person(log: Log, values: np.ndarray) -> np.ndarray:
    """(users,) sums of `values (n,)`: people are the sample."""
    return np.bincount(log.user, values, len(log.user_names))


def surprise(log: Log) -> np.ndarray:
    """(n,) what came, 0 for nothing, minus what was expected."""
    assert log.expected_reward is not None
    return np.nan_to_num(log.reward) - log.expected_reward[log.chosen]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    """Twice, apart: equal files; another seed, another policy's seed: another log."""
    logs = []
    for n in range(2):
        log = generate("drift", 5, 6, make("linucb:epsilon=0.3"), 3)
        write_log(log, tmp_path / f"{n}.parquet")
        logs.append(log)
    files = [(tmp_path / f"{n}.parquet").read_bytes() for n in range(2)]
    assert files[0] == files[1]
    for seed, spec in ((4, "linucb:epsilon=0.3"), (3, "linucb:epsilon=0.3,seed=1")):
        assert generate("drift", 5, 6, make(spec), seed).sha256 != logs[0].sha256


def test_a_policy_does_not_change_the_people() -> None:
    """Under any policy or seed of it they ask at the same moments, and answer with one noise."""
    logs = [
        generate("mornings", 8, 10, make(spec), 3)
        for spec in ("random", "random:seed=9", "linucb", "linucb:epsilon=1,seed=2")
    ]
    first = set(zip(logs[0].user, logs[0].decided_at.tolist(), strict=True))
    for log in logs[1:]:
        assert log.user_names == logs[0].user_names
        other = set(zip(log.user, log.decided_at.tolist(), strict=True))
        assert len(first ^ other) <= 0.05 * len(first)  # somebody's list was empty


def test_people_do_not_depend_on_how_many_others_there_are() -> None:
    """The first three of ten live as the first three of three do."""
    few, many = (generate("steady", n, 6, make("random"), 2) for n in (3, 10))
    inside = many.take(np.isin(many.user, [many.user_names.index(u) for u in few.user_names]))
    assert [inside.decision(i).decision_id for i in range(len(inside))] == few.decision_id
    np.testing.assert_array_equal(inside.reward, few.reward)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("spec", ["random", "linucb:epsilon=0.1"])
def test_every_scenario_makes_a_log_that_is_rebuilt(
    tmp_path: Path, scenario: str, spec: str
) -> None:
    """Valid by the rules of any log; digests, pmfs, actions and states bit for bit."""
    log = generate(scenario, 6, 18, make(spec), 2)
    check_values(log)
    assert log.world == {
        "scenario": scenario, "users": 6, "days": 18, "seed": 2, "reward_window_s": 86_400,
    }  # fmt: skip
    write_log(log, tmp_path / "log.arrow")
    found = audit(read_log(tmp_path / "log.arrow", values=False), train(log))
    assert found.ok, found.failures
    assert found.rebuilt == found.digests == found.decisions == len(log)
    assert (found.states, found.unchecked) == (len(log.user_names), [])


def test_the_expected_reward_is_the_mean_of_what_comes(big: Log) -> None:
    """Over all decisions and, the hard part, within groups by project, hour, person and quality."""
    found = surprise(big)
    expected = big.expected_reward
    assert expected is not None
    assert len(big) > 10_000
    assert within(found)
    project = big.arm[big.chosen]
    context = big.context[big.chosen]
    quadrant = 2 * (context[:, 0] > 0) + (context[:, 1] > 0)
    shown = expected[big.chosen]
    quality = np.digitize(shown, np.quantile(shown, [0.2, 0.4, 0.6, 0.8]))
    late, urgent = context[:, 2].astype(int), np.rint(context[:, 4] * 3).astype(int)
    for groups in (project, quadrant, quality, late, urgent):
        for group in np.unique(groups):
            if (groups == group).sum() > 200:
                assert within(found[groups == group], 4.5), group
    assert within(by_person(big, found))


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s != "mornings"])
def test_the_expected_reward_holds_in_every_scenario(scenario: str) -> None:
    """Under a policy that learns, too."""
    log = generate(scenario, 25, 28, make("linucb:epsilon=0.3"), 7)
    assert within(surprise(log))
    assert within(by_person(log, surprise(log)))


@pytest.mark.parametrize("window_s", [600, None])
def test_the_expected_reward_counts_the_window(window_s: int | None) -> None:
    """Late answers are worth nothing: a short window costs, and the truth knows it."""
    log = generate("steady", 60, 14, make("random"), 4, window_s)
    found = surprise(log)
    if window_s is None:  # the last answers come after the log's end
        found = found[log.decided_at < np.quantile(log.decided_at, 0.9)]
    assert within(found)


def test_the_truth_of_a_log_is_near_its_mean_reward(big: Log) -> None:
    """`truth_log` of the policy that logged."""
    found = evaluate(big, policy="random").to_dict()
    truth = found["policies"][0]["truth_log"]
    reward = np.nan_to_num(big.reward)
    assert within(by_person(big, reward - truth))
    assert big.expected_reward is not None
    assert np.abs(big.expected_reward).max() <= 1


def test_answers_come_after_decisions_and_within_the_window(learned: Log, big: Log) -> None:
    """Nothing late is folded; silence is folded at its deadline."""
    for log in (learned, big):
        came = log.answered
        assert (log.feedback_at[came] > log.decided_at[came]).all()
        assert (log.feedback_at[~came] == NO_TIME).all()
        deadline = log.decided_at + log.reward_window_s * 1_000_000
        silent = came & (log.feedback == log.feedback_names.index("expired"))
        assert silent.any()
        assert (log.feedback_at[silent] == deadline[silent]).all()
        assert (log.feedback_at[came & ~silent] < deadline[came & ~silent]).all()
        assert (log.feedback_seq[came] != NONE).all()
        assert set(log.feedback_names) == {"done", "snooze", "dismiss", "expired"}


def test_projects_are_arms_and_features_are_tip_v1(big: Log) -> None:
    """As a server would have made them."""
    assert big.features == "tip-v1"
    assert set(big.arm_names) == {"work", "home", "errands", "health", "study"}
    for j, feature in enumerate(FEATURES):
        assert (big.context[:, j] >= feature.low).all()
        assert (big.context[:, j] <= feature.high).all()


def test_in_the_morning_another_project_is_best_than_in_the_evening(big: Log) -> None:
    """`mornings`: work before noon, home after six, by expected reward."""
    assert big.expected_reward is not None
    morning = big.context[:, 0] > 0.5  # between 2:00 and 10:00
    evening = big.context[:, 0] < -0.5
    work, home = (big.arm == big.arm_names.index(p) for p in ("work", "home"))
    q = big.expected_reward
    assert q[work & morning].mean() > q[work & evening].mean() + 0.1
    assert q[home & evening].mean() > q[home & morning].mean() + 0.1
