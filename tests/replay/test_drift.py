"""Drift: halves of one log are left in peace, every planted change is named."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, ks_2samp

from journal import Log, log_of_frame, write_log
from journal.frame import frame_of_log
from policies import BadInput, make
from replay import drift
from replay.shift.distances import FLOOR, cells_of, holm, ks, psi
from replay.shift.drift import CHANCE, Drift
from replay.shift.measures import MOST_CELLS, Measure, Side
from sim.logs import generate

USERS = 40


def halves(log: Log, seed: int) -> tuple[Log, Log]:
    """A random half of the users, and the other."""
    first = (np.random.default_rng(seed).permutation(len(log.user_names)) % 2 == 0)[log.user]
    return log.take(first), log.take(~first)


def measure(old: Any, new: Any) -> Measure:
    sides = [Side(np.asarray(v, np.float64), np.arange(len(v))) for v in (old, new)]
    return Measure("it", "decisions", sides[0], sides[1])


def shift(found: Drift, name: str) -> Any:
    return next(s for s in found.shifts if s.name == name)


def moved(log: Log, feature: int, by: float) -> Log:
    """The log of a system whose feature is off by `by`."""
    frame = frame_of_log(log).drop(columns="digest")
    step = np.eye(log.context.shape[1])[feature] * by
    frame["context"] = [(np.array(list(rows)) + step).tolist() for rows in frame["context"]]
    frame["features"] = log.features
    return log_of_frame(frame)


@pytest.fixture(scope="module")
def foreign(log: Log) -> Log:
    """The conftest's log under a feature set that has no ranges."""
    return log_of_frame(frame_of_log(log).drop(columns="digest").assign(features="theirs"))


def test_psi_is_its_formula() -> None:
    """By hand; symmetric; zero for equal shares; finite for an empty cell."""
    old, new = np.array([0.5, 0.5]), np.array([0.2, 0.8])
    by_hand = -0.3 * math.log(0.4) + 0.3 * math.log(1.6)
    assert psi(old, new) == pytest.approx(by_hand, rel=1e-12)
    assert psi(new, old) == pytest.approx(by_hand, rel=1e-12)
    assert psi(old, old) == 0
    gone = psi(np.array([0.0, 1.0]), np.array([0.1, 0.9]))
    assert gone == pytest.approx((0.1 - FLOOR) * math.log(0.1 / FLOOR) - 0.1 * math.log(0.9))


@pytest.mark.parametrize("round_to", [1, 8])
def test_ks_is_that_of_scipy(round_to: int) -> None:
    """With ties and without."""
    rng = np.random.default_rng(3)
    old, new = rng.normal(size=300).round(round_to), rng.normal(0.2, 1, 170).round(round_to)
    assert ks(old, new) == pytest.approx(ks_2samp(old, new).statistic, abs=1e-12)


def test_holm_is_its_definition() -> None:
    """The least times m, the next times m - 1, never falling; None counts for nothing."""
    assert holm([0.03, None, 0.01, 0.04, 0.9]) == pytest.approx([0.09, None, 0.04, 0.09, 0.9])


def test_deciles_hold_a_tenth_each_and_atoms_are_cells() -> None:
    """A constant hides neither what lies below it nor above."""
    values = np.random.default_rng(1).permutation(1000) / 1000
    cells = cells_of(measure(values, values))
    assert cells.old == pytest.approx(np.full(10, 0.1))
    for other in (0.2, 0.7):
        cells = cells_of(measure(np.full(50, 0.5), np.full(50, other)))
        assert cells.names == ("< 0.5", "= 0.5", "> 0.5")
        assert psi(cells.old, cells.new) > 10
    flag = cells_of(measure([0] * 94 + [1] * 6, [0] * 50 + [1] * 50))
    assert flag.old.max() == 0.94
    assert flag.new.max() == 0.5


