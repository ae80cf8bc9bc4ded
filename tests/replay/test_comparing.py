"""Laws of comparing many policies: specs that expand, and intervals that hold together."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student

from journal import Log
from policies import BadInput
from replay.estimators import ESTIMATORS
from replay.evaluation import evaluate
from replay.grid import MOST, expanded
from replay.intervals.cluster import cluster_t, t_value
from replay.intervals.simultaneous import best_levels, joint_level
from replay.reports.plots import MOST as MOST_SHOWN
from replay.reports.plots import plot_estimates, shown
from replay.result import Evaluation
from replay.studies.best_of_many import World, shares

GRID = "linucb:alpha={0.1,1},epsilon={0.05,0.2}"
LEVEL = 0.95


def test_braces_are_a_product_in_order() -> None:
    assert expanded([GRID, "random", len]) == [
        "linucb:alpha=0.1,epsilon=0.05",
        "linucb:alpha=0.1,epsilon=0.2",
        "linucb:alpha=1,epsilon=0.05",
        "linucb:alpha=1,epsilon=0.2",
        "random",
        len,
    ]
    assert expanded(["linucb:arm={own, shared}"]) == ["linucb:arm=own", "linucb:arm=shared"]
    assert expanded(["linucb:alpha={1,1}"]) == ["linucb:alpha=1"]


@pytest.mark.parametrize(
    "spec", ["linucb:alpha={1,2", "linucb:alpha=1}", "linucb:alpha={{1,2},3}", "a={}", "a={1,}"]
)
def test_braces_that_mean_nothing_are_refused(spec: str) -> None:
    with pytest.raises(BadInput, match="braces hold alternatives"):
        expanded([spec])


def test_too_many_are_refused_before_any_is_made(refused: Callable[..., str], file: Path) -> None:
    """Counted over all that is asked for, however it is written."""
    many = "{" + ",".join(str(i) for i in range(20)) + "}"
    said = refused("evaluate", file, "--policy", f"linucb:alpha={many},seed={many}")
    assert f"--policy: at most {MOST} policies in one evaluation, found 400" in said
    with pytest.raises(BadInput, match="found 201"):
        expanded(["random"] * 201)
    assert len(expanded([f"random:seed={i}" for i in range(MOST)])) == MOST
    assert expanded(["random", "random", "linucb:seed={1,1}"]) == ["random", "linucb:seed=1"]


@pytest.fixture(scope="module")
def found(log: Log) -> Evaluation:
    return evaluate(log, [GRID, "random"], learn="logged", against="logged")


def test_a_spec_with_braces_is_each_of_its_policies(log: Log, found: Evaluation) -> None:
    one = evaluate(log, "linucb:alpha=1,epsilon=0.2", learn="logged", against="logged").to_dict()
    assert found.to_dict()["policies"][3] == one["policies"][0]
    assert found.to_dict()["differences"][15:20] == one["differences"]
    assert one["comparison"] is None


def test_the_object_of_a_comparison(found: Evaluation) -> None:
    """As docs/estimators.md has it; every policy that was tried is there, in order."""
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))["comparison"]
    assert told["tried"] == 5
    assert told["estimator"] == "auto"
    assert told["level"] == LEVEL
    assert [j["policy"] for j in told["intervals"]] == [p.policy for p in found.results]
    assert [j["policy"] for j in told["differences"]] == [p.policy for p in found.results]
    assert {j["against"] for j in told["differences"]} == {"logged"}
    assert len(told["best_over"]) == 4
    assert all(j["policy"] == told["best"] for j in told["best_over"])
    clear = all(j["low"] > 0 for j in told["best_over"])
    assert told["best_is_clear"] == clear


def test_the_best_is_the_highest_that_is_believed(found: Evaluation) -> None:
    rows = {p.policy: p.judged.rows[0] for p in found.results}
    believed = {name: row.value for name, row in rows.items() if row.verdict != "unreliable"}
    assert found.comparison.best == max(believed, key=believed.get)


def test_intervals_that_hold_together_contain_those_alone(found: Evaluation) -> None:
    """And their level is between that of one and Bonferroni's."""
    assert LEVEL < found.comparison.each_level <= 1 - (1 - LEVEL) / 5
    for p, joint in zip(found.results, found.comparison.intervals, strict=True):
        row = p.judged.rows[0]
        assert joint.low < row.low < row.high < joint.high
    alone = [d for d in found.differences if d.estimator == "auto"]
    for d, joint in zip(alone, found.comparison.differences, strict=True):
        assert joint.low <= d.low <= d.high <= joint.high


def test_refused_policies_are_tried_but_never_the_best(lives: Callable) -> None:
    log = lives("linucb:epsilon=0", users=25).log()
    nothing = evaluate(log, ["random", "linucb:alpha=2"]).comparison
    assert (nothing.tried, nothing.best, nothing.best_is_clear) == (2, None, False)
    assert all(j.value is None for j in nothing.intervals)


def test_many_are_told_in_the_table_and_the_summary(
    run: Callable, file: Path, tmp_path: Path
) -> None:
    done = run("evaluate", file, "--policy", GRID, "--out", tmp_path / "out")
    for text in (done.out, (tmp_path / "out" / "summary.md").read_text()):
        assert "4 policies were tried" in text
        assert "for all 4 together" in text
        assert "is clearly" in text or "is not clearly" in text


