"""Laws of `anytime`: what is fixed in advance, and that the study runs its very code."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from policies import BadInput
from replay import evaluate
from replay.estimators import ESTIMATORS, Rounds
from replay.intervals import INTERVALS, anytime, cluster_t
from replay.intervals.anytime import PEAK_ROUNDS, clock_of, half_width, rho_squared
from replay.intervals.cluster import clustered_error
from replay.judged import _paired
from replay.rounds import NotComputable
from replay.studies import looks
from replay.studies.tables import looks_table

KEPT = Path(__file__).parent.parent.parent / "results" / "reference" / "study"


def some(days: np.ndarray | None, n: int = 600, users: int = 30) -> Rounds:
    rng = np.random.default_rng(4)
    pscore = rng.uniform(0.2, 0.9, n)
    who = np.arange(n) % users
    return Rounds(rng.choice([-1.0, 1.0], n), pscore, rng.uniform(0, 1, n), user=who, days=days)


def part(rounds: Rounds, last: float) -> Rounds:
    """The rounds up to a day."""
    kept = rounds.days <= last
    arrays = (a[kept] for a in (rounds.reward, rounds.pscore, rounds.pi_e))
    return Rounds(*arrays, user=rounds.user[kept], days=rounds.days[kept])


def test_the_first_look_is_on_day_7() -> None:
    early, due = (some(np.linspace(0, last, 600)) for last in (5.999, 6.0))
    with pytest.raises(NotComputable, match="first look is on day 7, these decisions end on day 6"):
        anytime(early, ESTIMATORS["ips"](early), 0.95)
    low, high = anytime(due, ESTIMATORS["ips"](due), 0.95)
    assert low < ESTIMATORS["ips"](due).value < high


def test_no_later_look_moves_the_tuning() -> None:
    """However the traffic goes after day 7."""
    rounds = some(np.sort(np.concatenate([np.linspace(0, 12, 200), np.linspace(12, 60, 400)])))
    peaks = {clock_of(part(rounds, last))[1] for last in (7.5, 10, 20, 59, 60)}
    assert len(peaks) == 1
    assert clock_of(rounds)[0] == 600
    assert clock_of(some(None)) == (600, PEAK_ROUNDS)


def test_a_first_week_without_a_decision_is_left_out() -> None:
    """Days are counted from some event; what came a week or more after it starts the clock."""
    days = np.linspace(0, 20.5, 600)
    early, late = some(days), some(days + 11)
    assert clock_of(late) == clock_of(early)
    spans = [anytime(r, ESTIMATORS["snips"](r), 0.95) for r in (early, late)]
    assert spans[0] == spans[1]
    with pytest.raises(NotComputable, match="end on day 3"):
        clock_of(some(np.full(600, 40.0) + days / 10))
    assert clock_of(some(days + 3))[1] == (days + 3 < 7).sum() * 20 / 7  # as it always was


def test_the_width_is_that_of_the_paper() -> None:
    """Waudby-Smith et al., 2021, Theorem 2.2, in their letters, with t for normal quantiles."""
    rounds = some(np.linspace(0, 30, 600))
    found = ESTIMATORS["ips"](rounds)
    t, alpha = 600, 0.1
    rho2 = rho_squared(clock_of(rounds)[1])
    sigma = clustered_error(rounds, found.influence) * math.sqrt(t)
    inside = 2 * (t * rho2 + 1) / (t**2 * rho2) * math.log(math.sqrt(t * rho2 + 1) / alpha)
    few = stats.t.ppf(0.95, 29) / stats.norm.ppf(0.95)
    low, high = anytime(rounds, found, 0.9)
    assert (high - low) / 2 == pytest.approx(sigma * math.sqrt(inside) * few, rel=1e-12)


def test_it_is_narrowest_where_it_was_tuned() -> None:
    clock, one = np.array([4000.0]), np.ones(1)
    tuned = half_width(one, clock, 4000.0, 0.95, 100.0)
    for other in (400.0, 3000.0, 5000.0, 40_000.0):
        assert half_width(one, clock, other, 0.95, 100.0) > tuned


@pytest.mark.parametrize("last", [7.0, 20.0, 60.0])
def test_levels_are_nested_and_looking_daily_has_its_price(last: float) -> None:
    rounds = some(np.linspace(0, last, 600))
    found = ESTIMATORS["snips"](rounds)
    spans = [anytime(rounds, found, level) for level in (0.5, 0.8, 0.95, 0.99)]
    lows, highs = zip(*spans, strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)
    plain = cluster_t(rounds, found, 0.95)
    assert spans[2][0] < plain[0] < plain[1] < spans[2][1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"days": [0.0, -1.0]}, "days: must not be negative, found -1.0"),
        ({"days": [0.0, np.inf]}, "days: must be finite"),
        ({"days": [0.0]}, "days: shape must be (2,)"),
        ({"spread": [1.0, -2.0]}, "spread: must not be negative, found -2.0"),
        ({"spread": [1.0, np.nan]}, "spread: must be finite"),
    ],
)
def test_bad_times_and_spreads_are_named(change: dict, said: str) -> None:
    arrays = {k: np.array(v) for k, v in change.items()}
    with pytest.raises(BadInput) as caught:
        Rounds(np.array([1.0, 0.0]), np.full(2, 0.5), np.full(2, 0.5), **arrays)
    assert said in str(caught.value)


def test_the_study_looks_with_this_interval() -> None:
    """One decision a day: its sums are the rows, and each look is that of `compare`."""
    design = looks.Design(people=25, days=12, a_day=1)
    drawn = looks.draw(np.random.default_rng(5), design, 0.1, 0.05)
    value, error = looks.looked(drawn, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ours, theirs = drawn.weighted / drawn.weight, drawn.base_weighted / drawn.base_weight
    reward = np.nan_to_num(np.where(drawn.weight > 0, ours, theirs))
    for day in (7, 9, 12):
        arrays = (a[:, :day].ravel() for a in (reward, drawn.weight, drawn.base_weight))
        r, w, v = arrays
        who, at = np.repeat(np.arange(25), day), np.tile(np.arange(float(day)), 25)
        one = Rounds(r, np.ones(len(r)), w, user=who, days=at)
        two = replace(one, pi_e=v)
        paired = _paired(ESTIMATORS["snips"](one), ESTIMATORS["snips"](two))
        assert paired.value == pytest.approx(value[day - 1], rel=1e-9)
        clock = np.array([25.0 * day])
        half = half_width(error[[day - 1]], clock, 25.0 * 20, 0.95, 25)[0]
        low, high = INTERVALS["anytime"](one, paired, 0.95, 0)
        assert (low, high) == pytest.approx((value[day - 1] - half, value[day - 1] + half))


def test_a_gate_with_anytime_passes_less_by_chance_and_sees_a_gain() -> None:
    """Wider at every look, so it passes only where the naive one does."""
    found = looks.study(looks.Design(seeds=40, worlds=((0.0, 0.15), (0.10, 0.05))))
    sober, naive, seen, _ = found["worlds"]
    assert sober["passed"] < naive["passed"]
    assert sober["left_zero"] < naive["left_zero"]
    assert seen["passed"] == 40
    assert looks_table(found).count("\n| ") == 2 + 2


def test_what_a_person_gains_is_what_was_asked_for() -> None:
    """ips of both policies, within 4 standard errors over people."""
    drawn = looks.draw(np.random.default_rng(1), looks.Design(people=2000, days=10), 0.1, 0.05)
    gain = (drawn.weighted - drawn.base_weighted).mean(axis=1) / 2
    assert abs(gain.mean() - 0.1) < 4 * gain.std() / math.sqrt(2000)


def test_the_kept_study_meets_its_goals() -> None:
    """False passes at most 5%, power .95 for a gain of .10 and .70 for .05."""
    kept = json.loads((KEPT / "looks.json").read_text())
    assert kept["design"] == json.loads(json.dumps(asdict(looks.Design())))
    rows = [row for row in kept["worlds"] if row["interval"] == "anytime"]
    assert len(rows) == 7
    for row in rows:
        if row["gain"] == 0:
            assert row["left_zero"] <= 0.05 * row["runs"]
        else:
            assert row["passed"] >= {0.10: 0.95, 0.05: 0.70}[row["gain"]] * row["runs"]


def test_an_evaluation_has_days(lives: Callable) -> None:
    """Null with its reason before day 7, an interval after; differences too."""
    short = evaluate(lives(users=20, decisions=9).log(), "linucb", interval="anytime")
    row = next(r for r in short.results[0].judged.rows if r.estimator == "snips")
    assert row.low is None
    assert "the first look is on day 7" in " ".join(row.reasons)
    log = lives(users=20, decisions=30).log()
    found = evaluate(log, "linucb", against="logged", interval="anytime", estimators=("snips",))
    row, plain = (
        evaluate(log, "linucb", interval=name, estimators=("snips",)).results[0].judged.rows[0]
        for name in ("anytime", "cluster-t")
    )
    assert row.interval == "anytime"
    assert row.low < plain.low < plain.high < row.high
    assert found.differences[0].low < found.differences[0].value < found.differences[0].high
