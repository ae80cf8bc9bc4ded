"""The battery: what every registered policy must do, whoever wrote it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from policies import canonical, make
from policies.arrays import Floats, Ints
from policies.errors import BadInput
from policies.keys import arm_keys, decision_keys, is_keyed
from policies.loop import UserLoop, probabilities
from policies.policy import Batch, greedy_pmf
from policies.spec import POLICIES
from policies.state import UserState, from_json, to_json
from policies.sums import Sums

SPECS = [
    *POLICIES,
    "linucb:arm=shared,alpha=0.3,lambda=0.5,epsilon=0.2,seed=7",
    "lin-ts:arm=shared,sigma=2.0,draws=33,epsilon=0.2,seed=-1",
]
ARMS, USERS, WIDTH = 4, 6, 5


def batch_and_sums(n: int = 60) -> tuple[Batch, Sums]:
    """n ragged decisions of users with arms that have learned."""
    rng = np.random.default_rng(2)
    sums = Sums.zeros(1 + ARMS * USERS, WIDTH)
    folds = 500
    sums.fold(
        rng.integers(1, 1 + ARMS * USERS, folds),
        rng.uniform(-1, 1, (folds, WIDTH)),
        rng.uniform(-1, 1, folds),
    )
    lengths = rng.integers(1, 9, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    first = 1 + ARMS * rng.integers(USERS, size=n)
    arm = rng.integers(-1, ARMS, offsets[-1])
    slot = np.where(arm < 0, 0, np.repeat(first, lengths) + arm)
    context = rng.uniform(-1, 1, (offsets[-1], WIDTH))
    keys = decision_keys(f"d{i}" for i in range(n)), arm_keys(f"arm {a}" for a in arm)
    return Batch(offsets, context, slot, first, first + ARMS, *keys), sums


def part(batch: Batch, i: int) -> Batch:
    a, b = batch.offsets[i], batch.offsets[i + 1]
    assert batch.decision_key is not None
    assert batch.arm_key is not None
    return Batch(
        np.array([0, b - a]),
        batch.context[a:b],
        batch.slot[a:b],
        batch.first[i : i + 1],
        batch.last[i : i + 1],
        batch.decision_key[i : i + 1],
        batch.arm_key[a:b],
    )


def bits(array: Floats) -> Ints:
    return array.view(np.int64)


@pytest.mark.parametrize("spec", SPECS)
def test_the_canonical_spec_makes_it_again(spec: str) -> None:
    """What is logged is enough."""
    policy = make(spec)
    assert make(canonical(policy)) == policy
    assert canonical(make(canonical(policy))) == canonical(policy)


@pytest.mark.parametrize("spec", SPECS)
def test_pmfs_are_pmfs(spec: str) -> None:
    """Not negative, each decision's sum 1; positive everywhere if it explores."""
    batch, sums = batch_and_sums()
    policy = make(spec)
    pmf = policy.pmf(policy.score(batch, sums), batch.offsets)
    assert (pmf >= 0).all()
    np.testing.assert_allclose(np.add.reduceat(pmf, batch.offsets[:-1]), 1.0, rtol=0, atol=1e-12)
    assert (pmf > 0).all() == policy.explores


@pytest.mark.parametrize("spec", SPECS)
def test_one_by_one_gives_the_bits_of_the_batch(spec: str) -> None:
    """Law 1: no other path for one decision."""
    batch, sums = batch_and_sums()
    policy = make(spec)
    scores = policy.score(batch, sums)
    pmf = policy.pmf(scores, batch.offsets)
    for i in range(len(batch.offsets) - 1):
        one, inside = part(batch, i), slice(batch.offsets[i], batch.offsets[i + 1])
        alone = policy.score(one, sums)
        np.testing.assert_array_equal(bits(alone), bits(scores[inside]))
        np.testing.assert_array_equal(bits(policy.pmf(alone, one.offsets)), bits(pmf[inside]))


@pytest.mark.parametrize("spec", SPECS)
def test_permuting_candidates_permutes_the_pmf(spec: str) -> None:
    """Bit for bit: the place on a list is no feature."""
    batch, sums = batch_and_sums()
    policy = make(spec)
    rng = np.random.default_rng(4)
    for i in range(len(batch.offsets) - 1):
        one = part(batch, i)
        order = rng.permutation(len(one.slot))
        assert one.arm_key is not None
        other = replace(
            one, context=one.context[order], slot=one.slot[order], arm_key=one.arm_key[order]
        )
        before, after = (policy.pmf(policy.score(b, sums), b.offsets) for b in (one, other))
        np.testing.assert_array_equal(bits(before[order]), bits(after))


@pytest.mark.parametrize("spec", SPECS)
def test_the_floor_holds(spec: str) -> None:
    """Every candidate gets epsilon/K at least, to the rounding of one product."""
    batch, sums = batch_and_sums()
    policy = make(spec)
    pmf = policy.pmf(policy.score(batch, sums), batch.offsets)
    lengths = np.diff(batch.offsets)
    floor = np.repeat(getattr(policy, "epsilon", 1.0) / lengths, lengths)
    assert (pmf >= floor * (1 - 1e-15)).all()


