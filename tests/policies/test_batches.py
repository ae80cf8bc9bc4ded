"""Any batch at all: a decision's bits depend on nothing but itself and its user's sums."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import BadInput, canonical, make
from policies.arrays import Floats, Ints
from policies.keys import arm_keys
from policies.linucb import LinUCB
from policies.loop import check_pmf
from policies.parameters import LEAST_LAMBDA
from policies.policy import Batch, Policy, greedy_pmf
from policies.spec import POLICIES
from policies.sums import Sums

SAME = settings(deadline=None, derandomize=True, database=None, max_examples=60)
SPECS = [*POLICIES, "linucb:arm=shared,alpha=0.3", "linucb:epsilon=0", "linucb:lambda=1e-6"]
SPECS += ["lin-ts:draws=7,arm=shared,sigma=2", "lin-ts:draws=3,epsilon=0"]


@dataclass
class World:
    """A ragged batch and the sums of several users."""

    batch: Batch
    sums: Sums


@st.composite
def worlds(draw: st.DrawFn) -> World:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = np.array(draw(st.lists(st.integers(1, 9), min_size=1, max_size=12)))
    width, users, arms = draw(st.tuples(*[st.integers(1, 6)] * 3))
    sums = Sums.zeros(1 + users * arms, width)
    folds = draw(st.integers(0, 80))
    sums.fold(
        rng.integers(1, 1 + users * arms, folds),
        rng.uniform(-1, 1, (folds, width)),
        rng.choice([-1.0, 0.0, 1.0, 0.3], folds),
    )
    n, total = len(lengths), int(lengths.sum())
    first = 1 + arms * rng.integers(0, users, n)
    arm = rng.integers(-1, arms, total)
    slot = np.where(arm < 0, 0, np.repeat(first, lengths) + arm)
    context = rng.choice([-1.0, 0.0, 0.5, 1.0], (total, width))  # a grid, so that some tie
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    keys = rng.integers(0, 2**64, n, np.uint64), arm_keys(map(str, arm))
    return World(Batch(offsets, context, slot, first, first + arms, *keys), sums)


def answers(policy: Policy, batch: Batch, sums: Sums) -> tuple[Floats, Floats]:
    scores = policy.score(batch, sums)
    return scores, policy.pmf(scores, batch.offsets)


def reordered(batch: Batch, order: Ints) -> tuple[Batch, Ints]:
    """The chosen decisions in this order, and where their candidates stood before."""
    start, length = batch.offsets[order], np.diff(batch.offsets)[order]
    pieces = [np.arange(a, a + k) for a, k in zip(start, length, strict=True)]
    at = np.concatenate(pieces)
    offsets = np.concatenate([[0], np.cumsum(length)])
    assert batch.decision_key is not None
    assert batch.arm_key is not None
    keys = batch.decision_key[order], batch.arm_key[at]
    first, last = batch.first[order], batch.last[order]
    return Batch(offsets, batch.context[at], batch.slot[at], first, last, *keys), at


def same_bits(a: Floats, b: Floats) -> None:
    np.testing.assert_array_equal(a.view(np.int64), b.view(np.int64))


@pytest.mark.parametrize("spec", SPECS)
@SAME
@given(worlds())
def test_scores_are_finite_and_pmfs_are_pmfs(spec: str, world: World) -> None:
    """Sum 1 in every decision, never negative; positive everywhere when the policy explores."""
    policy = make(spec)
    scores, pmf = answers(policy, world.batch, world.sums)
    assert np.isfinite(scores).all()
    assert (pmf >= 0).all()
    sums = np.add.reduceat(pmf, world.batch.offsets[:-1])
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-14)
    assert not policy.explores or (pmf > 0).all()


@pytest.mark.parametrize("spec", SPECS)
@SAME
@given(worlds())
def test_permuting_decisions_permutes_results(spec: str, world: World) -> None:
    """Bit for bit: what stands before a decision in a batch leaves no trace."""
    policy = make(spec)
    n = len(world.batch.offsets) - 1
    order = np.random.default_rng(n).permutation(n)
    batch, at = reordered(world.batch, order)
    for before, after in zip(
        answers(policy, world.batch, world.sums), answers(policy, batch, world.sums), strict=True
    ):
        same_bits(before[at], after)


@pytest.mark.parametrize("spec", SPECS)
@SAME
@given(worlds())
def test_any_part_of_a_batch_gives_the_bits_of_the_whole(spec: str, world: World) -> None:
    """One by one, int64 views."""
    policy = make(spec)
    whole = answers(policy, world.batch, world.sums)
    for i in range(len(world.batch.offsets) - 1):
        batch, at = reordered(world.batch, np.array([i]))
        for all_of_them, alone in zip(whole, answers(policy, batch, world.sums), strict=True):
            same_bits(all_of_them[at], alone)


@pytest.mark.parametrize("spec", SPECS)
@SAME
@given(worlds())
def test_read_only_inputs_suffice(spec: str, world: World) -> None:
    """Arrays mapped from a file cannot be written: same bits, nothing changed."""
    policy = make(spec)
    plain = answers(policy, world.batch, world.sums)
    batch = replace(world.batch, context=world.batch.context.copy())
    for array in (batch.context, batch.slot, batch.offsets, world.sums.gram, world.sums.moment):
        array.flags.writeable = False
    for one, other in zip(plain, answers(policy, batch, world.sums), strict=True):
        same_bits(one, other)


@SAME
@given(
    st.builds(
        LinUCB,
        st.floats(0, 1e300),
        st.just(0.0) | st.floats(1e-9, 1),
        st.floats(LEAST_LAMBDA, 1e300),
        st.sampled_from(["own", "shared"]),
        st.integers(-(2**70), 2**70),
    )
)
def test_any_parameters_survive_their_canonical_spec(policy: LinUCB) -> None:
    """Every bit of every number, any seed."""
    assert make(canonical(policy)) == policy
    assert canonical(make(canonical(policy))) == canonical(policy)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_score_that_is_nan_never_becomes_a_pmf(at: int) -> None:
    """Wherever it stands, and in its own decision alone."""
    scores = np.array([0.1, 0.3, 0.2, 0.5])
    scores[at] = np.nan
    pmf = greedy_pmf(scores, np.array([0, 3, 4]), 0.05)
    with pytest.raises(BadInput, match="sum to 1"):
        check_pmf(pmf[:3], np.array([0, 3]), make("random"))
    check_pmf(pmf[3:], np.array([0, 1]), make("random"))


def test_equal_policies_have_one_canonical_spec() -> None:
    """The spec is what is logged and compared: it must not depend on how a number was typed."""
    assert LinUCB(alpha=1) == LinUCB(alpha=1.0)
    assert canonical(LinUCB(alpha=1)) == canonical(LinUCB(alpha=1.0))


def test_the_least_epsilon_still_explores() -> None:
    """`explores` promises a positive probability for every candidate."""
    with pytest.raises(BadInput, match="epsilon"):
        make("linucb:epsilon=5e-324")
    policy = make("linucb:epsilon=1e-9")
    assert policy.explores
    assert (policy.pmf(np.array([1.0, 0.0]), np.array([0, 2])) > 0).all()