def test_a_plot_shows_no_more_than_can_be_read(log: Log) -> None:
    """The highest estimates, in the order of the policies."""
    alphas = ",".join(f"{0.1 * i:.1f}" for i in range(MOST_SHOWN + 6))
    many = evaluate(log, f"linucb:alpha={{{alphas}}}", learn="logged", estimators=("ips",))
    kept = shown(many)
    values = {p.policy: p.judged.rows[0].value for p in many.results}
    names = [p.policy for p in kept]
    assert names == [name for name in values if name in names]
    assert len(kept) == MOST_SHOWN
    assert min(values[name] for name in names) >= sorted(values.values())[-MOST_SHOWN]
    assert plot_estimates(many).startswith(b"\x89PNG")


def influences(seed: int, g: int = 60, m: int = 8, alike: float = 0.5) -> np.ndarray:
    """Sums by user of m estimates that share a part."""
    rng = np.random.default_rng(seed)
    shared = math.sqrt(alike) * rng.standard_normal((g, 1))
    return shared + math.sqrt(1 - alike) * rng.standard_normal((g, m))


def test_the_level_of_one_is_the_level() -> None:
    """Of m that are the same too; of m that are unlike it is near Sidak's."""
    one = influences(1, m=1)
    assert joint_level(one, LEVEL, 59) == pytest.approx(LEVEL, abs=0.01)
    assert joint_level(np.tile(one, 5), LEVEL, 59) == pytest.approx(LEVEL, abs=0.01)
    assert joint_level(np.tile(one, 5), LEVEL, 59) >= LEVEL
    apart = joint_level(influences(1, g=2000, alike=0.0), LEVEL, 1999)
    assert apart == pytest.approx(LEVEL ** (1 / 8), abs=0.003)
    assert joint_level(np.zeros((60, 3)), LEVEL, 59) == LEVEL
    assert joint_level(one, LEVEL, 59, -1) == pytest.approx(LEVEL, abs=0.01)  # any seed will do


def test_two_are_compared_as_two_are() -> None:
    """The best of two is clear where their difference is: no extra price."""
    levels = best_levels(influences(2, m=2), LEVEL, 59)
    assert levels == pytest.approx([LEVEL, LEVEL], abs=0.006)
    assert (best_levels(np.tile(influences(2, m=1), 3), LEVEL, 59) == LEVEL).all()


def test_the_largest_t_stays_below_its_limit() -> None:
    """1,000 draws of 8 correlated means of 60 users; level - 3 Monte-Carlo errors at least."""
    limit = t_value(joint_level(influences(3), LEVEL, 59), 59)
    held, alone = [], []
    for seed in range(1000):
        sums = influences(10_000 + seed)
        t = sums.mean(axis=0) / sums.std(axis=0, ddof=1) * math.sqrt(60)
        held.append(np.abs(t).max() <= limit)
        alone.append(np.abs(t).max() <= student.ppf(0.975, 59))
    error = math.sqrt(LEVEL * (1 - LEVEL) / 1000)
    assert np.mean(held) >= LEVEL - 3 * error
    assert np.mean(held) <= LEVEL + 3 * error
    assert np.mean(alone) < 0.8


def test_the_best_of_twenty_equal_policies() -> None:
    """Together they cover, the picked one included; alone they fail; and none is clearly best.

    Tolerance: three binomial errors of as many logs.
    """
    logs = 40
    found = shares(World(users=60, decisions=6, logs=logs))
    error = math.sqrt(LEVEL * (1 - LEVEL) / logs)
    assert found.joint >= LEVEL - 3 * error
    assert found.best >= LEVEL - 3 * error
    assert found.differences >= LEVEL - 3 * error
    assert found.differences_alone < LEVEL - 3 * error
    assert found.joint_alone < LEVEL - 5 * error
    assert found.best_alone < LEVEL - 3 * error
    assert found.wrong <= 1 - LEVEL + 3 * error


def test_a_policy_that_is_better_is_clearly_so() -> None:
    found = shares(World(policies=4, users=200, gain=0.4, logs=10))
    assert found.clear == 1.0
    assert found.wrong == 0.0


def test_replayed_learners_are_paired_by_user(log: Log) -> None:
    """What each accepted differs; their weighted rounds are the same rows, of the same users."""
    specs = ["linucb:alpha=0.1", "linucb:alpha=3"]
    found = evaluate(log, specs, learn="replay", against=specs[1], estimators=("ips", "snips"))
    first, second = (p.judged.rounds for p in found.results)
    assert (found.results[0].accepted != found.results[1].accepted).any()
    for d in found.differences:
        ours, theirs = (ESTIMATORS[d.estimator](r) for r in (first, second))
        by_user = first.by_user(ours.influence) - second.by_user(theirs.influence)
        g = len(by_user)
        error = math.sqrt(g / (g - 1) * float(by_user @ by_user)) / len(first)
        half = t_value(LEVEL, first.equal_users - 1) * error
        assert d.value == pytest.approx(ours.value - theirs.value, rel=1e-12)
        assert (d.low, d.high) == pytest.approx((d.value - half, d.value + half), rel=1e-9)
        apart = [cluster_t(r, e, LEVEL) for r, e in ((first, ours), (second, theirs))]
        assert d.high - d.low < sum(high - low for low, high in apart)
