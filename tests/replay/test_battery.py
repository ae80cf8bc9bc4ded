"""Laws of every estimator and every interval, over random ragged logs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import BadInput
from replay.estimators import ESTIMATORS, Candidates, Rounds, estimator_of
from replay.estimators.calibrated import calibrated
from replay.estimators.tuning import BIAS_SHARE
from replay.intervals import INTERVALS
from replay.intervals.auto import BOTH, auto, choice, model_of
from replay.intervals.bootstrap import COUNTS, resampled
from replay.intervals.cressie_read import cressie_read
from replay.intervals.difference import difference
from replay.studies.cells import CELLS
from replay.verdict import Circumstances, judge, says_nothing

SPAN = (-1.0, 1.0)
BOUNDED = ("snips", "cressie-read", "dm")  # within the reward range whatever the log
CLIPPED = ("cressie-read", "auto")  # intervals within the reward range
SEEDS = st.integers(0, 2**32 - 1)


def ragged(
    seed: int, n: int = 120, users: int = 25, *, heavy: float = 1.0, pmfs: bool = True
) -> Rounds:
    """n decisions over 1 to 9 candidates, a softmax logger of temperature `heavy`."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 10, n)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    taste = rng.normal(size=offsets[-1])
    row = np.repeat(np.arange(n), sizes)

    def pmf(scores: np.ndarray) -> np.ndarray:
        mass = np.exp(scores)
        return mass / np.add.reduceat(mass, offsets[:-1])[row]

    pi_b, pi_e = pmf(heavy * taste), pmf(rng.normal(size=offsets[-1]) - taste)
    means = np.tanh(taste)
    cum = np.cumsum(pi_b)
    start = np.concatenate([[0.0], cum])[offsets[:-1]]
    at = start + rng.random(n) * (cum[offsets[1:] - 1] - start)
    chosen = np.clip(np.searchsorted(cum, at, "right"), offsets[:-1], offsets[1:] - 1)
    good = rng.random(n) < (1 + means[chosen]) / 2
    reward = np.where(good, 1.0, -1.0) * (rng.random(n) < 0.8)
    q = np.clip(means + rng.normal(scale=0.3, size=len(means)), -1, 1)
    return Rounds(
        reward,
        pi_b[chosen],
        pi_e[chosen],
        q[chosen],
        np.add.reduceat(pi_e * q, offsets[:-1]),
        rng.integers(users, size=n),
        SPAN,
        float((pi_e / pi_b).max()) if pmfs else None,
        Candidates(pi_e, pi_b) if pmfs else None,
    )


def part(rounds: Rounds, rows: np.ndarray, candidates: Candidates | None = None) -> Rounds:
    """Some rounds, in an order of one's own; the candidates stay those of all."""
    arrays = (getattr(rounds, k)[rows] for k in ("reward", "pscore", "pi_e", "q_hat", "q_pi"))
    about = rounds.reward_range, rounds.weight_bound, candidates or rounds.candidates
    return Rounds(*arrays, rounds.user[rows], *about)


def bounds(name: str, interval: str, rounds: Rounds, level: float = 0.95) -> tuple[float, float]:
    return INTERVALS[interval](rounds, ESTIMATORS[name](rounds), level, 0)


@pytest.mark.parametrize("pmfs", [True, False])
@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 200), heavy=st.floats(-4, 4))
def test_an_estimate_is_finite(name: str, pmfs: bool, seed: int, n: int, heavy: float) -> None:
    """And within the reward range where theory says so."""
    found = ESTIMATORS[name](ragged(seed, n, heavy=heavy, pmfs=pmfs))
    assert math.isfinite(found.value)
    assert np.isfinite(found.influence).all()
    if name in BOUNDED:
        assert -1 - 1e-12 <= found.value <= 1 + 1e-12


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, heavy=st.floats(-4, 4), pmfs=st.booleans())
def test_an_interval_is_finite_and_grows_with_its_level(
    name: str, interval: str, seed: int, heavy: float, pmfs: bool
) -> None:
    rounds = ragged(seed, heavy=heavy, pmfs=pmfs)
    spans = [bounds(name, interval, rounds, level) for level in (0.5, 0.8, 0.95, 0.99)]
    assert np.isfinite(spans).all()
    for (low, high), (lower, higher) in itertools.pairwise(spans):
        assert lower - 1e-9 <= low <= high <= higher + 1e-9
    if interval in CLIPPED:
        assert spans[-1][0] >= -1
        assert spans[-1][1] <= 1


