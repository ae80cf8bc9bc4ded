"""Laws of the estimators, and the worked example of the design."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import BadInput
from replay.estimators import ESTIMATORS, Rounds, estimator_of
from replay.intervals import cluster_t
from replay.rounds import NotComputable

W = np.array([2, 0.2, 2, 0.5, 3, 0.1])
R = np.array([1.0, 0, -1, 1, 1, -1])
Q = np.array([0.2, 0.1, -0.3, 0.4, 0.5, -0.2])
Q_PI = np.array([0.3, 0.05, -0.1, 0.35, 0.45, 0])


def worked() -> Rounds:
    pscore = np.full(6, 0.25)
    return Rounds(R, pscore, W * pscore, Q, Q_PI)


def some_rounds(seed: int, n: int = 200, users: int = 20) -> Rounds:
    rng = np.random.default_rng(seed)
    pscore = rng.uniform(0.1, 0.9, n)
    return Rounds(
        rng.choice([-1.0, 0.0, 1.0], n),
        pscore,
        rng.uniform(0, 1, n),
        rng.uniform(-1, 1, n),
        rng.uniform(-1, 1, n),
        rng.integers(users, size=n),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ips", 0.5666667),
        ("snips", 0.4358974),
        ("dr", 0.4916667),
        ("dm", 0.175),
        ("sndr", 0.4185897),
        ("switch-dr:tau=1.5", 0.2083333),
        ("dros:lambda=2", 0.2594751),
        ("cressie-read", 0.4133422),
        ("clipped-ips:tau=0.5", 0.15),
    ],
)
def test_worked_example(name: str, value: float) -> None:
    assert estimator_of(name)(worked()).value == pytest.approx(value, abs=5e-8)


def test_worked_ess() -> None:
    assert worked().ess == pytest.approx(3.5167630, abs=5e-8)


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_value_is_the_combination_of_column_means(name: str, seed: int) -> None:
    found = ESTIMATORS[name](some_rounds(seed))
    assert found.combine(found.columns.mean(axis=0)) == pytest.approx(found.value, rel=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_influence_is_centred_and_is_the_derivative(name: str) -> None:
    """Doubling one round's share moves the value by its influence / n, to first order."""
    rounds = some_rounds(3, n=2000)
    found = ESTIMATORS[name](rounds)
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)
    share = np.ones(len(rounds))
    share[7] += 1e-4
    moved = found.combine(np.average(found.columns, axis=0, weights=share))
    slope = (moved - found.value) * share.sum() / 1e-4
    assert slope == pytest.approx(found.influence[7], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_order_of_rounds_does_not_matter(name: str) -> None:
    rounds = some_rounds(5)
    turn = np.random.default_rng(1).permutation(len(rounds))
    turned = Rounds(
        rounds.reward[turn],
        rounds.pscore[turn],
        rounds.pi_e[turn],
        rounds.q_hat[turn],
        rounds.q_pi[turn],
        rounds.user[turn],
    )
    a, b = ESTIMATORS[name](rounds), ESTIMATORS[name](turned)
    assert a.value == pytest.approx(b.value, rel=1e-12)
    spans = [cluster_t(r, e, 0.95) for r, e in ((rounds, a), (turned, b))]
    assert spans[0] == pytest.approx(spans[1], rel=1e-9)


def test_weights_of_the_logger_itself_give_the_mean_reward() -> None:
    rounds = some_rounds(2)
    same = Rounds(rounds.reward, rounds.pscore, rounds.pscore)
    mean = rounds.reward.mean()
    assert ESTIMATORS["ips"](same).value == pytest.approx(mean)
    assert ESTIMATORS["snips"](same).value == pytest.approx(mean)


def test_dr_with_a_perfect_model_has_no_noise_of_the_reward() -> None:
    rounds = some_rounds(4)
    perfect = Rounds(rounds.reward, rounds.pscore, rounds.pi_e, rounds.reward, rounds.q_pi)
    assert ESTIMATORS["dr"](perfect).value == pytest.approx(rounds.q_pi.mean())


def test_what_rounds_cannot_give_is_said() -> None:
    rounds = some_rounds(6)
    for name in ("ips", "snips", "dr"):
        blind = Rounds(rounds.reward, None, rounds.pi_e, rounds.q_hat, rounds.q_pi)
        with pytest.raises(NotComputable, match="no propensities"):
            ESTIMATORS[name](blind)
    for name in ("dm", "dr"):
        with pytest.raises(NotComputable, match="reward model"):
            ESTIMATORS[name](Rounds(rounds.reward, rounds.pscore, rounds.pi_e))
    with pytest.raises(NotComputable, match="every weight is zero"):
        ESTIMATORS["snips"](Rounds(rounds.reward, rounds.pscore, 0 * rounds.pi_e))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pscore": [0.0, 0.5]}, "pscore: must be in (0, 1], found 0.0"),
        ({"pscore": [2.0, 0.5]}, "pscore: must be in (0, 1], found 2.0"),
        ({"pscore": [np.nan, 0.5]}, "pscore: must be finite"),
        ({"reward": [3.0, 0.5]}, "reward: must be in [-1, 1], found 3.0"),
        ({"pi_e": [-0.1, 0.5]}, "pi_e: must not be negative"),
        ({"pi_e": [0.1]}, "pi_e: shape must be (2,)"),
    ],
)
def test_bad_rounds_are_named(change: dict, said: str) -> None:
    good = {"reward": [1.0, 0.0], "pscore": [0.5, 0.5], "pi_e": [0.5, 0.5]}
    with pytest.raises(BadInput) as caught:
        Rounds(**{k: np.array(v) for k, v in {**good, **change}.items()})
    assert said in str(caught.value)


def test_clustering_is_by_user() -> None:
    """A log in which each round is doubled within its user is no surer than the single one."""
    rounds = some_rounds(8)
    twice = Rounds(
        *(np.repeat(a, 2) for a in (rounds.reward, rounds.pscore, rounds.pi_e)),
        user=np.repeat(rounds.user, 2),
    )
    once = Rounds(rounds.reward, rounds.pscore, rounds.pi_e, user=rounds.user)
    spans = [cluster_t(r, ESTIMATORS["ips"](r), 0.95) for r in (once, twice)]
    assert spans[0] == pytest.approx(spans[1], rel=1e-9)


def test_cluster_t_of_single_rounds_is_students() -> None:
    from scipy import stats

    reward = np.random.default_rng(0).uniform(-1, 1, 50)
    rounds = Rounds(reward, np.ones(50), np.ones(50))
    low, high = cluster_t(rounds, ESTIMATORS["ips"](rounds), 0.9)
    wanted = stats.t.interval(0.9, 49, reward.mean(), stats.sem(reward))
    assert (low, high) == pytest.approx(wanted, rel=1e-9)


def test_one_user_has_no_interval() -> None:
    rounds = Rounds(R, np.full(6, 0.5), np.full(6, 0.5), user=np.zeros(6, int))
    with pytest.raises(NotComputable, match="one user"):
        cluster_t(rounds, ESTIMATORS["ips"](rounds), 0.95)