def taught(seed: int = 3) -> UserLoop:
    """A person with three arms that have learned, one of them little."""
    rng = np.random.default_rng(seed)
    loop = UserLoop(UserState.empty("u", "tip-v1", WIDTH))
    for i in range(40):
        arm = ["work", "home", "errands"][min(2, i // 18)]
        loop.state.fold(arm, rng.uniform(-1, 1, WIDTH), float(rng.choice([-1, 0, 1])), f"f{i}", i)
    return loop


@pytest.mark.parametrize("spec", SPECS)
def test_sampled_frequencies_fit_the_pmf(spec: str) -> None:
    """How often each candidate was shown is the sum of its probabilities, within 4.5
    standard errors of a sum of independent draws (a false alarm: 3 in 100,000).
    """
    loop, policy, n = taught(), make(spec), 2_000
    arms = ["work", "home", "errands", "new", "work"]
    context = np.random.default_rng(8).uniform(-1, 1, (len(arms), WIDTH))
    shown, expected, variance = np.zeros((3, len(arms)))
    for i in range(n):
        decision, _ = loop.decide(policy, f"d{i}", i, list("abcde"), arms, context, None)
        shown[decision.action] += 1
        expected += decision.pmf
        variance += decision.pmf * (1 - decision.pmf)
    assert shown.sum() == n
    assert (np.abs(shown - expected) <= 4.5 * np.sqrt(variance)).all()


@pytest.mark.parametrize("spec", SPECS)
def test_a_state_that_was_written_and_read_decides_alike(spec: str) -> None:
    """The state is all that a policy knows."""
    loop, policy = taught(), make(spec)
    again = from_json(to_json(loop.state))
    context = np.random.default_rng(8).uniform(-1, 1, (4, WIDTH))
    arms = ["home", "new", "errands", "work"]
    for i in range(20):
        one, other = (
            probabilities(policy, state, arms, context, f"d{i}")[1] for state in (loop.state, again)
        )
        np.testing.assert_array_equal(bits(one), bits(other))


@pytest.mark.parametrize("spec", SPECS)
def test_who_draws_says_so_and_only_who_says_so_draws(spec: str) -> None:
    """A `keyed` policy depends on the decision's id and needs it, another does not know it."""
    batch, sums = batch_and_sums()
    policy = make(spec)
    keyless = replace(batch, decision_key=None, arm_key=None)
    if is_keyed(policy):
        with pytest.raises(BadInput, match="no keys"):
            policy.score(keyless, sums)
        n = len(batch.offsets) - 1
        other = replace(batch, decision_key=decision_keys(f"e{i}" for i in range(n)))
        assert (policy.score(other, sums) != policy.score(batch, sums)).any()
    else:
        np.testing.assert_array_equal(policy.score(keyless, sums), policy.score(batch, sums))


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_that_is_given_is_changed(spec: str) -> None:
    """Scores, contexts, sums."""
    batch, sums = batch_and_sums()
    arrays = [batch.context, batch.slot, sums.gram, sums.moment, sums.count, sums.total]
    kept = [a.copy() for a in arrays]
    policy = make(spec)
    scores = policy.score(batch, sums)
    before = scores.copy()
    policy.pmf(scores, batch.offsets)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, kept, strict=True))
    assert np.array_equal(scores, before)


@pytest.mark.parametrize("spec", SPECS)
def test_who_has_learned_nothing_gets_finite_scores(spec: str) -> None:
    """The first tip of a new person."""
    loop = UserLoop(UserState.empty("new", "tip-v1", WIDTH))
    context = np.ones((3, WIDTH))
    decision, scores = loop.decide(make(spec), "d", 0, list("abc"), ["*"] * 3, context, None)
    assert np.isfinite(scores).all()
    assert decision.pmf.tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("thompson", "thompson"),
        ("", "must look like"),
        ("linucb:beta=1", "beta=1"),
        ("linucb:alpha", "alpha"),
        ("linucb:alpha=1,alpha=2", "once"),
        ("linucb:alpha=-1", "alpha"),
        ("linucb:alpha=nan", "alpha"),
        ("linucb:alpha=inf", "alpha"),
        ("linucb:alpha=much", "must be a number"),
        ("linucb:epsilon=2", "epsilon"),
        ("linucb:lambda=0", "lambda"),
        ("linucb:arm=both", "own or shared"),
        ("linucb:seed=1.5", "whole number"),
        ("epsilon-greedy:epsilon=1.5", "epsilon-greedy: epsilon"),
        ("epsilon-greedy:alpha=1", "alpha=1"),
        ("lin-ts:draws=0", "draws: must be 1 to 100000"),
        ("lin-ts:draws=1e3", "whole number"),
        ("lin-ts:sigma=-1", "sigma"),
        ("lin-ts:lambda=0", "lambda"),
        ("beta-ts:draws=1000000", "draws"),
        ("beta-ts:epsilon=nan", "epsilon"),
        ("no_such_module:Class", "cannot be imported"),
        ("policies.linucb:Nothing", "cannot be imported"),
        ("policies.state:file_name", "dataclass"),
        ("policies.records:Feedback", "lacks"),
        ("a b", "must look like"),
    ],
)
def test_a_spec_that_is_none_is_refused_by_name(spec: str, said: str) -> None:
    """One line that says what was wrong."""
    with pytest.raises(BadInput, match=said) as error:
        make(spec)
    assert "\n" not in str(error.value)


@dataclass(frozen=True)
class Careless:
    """A policy whose pmf is none."""

    seed: int = 0
    explores: bool = True

    def score(self, batch: Batch, sums: Sums) -> Floats:
        return np.zeros(len(batch.slot))

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        return greedy_pmf(scores, offsets, 0.0) * 0.9


def test_a_pmf_that_is_none_is_refused_when_it_decides() -> None:
    """A bug in a policy of one's own must not reach a log."""
    loop = UserLoop(UserState.empty("u", "tip-v1", 1))
    policy: Any = Careless()
    with pytest.raises(BadInput, match="sum to 1"):
        loop.decide(policy, "d", 0, ["t"], ["*"], np.ones((1, 1)), None)
    assert not loop.open