@pytest.mark.parametrize("seed", [18625709, 3, 12])
def test_auto_is_nested_also_where_its_parts_do_not_meet(seed: int) -> None:
    """Of a log whose parts meet at .95 and part below it: no level jumps to the wide part."""
    rounds = ragged(seed, heavy=0.0)
    assert choice(rounds) == BOTH
    found = calibrated(rounds)
    robust, value = cressie_read(rounds, found, 0.3), model_of(rounds).value  # of the level 0
    assert not robust[0] <= value <= robust[1]
    levels = (0.01, 0.2, 0.5, 0.7, 0.8, 0.9, 0.949, 0.95, 0.951, 0.99, 0.999)
    spans = [auto(rounds, found, level) for level in levels]
    for (low, high), (lower, higher) in itertools.pairwise(spans):
        assert lower <= low < high <= higher


@pytest.mark.parametrize("name", ["b-beta=0,floor=0.1-500", "c-people=30,sd=0-1800"])
def test_auto_at_95_is_the_intersection_of_its_parts(name: str) -> None:
    """On worlds of the kept study: what happens below .95 moves none of its figures."""
    for seed in range(10):
        rounds = CELLS[name].draw(seed).rounds()
        if choice(rounds) != BOTH:
            continue
        found = calibrated(rounds)
        parts = cressie_read(rounds, found, 1 - 0.7 * 0.05), model_of(rounds).at(0.95)
        low, high = (max(p[0] for p in parts), min(p[1] for p in parts))
        assert low < high
        assert auto(rounds, found, 0.95) == (low, high)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr", "auto"])