def test_a_log_has_not_drifted_from_itself(log: Log) -> None:
    """Nothing is apart, so every draw is at least as far: p is 1."""
    found = drift(log, log)
    assert all(s.psi == 0 and s.distance == 0 and s.p == 1 for s in found.shifts)
    assert found.drifted == []
    assert found.to_dict()["users_in_both"] == len(log.user_names)


def test_halves_of_one_log_are_left_in_peace() -> None:
    """At most `CHANCE` of pairs without drift have any p below it, where PSI alone would cry."""
    accused = cried = 0
    pairs = 60
    for i in range(pairs):
        if i % 6 == 0:
            log = generate("steady", USERS, 4, make("random"), seed=50 + i)
        found = drift(*halves(log, i), seed=i)
        assert all(s.p is not None for s in found.shifts)
        accused += any(s.p < CHANCE for s in found.shifts if s.p is not None)
        cried += any(s.reading != "stable" for s in found.shifts)
    assert accused <= binom.isf(0.001, pairs, CHANCE)
    assert cried > 0.75 * pairs  # docs/drift.md says so


def test_more_rows_of_the_same_users_prove_nothing(log: Log) -> None:
    """Every decision ten times: the same figures and, users being the sample, the same p."""
    old, new = halves(log, 2)
    rows = [np.repeat(np.arange(len(part)), 10) for part in (old, new)]
    once, tenfold = drift(old, new), drift(old.take(rows[0]), new.take(rows[1]))
    for a, b in zip(once.shifts, tenfold.shifts, strict=True):
        assert (b.psi, b.distance) == pytest.approx((a.psi, a.distance), abs=1e-12)
        assert b.p == pytest.approx(a.p, abs=1e-12)


@pytest.mark.parametrize("both", [False, True])
def test_a_moved_feature_is_named_and_no_other(foreign: Log, both: bool) -> None:
    """Whether the users are new ones or, later on, the same."""
    old, new = halves(foreign, 1)
    if both:
        late = foreign.decided_at >= np.median(foreign.decided_at)
        old, new = foreign.take(~late), foreign.take(late)
    found = drift(old, moved(new, 3, 0.8))
    assert found.drifted == ["feature 3"]
    it = shift(found, "feature 3")
    assert it.reading == "large"
    assert it.means[1] - it.means[0] == pytest.approx(0.8, abs=0.2)
    assert "feature 3" in found.says


def test_another_policy_and_another_arm_are_named(lives: Callable[..., Any]) -> None:
    """Propensities move with the policy; an arm that is new moves the shares of arms."""
    old = lives("random", users=30, seed=5).log()
    new = lives("linucb:epsilon=0.2", users=30, seed=6).log()
    assert "pscore" in drift(old, new).drifted
    frame = frame_of_log(old).drop(columns="digest")
    frame["arms"] = [["boat" if a == "home" else a for a in arms] for arms in frame["arms"]]
    found = drift(old, log_of_frame(frame))
    assert set(found.drifted) == {"arm of candidates", "arm shown"}
    cells = {c["cell"]: c for c in shift(found, "arm of candidates").to_dict()["cells"]}
    assert cells["boat"]["old"] == cells["home"]["new"] == 0
    assert cells["boat"]["new"] == cells["home"]["old"] > 0.1


def test_other_rewards_are_named(log: Log, replaced: Callable[..., Log]) -> None:
    """Every snooze becomes a dismissal: reward and feedback, nothing that came before them."""
    old, new = halves(log, 3)
    words = new.table["feedback"].to_pylist()
    rewards = new.reward.tolist()
    for i, word in enumerate(words):
        if word in ("snooze", "done"):
            words[i], rewards[i] = "dismiss", -1.0
    new = replaced(new, "reward", [None if math.isnan(r) else r for r in rewards])
    new = replaced(new, "feedback", words)
    assert set(drift(old, new).drifted) == {"reward", "feedback"}


