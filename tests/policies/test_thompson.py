"""Thompson sampling: deviates against their distributions, votes against the posterior."""

import math
import statistics

import numpy as np
import pytest
from scipy import integrate, stats

from policies import make
from policies.deviates import ln, next_gamma, next_normal, normal_quantile
from policies.keys import arm_keys, decision_keys
from policies.loop import probabilities
from policies.policy import Batch
from policies.state import UserState
from policies.stream import next_uniform, stream_starts
from policies.votes import share_votes

DRAWS = 10_000
SURE = 4.5  # standard errors; a false alarm in 3 of 100,000


def test_the_stream_is_mrg32k3a() -> None:
    """Its first numbers from the seed 12345, as L'Ecuyer's own code prints them."""
    state = np.full(6, 12345)
    found = [next_uniform(state) for _ in range(3)]
    assert found == pytest.approx(
        [0.127011122046577, 0.318527565396795, 0.309186015583270], abs=1e-15
    )


def test_the_logarithm_is_within_2_ulp() -> None:
    """Of the libm's, from the smallest numbers to large ones."""
    x = np.concatenate([np.random.default_rng(1).random(5_000), 10.0 ** np.arange(-300, 300, 7)])
    for value in [*x.tolist(), 1.0, math.sqrt(0.5), math.sqrt(2.0)]:
        assert abs(ln(value) - math.log(value)) <= 2 * math.ulp(math.log(value))


def test_the_quantile_is_the_normal_one() -> None:
    """To the 16 digits of the algorithm, tails included."""
    normal = statistics.NormalDist()
    ps = [*np.random.default_rng(2).random(2_000).tolist(), 1e-12, 1e-200, 0.075, 0.925, 1 - 1e-12]
    for p in ps:
        assert normal_quantile(p) == pytest.approx(normal.inv_cdf(p), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("shape", [None, 1.0, 1.3, 4.5, 120.0])
def test_deviates_have_their_distribution(shape: float | None) -> None:
    """Kolmogorov-Smirnov, at a false alarm in 100,000."""
    stream = np.arange(1, 7)
    if shape is None:
        found, cdf = [next_normal(stream) for _ in range(DRAWS)], stats.norm.cdf
    else:
        found, cdf = [next_gamma(stream, shape) for _ in range(DRAWS)], stats.gamma(shape).cdf
    assert stats.kstest(found, cdf).pvalue > 1e-5


def keyed_batch(ids: list[str], arms: list[str]) -> Batch:
    """Every decision over the same arms."""
    n, k = len(ids), len(arms)
    zeros = np.zeros(n * k, np.int64)
    keys = decision_keys(ids), arm_keys(arms * n)
    ones = np.ones(n, np.int64)
    return Batch(np.arange(n + 1) * k, np.ones((n * k, 1)), zeros, ones, ones, *keys)


def test_streams_of_decisions_arms_and_seeds_are_apart() -> None:
    """Uncorrelated in pairs within 4.5 / sqrt(n), candidates of one arm alike."""
    n = 3_000
    batch = keyed_batch([f"d{i}" for i in range(n)], ["a", "b", "a"])
    starts = stream_starts(batch, 0).reshape(n, 3, 6)
    assert (starts[:, 0] == starts[:, 2]).all()
    assert len(np.unique(starts[:, :2].reshape(-1, 6), axis=0)) == 2 * n
    other = stream_starts(batch, 1).reshape(n, 3, 6)
    shared = stream_starts(batch, 0, own_arm=False).reshape(n, 3, 6)
    assert (shared[:, 0] == shared[:, 1]).all()
    first = [
        [next_uniform(s.copy()) for s in some]
        for some in (starts[:, 0], starts[:, 1], other[:, 0], shared[:, 0])
    ]
    first.append([*first[0][1:], first[0][0]])  # the next decision's
    off = np.corrcoef(first) - np.eye(len(first))
    assert np.abs(off).max() < SURE / math.sqrt(n)


def test_ties_share_a_vote() -> None:
    """Two of three draws are ties of two."""
    out = np.empty(3)
    share_votes(np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 5.0], [0.0, 1.0, 4.0]]), out)
    assert out == pytest.approx([1 / 3, 2 / 3, 0.0])


def learned(arms: dict[str, list[float]]) -> UserState:
    """One feature that is 1: rewards by arm."""
    state = UserState.empty("u", "one", 1)
    for arm, rewards in arms.items():
        for i, reward in enumerate(rewards):
            state.fold(arm, [1.0], reward, f"{arm}{i}", i)
    return state


REWARDS = {"a": [1.0, 0.0, 1.0, -1.0, 1.0], "b": [0.0, 0.0, 1.0]}


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_the_vote_of_lin_ts_is_the_posterior_probability(sigma: float) -> None:
    """Two arms with one feature x: theta ~ N(b/A, sigma^2/A), so P(a beats b) is known."""
    x = np.array([[0.8], [1.5]])
    a, b = (sum(r) / (1 + len(r)) for r in REWARDS.values())
    spread = sigma * math.hypot(
        *(x[i, 0] / math.sqrt(1 + len(r)) for i, r in enumerate(REWARDS.values()))
    )
    truth = statistics.NormalDist().cdf((a * x[0, 0] - b * x[1, 0]) / spread)
    policy = make(f"lin-ts:sigma={sigma},draws={DRAWS},epsilon=0")
    _, pmf = probabilities(policy, learned(REWARDS), ["a", "b"], x, "d")
    assert abs(pmf[0] - truth) < SURE * math.sqrt(truth * (1 - truth) / DRAWS)


def test_under_shared_arms_one_theta_votes() -> None:
    """With one feature the larger x wins exactly when theta > 0."""
    state = learned(REWARDS)
    total, count = sum(map(sum, REWARDS.values())), 8
    truth = statistics.NormalDist().cdf(total / (1 + count) / (1.0 / math.sqrt(1 + count)))
    policy = make(f"lin-ts:arm=shared,sigma=1,draws={DRAWS},epsilon=0")
    _, pmf = probabilities(policy, state, ["a", "new"], np.array([[0.5], [1.0]]), "d")
    assert abs(pmf[1] - truth) < SURE * math.sqrt(truth * (1 - truth) / DRAWS)


def test_the_vote_of_beta_ts_is_the_posterior_probability() -> None:
    """Of Beta(1 + s, 1 + n - s) against another, by numerical integration; no context is seen."""
    posterior = []
    for rewards in REWARDS.values():
        won = sum((1 + r) / 2 for r in rewards)
        posterior.append(stats.beta(1 + won, 1 + len(rewards) - won))
    truth, _ = integrate.quad(lambda p: posterior[0].pdf(p) * posterior[1].cdf(p), 0, 1)
    policy = make(f"beta-ts:draws={DRAWS},epsilon=0")
    state, arms = learned(REWARDS), ["a", "b", "a"]
    _, pmf = probabilities(policy, state, arms, np.array([[1.0], [9.0], [-5.0]]), "d")
    assert pmf[0] == pmf[2]  # one arm, one draw: they tie
    assert abs(2 * pmf[0] - truth) < SURE * math.sqrt(truth * (1 - truth) / DRAWS)


def test_rewards_beyond_the_table_leave_a_posterior() -> None:
    """A log of others may hold clicks counted in tens."""
    state = learned({"a": [40.0, 10.0], "b": [-30.0]})
    _, pmf = probabilities(make("beta-ts"), state, ["a", "b", "new"], np.ones((3, 1)), "d")
    assert pmf.sum() == pytest.approx(1.0)
    assert pmf[0] > pmf[2] > pmf[1]
