"""The battery: what every registered policy must do, whoever wrote it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from policies import canonical, make
from policies.arrays import Floats, Ints
from policies.errors import BadInput
from policies.loop import UserLoop
from policies.policy import Batch, greedy_pmf
from policies.spec import POLICIES
from policies.state import UserState
from policies.sums import Sums

SPECS = [*POLICIES, "linucb:arm=shared,alpha=0.3,lambda=0.5,epsilon=0.2,seed=7"]
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
    return Batch(offsets, context, slot, first, first + ARMS), sums


def part(batch: Batch, i: int) -> Batch:
    a, b = batch.offsets[i], batch.offsets[i + 1]
    return Batch(
        np.array([0, b - a]),
        batch.context[a:b],
        batch.slot[a:b],
        batch.first[i : i + 1],
        batch.last[i : i + 1],
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