def test_more_data_is_a_narrower_interval_on_average(name: str, interval: str) -> None:
    widths = []
    for n in (200, 800, 3200):
        spans = [bounds(name, interval, ragged(s, n, users=n // 8)) for s in range(8)]
        widths.append(float(np.mean([high - low for low, high in spans])))
    assert widths[0] > 1.3 * widths[1] > 1.3 * 1.3 * widths[2]


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_order_does_not_matter(name: str, seed: int) -> None:
    """Rounds or candidates permuted: the same value to 1e-12, interval and all."""
    rounds, rng = ragged(seed), np.random.default_rng(seed)
    turn = rng.permutation(len(rounds.candidates.pi_e))
    candidates = Candidates(rounds.candidates.pi_e[turn], rounds.candidates.pi_b[turn])
    turned = part(rounds, rng.permutation(len(rounds)), candidates)
    values = [ESTIMATORS[name](r).value for r in (rounds, turned)]
    assert values[0] == pytest.approx(values[1], abs=1e-12)
    for interval in ("cluster-t", "cressie-read", "auto"):
        ours, theirs = (bounds(name, interval, r) for r in (rounds, turned))
        assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("name", ["ips", "snips", "dm", "dr", "sndr"])
def test_shards_add_up(name: str) -> None:
    """The column sums of two parts are those of the whole, and combine to its value."""
    rounds = ragged(11, 300)
    halves = [part(rounds, np.arange(0, 100)), part(rounds, np.arange(100, 300))]
    sums = sum(ESTIMATORS[name](h).columns.sum(axis=0) for h in halves)
    found = ESTIMATORS[name](rounds)
    assert found.combine(sums / 300) == pytest.approx(found.value, abs=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_logger_itself_has_the_mean_reward(name: str, seed: int) -> None:
    """pi_e = pi_b: every weight is 1, and nothing divides by what is 0."""
    log = ragged(seed)
    same = Candidates(log.candidates.pi_b, log.candidates.pi_b)
    q = log.q_hat
    rounds = Rounds(log.reward, log.pscore, log.pscore, q, q, log.user, SPAN, 1.0, same)
    assert (rounds.weight == 1.0).all()
    mean = float((q if name == "dm" else rounds.reward).mean())
    assert ESTIMATORS[name](rounds).value == pytest.approx(mean, abs=1e-9)
    for interval in INTERVALS:
        low, high = bounds(name, interval, rounds)
        assert low <= high


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, heavy=st.floats(-8, 8), n=st.integers(20, 300), pmfs=st.booleans())
def test_an_interval_of_the_whole_range_is_said_to_be_one(
    seed: int, heavy: float, n: int, pmfs: bool
) -> None:
    rounds = ragged(seed, n, heavy=heavy, pmfs=pmfs)
    low, high = bounds("auto", "auto", rounds)
    assert (says_nothing(low, high, rounds) is not None) == (high - low >= 0.9 * 2)


def test_rare_heavy_weights_that_never_came_are_seen() -> None:
    """The observed weights are all alike: only the pmfs tell what is missing."""
    n = 400
    pi_b, pi_e = np.tile([0.9999, 0.0001], n), np.tile([0.5, 0.5], n)
    reward = np.random.default_rng(0).choice([-1.0, 1.0], n)
    about = None, None, None, SPAN, 5000.0, Candidates(pi_e, pi_b)
    rounds = Rounds(reward, np.full(n, 0.9999), np.full(n, 0.5), *about)
    assert rounds.ess == pytest.approx(n)
    verdict, reasons = judge("ips", rounds, Circumstances(1.0, False, False, 0.0), "cluster-t")
    assert verdict == "unreliable"
    assert any("heavy tail: the pmfs imply ess 0.2" in r for r in reasons)


def test_a_paired_difference_of_equals_is_nothing_and_turned_round_is_mirrored() -> None:
    ours = ragged(5, 400)
    assert difference(ours, ours, 0.95) == (0.0, 0.0)
    same = Candidates(ours.candidates.pi_b, ours.candidates.pi_b)
    about = None, None, ours.user, SPAN, 1.0, same
    logged = Rounds(ours.reward, ours.pscore, ours.pscore, *about)
    low, high = difference(ours, logged, 0.95)
    assert difference(logged, ours, 0.95) == pytest.approx((-high, -low), abs=1e-12)
    assert low < ESTIMATORS["snips"](ours).value - ours.reward.mean() < high


def test_resamples_do_not_depend_on_threads_and_are_poisson() -> None:
    rounds = ragged(3, 3000, users=1200)
    found = ESTIMATORS["snips"](rounds)
    one, two = (resampled(rounds, found, 7, threads) for threads in (1, 2))
    assert (one == two).all()
    assert (resampled(rounds, found, 8) != one).any()
    assert len(COUNTS) == 2**16
    assert COUNTS.mean() == pytest.approx(1, abs=1e-4)
    assert COUNTS.var() == pytest.approx(1, abs=1e-3)


def test_a_resample_renormalises() -> None:
    """A ratio of one and the same reward does not move; a frozen denominator would."""
    rounds = ragged(9, 60, users=60, heavy=-3.0)
    ones = Rounds(np.ones(60), rounds.pscore, rounds.pi_e)
    assert resampled(ones, ESTIMATORS["snips"](ones)) == pytest.approx(1.0, abs=1e-12)
    assert resampled(ones, ESTIMATORS["ips"](ones)).std() > 0.1


@pytest.mark.parametrize("name", ["clipped-ips", "switch-dr", "dros"])
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, heavy=st.floats(-5, 1))
def test_the_bias_of_shrinkage_is_bounded_by_the_noise(name: str, seed: int, heavy: float) -> None:
    rounds = ragged(seed, 400, heavy=heavy)
    whole = ESTIMATORS["ips" if name == "clipped-ips" else "dr"](rounds)
    error = float(np.sqrt((rounds.by_user(whole.influence) ** 2).sum())) / len(rounds)
    (parameter,) = ESTIMATORS[name](rounds).chosen.values()
    assert parameter > 0
    if math.isinf(parameter):
        return
    weight = rounds.candidates.weight
    lost = {
        "clipped-ips": np.maximum(1 - parameter / np.maximum(weight, 1e-300), 0),
        "switch-dr": (weight > parameter) * 1.0,
        "dros": weight**2 / (weight**2 + parameter),
    }[name]
    assert float(rounds.candidates.pi_e @ lost) / len(rounds) <= BIAS_SHARE * error


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("magic", "must be of auto, ips"),
        ("ips:tau=1", "takes no parameter"),
        ("dros:tau=1", "takes only lambda"),
        ("switch-dr:tau=0", "tau must be a positive number"),
        ("switch-dr:tau=much", "tau must be a positive number"),
        ("switch-dr:tau=nan", "tau must be a positive number"),
    ],
)
def test_a_bad_estimator_is_named(spec: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        estimator_of(spec)
    assert said in str(caught.value)