def test_one_users_life_is_not_a_drift(foreign: Log) -> None:
    """Nine of ten decisions by one user: nobody knows how people differ, and it says so."""
    old, new = halves(foreign, 1)
    new = moved(new, 3, 0.8)
    rows = np.concatenate([np.arange(len(new)), *[np.flatnonzero(new.user == 0)] * 200])
    found = drift(old, new.take(rows))
    assert all(s.p is None for s in found.shifts)
    assert found.drifted == []
    assert "too few users" in found.says
    assert shift(found, "feature 3").reading == "large"


def test_arms_of_each_persons_own_are_no_drift(log: Log) -> None:
    """Projects by id: no arm is in both halves, as it would be without drift."""
    frame = frame_of_log(log).drop(columns="digest")
    frame["arms"] = [
        [f"{user}/{a}" for a in arms]
        for user, arms in zip(frame["user_id"], frame["arms"], strict=True)
    ]
    found = drift(*halves(log_of_frame(frame), 4))
    it = shift(found, "arm of candidates")
    assert it.reading == "large"
    assert not it.drifted
    assert len(it.cells.names) == MOST_CELLS
    assert it.cells.names[-1].endswith(" others")
    assert it.cells.old.sum() == pytest.approx(1)


def test_rows_without_users_are_nobody_of_another_log(log: Log) -> None:
    """An importer's `row-7` in two logs is not one person; it is said that rows are the sample."""
    frame = frame_of_log(log).drop(columns="digest")
    frame["user_id"] = [f"row-{i}" for i in range(len(frame))]
    rows = log_of_frame(frame)
    found = drift(rows, rows)
    assert found.to_dict()["users_in_both"] == 0
    assert sum("rows are treated as independent" in n for n in found.notes) == 2
    assert found.drifted == []


def test_what_one_log_lacks_is_said(log: Log) -> None:
    """No propensities; every window open still."""
    frame = frame_of_log(log).drop(columns=["digest", "pmf", "pscore"])
    frame["reward_window_s"] = 10**9
    found = drift(log, log_of_frame(frame))
    names = [s.name for s in found.shifts]
    assert not {"pscore", "reward", "feedback"} & set(names)
    assert any("pscore is not compared" in n for n in found.notes)
    assert any("reward and feedback are not compared" in n for n in found.notes)


def test_the_largest_values_stay_finite(foreign: Log) -> None:
    """JSON has no infinity."""
    far = drift(foreign, moved(foreign, 0, 1e99)).to_dict()
    assert "feature 0" in far["drifted"]
    assert math.isfinite(far["measures"][0]["means"][1])
    assert json.loads(json.dumps(far, allow_nan=False)) == far


def test_the_command_prints_and_writes(file: Path, run: Callable, tmp_path: Path) -> None:
    """One object of finite numbers, the same each time; a folder with a plot; a table."""
    out = tmp_path / "out"
    done = run("drift", file, file, "--json", "--out", out)
    assert done.code == 0
    assert done.json["drifted"] == []
    assert json.loads((out / "drift.json").read_text()) == done.json
    assert (out / "drift.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in out.iterdir()) == ["drift.json", "drift.png", "summary.md"]
    assert run("drift", file, file, "--json").json == done.json
    said = run("drift", file, file).out
    assert said == (out / "summary.md").read_text()
    assert "| feature 0" in said or "| feature hour_sin" in said


def test_wrong_input_is_one_line(
    file: Path, foreign: Log, refused: Callable[..., str], tmp_path: Path
) -> None:
    """A log that is not there; other features; fewer; a file where the folder should be."""
    other, fewer = tmp_path / "other.parquet", tmp_path / "fewer.parquet"
    write_log(foreign, other)
    frame = frame_of_log(foreign)
    frame["context"] = [[list(c)[:3] for c in rows] for rows in frame["context"]]
    write_log(log_of_frame(frame.drop(columns="digest")), fewer)
    assert "missing.parquet" in refused("drift", file, tmp_path / "missing.parquet")
    assert "must have the features of" in refused("drift", file, other)
    assert "must have as many features" in refused("drift", other, fewer)
    assert "must be a directory" in refused("drift", file, file, "--out", file)
    with pytest.raises(BadInput, match="seed"):
        drift(foreign, foreign, seed=-1)
