"""LinUCB is what Li, Chu, Langford and Schapire wrote down in 2010, by a second opinion."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import make
from policies.arrays import Floats
from policies.loop import UserLoop, probabilities
from policies.state import UserState

D = 5
ARMS = ["home", "work", "errands", "*", "garden"]
HOUR = 3_600_000_000
WINDOW_S = 6 * 3600
SETTINGS = [(1.0, 0.05, 1.0), (0.3, 0.2, 0.01), (0.0, 1.0, 2.5), (4.0, 0.0, 1.0)]


@dataclass
class Oracle:
    """Algorithm 1, in plain numpy: A and b of each arm, solved anew for every score."""

    alpha: float
    epsilon: float
    lam: float
    shared: bool
    arms: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    learned: int = 0

    def of(self, arm: str) -> tuple[Floats, Floats]:
        name = "all" if self.shared else arm
        return self.arms.setdefault(name, (self.lam * np.eye(D), np.zeros(D)))

    def learn(self, arm: str, x: Floats, r: float) -> None:
        A, b = self.of(arm)
        A += np.outer(x, x)
        b += r * x
        self.learned += 1

    def score(self, arm: str, x: Floats) -> float:
        A, b = self.of(arm)
        theta = np.linalg.solve(A, b)
        return float(theta @ x + self.alpha * np.sqrt(x @ np.linalg.solve(A, x)))

    def pmf(self, scores: Floats) -> Floats:
        best = scores == scores.max()
        return (1 - self.epsilon) * best / best.sum() + self.epsilon / len(scores)


@dataclass
class Tip:
    """What the oracle's side remembers of a shown tip: when it will be folded, and as what."""

    name: str
    arm: str
    x: Floats
    reward: float
    answered_at: float  # inf: never
    deadline: float  # inf: awaited for ever

    @property
    def folded_at(self) -> float:
        return min(self.answered_at, self.deadline)

    @property
    def worth(self) -> float:
        return self.reward if self.answered_at < self.deadline else 0.0


def candidates(rng: np.random.Generator) -> tuple[list[str], Floats]:
    """1 to 7 candidates; now and then some are twins, or all are of the zero context."""
    k = int(rng.integers(1, 8))
    arms = [str(a) for a in rng.choice(ARMS, k)]
    context = rng.uniform(-1, 1, (k, D))
    kind = rng.random()
    if kind < 0.2 and k > 1:
        arms[-1], context[-1] = arms[0], context[0]
    elif kind < 0.25:
        context[:] = 0.0
    return arms, context


def advance(loop: UserLoop, oracle: Oracle, waiting: list[Tip], now: int) -> list[Tip]:
    """Answers and silences until `now`, on both sides; the tips that still wait."""
    for tip in sorted((t for t in waiting if t.folded_at <= now), key=lambda t: t.folded_at):
        if tip.answered_at < tip.deadline:
            loop.expire(int(tip.answered_at))
            loop.answer(tip.name, None, tip.reward, int(tip.answered_at))
        oracle.learn(tip.arm, tip.x, tip.worth)
    loop.expire(now)
    return [t for t in waiting if t.folded_at > now]


@pytest.mark.parametrize("arm", ["own", "shared"])
@pytest.mark.parametrize(("alpha", "epsilon", "lam"), SETTINGS)
def test_scores_and_pmfs_are_those_of_algorithm_1(
    alpha: float, epsilon: float, lam: float, arm: str
) -> None:
    """400 decisions, with answers that are prompt, late, after the window, or never given."""
    rng = np.random.default_rng([2010, SETTINGS.index((alpha, epsilon, lam))])
    policy = make(f"linucb:alpha={alpha},epsilon={epsilon},lambda={lam},arm={arm}")
    oracle = Oracle(alpha, epsilon, lam, arm == "shared")
    loop = UserLoop(UserState.empty("u", "test-5", D))
    waiting: list[Tip] = []
    ties = 0
    for i in range(400):
        now = i * HOUR
        waiting = advance(loop, oracle, waiting, now)
        arms, context = candidates(rng)
        window = WINDOW_S if rng.random() < 0.8 else None
        names = [f"t{j}" for j in range(len(arms))]
        decision, scores = loop.decide(policy, f"d{i}", now, names, arms, context, window)
        expected = np.array([oracle.score(a, x) for a, x in zip(arms, context, strict=True)])
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(decision.pmf, oracle.pmf(expected), rtol=0, atol=1e-15)
        assert decision.state_seq == oracle.learned
        ties += int((expected == expected.max()).sum() > 1)
        a = decision.action
        delay = float(rng.choice([0.1, 0.5, 3.5, 12.5, math.inf]))
        deadline = math.inf if window is None else now + window * 1e6
        reward = float(rng.uniform(-1, 1))
        waiting.append(Tip(f"d{i}", arms[a], context[a], reward, now + delay * HOUR, deadline))
    assert ties > 10
    assert oracle.learned > 200


@pytest.mark.parametrize("arm", ["own", "shared"])
@settings(deadline=None, derandomize=True, database=None)
@given(
    x=st.lists(st.floats(-1, 1), min_size=D, max_size=D),
    alpha=st.floats(0, 100),
    lam=st.floats(1e-6, 100),
)
def test_an_unseen_arm_scores_alpha_times_length_over_root_lambda(
    arm: str, x: list[float], alpha: float, lam: float
) -> None:
    """theta is 0 and A is lambda I: only the bonus is left."""
    policy = make(f"linucb:alpha={alpha!r},lambda={lam!r},arm={arm}")
    state = UserState.empty("u", "test-5", D)
    scores, _ = probabilities(policy, state, ["new"], np.array([x]), "d")
    assert scores[0] == pytest.approx(
        alpha * math.hypot(*x) / math.sqrt(lam), rel=1e-12, abs=1e-150
    )


def test_an_unseen_arm_keeps_its_bonus_while_others_learn() -> None:
    """With arm=own what one arm learns leaves another untouched."""
    state = UserState.empty("u", "test-5", D)
    rng = np.random.default_rng(3)
    for i in range(50):
        state.fold("work", rng.uniform(-1, 1, D), 1.0, f"d{i}", i)
    x = rng.uniform(-1, 1, D)
    scores, _ = probabilities(make("linucb:alpha=0.7,lambda=4"), state, ["new"], x[None], "d")
    assert scores[0] == pytest.approx(0.7 * math.hypot(*x) / 2, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 7])
@pytest.mark.parametrize("epsilon", [0.0, 0.05, 1.0])
def test_exact_ties_share_what_the_floor_leaves(k: int, epsilon: float) -> None:
    """k twins and one worse candidate: (1-eps)/k + eps/(k+1) each, eps/(k+1) for the worse."""
    context = np.vstack([np.tile([1.0, 0.5, 0.25, 0.0, 0.0], (k, 1)), [[0.1, 0, 0, 0, 0]]])
    state = UserState.empty("u", "test-5", D)
    _, pmf = probabilities(make(f"linucb:epsilon={epsilon}"), state, ["a"] * (k + 1), context, "d")
    floor = epsilon / (k + 1)
    np.testing.assert_allclose(pmf, [*[(1 - epsilon) / k + floor] * k, floor], rtol=1e-15)
