"""Slices: each is its decisions' log, all are corrected together, small ones are not judged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

from journal import Log, log_of_frame
from journal.frame import frame_of_log
from policies import BadInput, make
from replay import evaluate, slices
from replay.result import Evaluation
from replay.shift.distances import holm
from replay.slicing import Slice, Slices, slices_of
from replay.slicing.bands import bands, categories
from replay.slicing.slices import LEAST_ESS, LEAST_USERS
from replay.studies.sliced import HARMED, World, draw, looks
from sim.logs import generate

OURS, THEIRS = "linucb:alpha=1.0,epsilon=0.2,lambda=1.0,arm=own,seed=0", "random:seed=0"


@pytest.fixture(scope="module")
def tips() -> Log:
    return generate("mornings", 45, 10, make("random"), seed=3)


@pytest.fixture(scope="module")
def found(tips: Log) -> Evaluation:
    return evaluate(tips, [OURS, "random"], learn="logged", model="none", pool="own")


@pytest.fixture(scope="module")
def sliced(found: Evaluation) -> Slices:
    return slices_of(found, OURS, "random")


def of(found: Slices, name: str) -> Slice:
    return next(row for row in found.rows if row.name == name)


def test_every_split_is_there(sliced: Slices) -> None:
    assert {r.by for r in sliced.rows} == {
        "overdue", "priority", "arm", "hour", "candidates", "activity", "new",
    }  # fmt: skip
    assert sliced.policy == OURS
    assert sliced.whole.n == sum(r.n for r in sliced.rows if r.by == "hour")


@pytest.mark.parametrize("name", ["overdue=yes", "hour=06-12", "new=first 20 tips", "arm=work"])
def test_a_slice_is_the_evaluation_of_its_decisions(
    tips: Log, found: Evaluation, sliced: Slices, name: str
) -> None:
    """The same weights, rewards and users give the same value, interval and difference."""
    row = of(sliced, name)
    first = tips.context[tips.offsets[:-1]]
    hour = (np.arctan2(first[:, 0], first[:, 1]) / (2 * np.pi) * 24 + 1e-6) % 24
    rank = pd.Series(tips.user).groupby(tips.user).cumcount().to_numpy()
    work = tips.arm == tips.arm_names.index("work")
    member = {
        "overdue=yes": np.logical_or.reduceat(tips.context[:, 2] == 1, tips.offsets[:-1]),
        "hour=06-12": (hour >= 6) & (hour < 12),
        "new=first 20 tips": rank < 20,
        "arm=work": np.logical_or.reduceat(work, tips.offsets[:-1]),
    }[name]
    inside = np.isin(np.arange(len(tips)), found.sample.rows)
    kept = np.flatnonzero(member & inside)
    pmfs = [found.results[0].judged.pmf[tips.offsets[i] : tips.offsets[i + 1]] for i in kept]
    part = tips.take(kept)
    alone = evaluate(part, pmf=pmfs, against="random", model="none", pool="own",
                     as_of=2**61, estimators=("auto",))  # fmt: skip
    value, apart = alone.results[0].judged.rows[0], alone.differences[0]
    assert row.n == len(kept)
    assert (row.value, row.low, row.high) == pytest.approx((value.value, value.low, value.high))
    assert (row.difference, row.difference_low, row.difference_high) == pytest.approx(
        (apart.value, apart.low, apart.high)
    )


def test_p_says_what_the_interval_says_and_is_corrected(sliced: Slices) -> None:
    for row in sliced.judged:
        assert row.p is not None
        assert row.difference_low is not None
        assert row.difference_high is not None
        assert (row.p < 0.05) == (row.difference_low > 0 or row.difference_high < 0)
    assert [r.p_holm for r in sliced.rows] == holm([r.p for r in sliced.rows])


def test_small_slices_are_named_and_not_judged(sliced: Slices) -> None:
    assert sliced.small
    for row in sliced.rows:
        few = row.users < LEAST_USERS or (row.ess or 0) < LEAST_ESS
        assert row.small == few
        if few:
            assert (row.verdict, row.p, row.p_holm) == (None, None, None)
            assert "small" in row.reasons[0]
            assert row.name not in {r.name for r in [*sliced.worse, *sliced.better]}


def test_exposure_is_the_expected_share_of_tips(tips: Log, found: Evaluation) -> None:
    """Shares of all arms sum to one; a uniform policy's is that of candidates; logged, shown."""
    sliced = slices_of(found, "random", "logged", by=["arm", "priority", "hour"])
    arms = [row for row in sliced.rows if row.by == "arm"]
    assert sum(row.exposure or 0 for row in arms) == pytest.approx(1)
    rows = found.sample.rows
    for row in arms:
        mark = (tips.arm == tips.arm_names.index(row.value_name)).astype(float)
        sizes = np.diff(tips.offsets)
        share = (np.add.reduceat(mark, tips.offsets[:-1]) / sizes)[rows].mean()
        assert row.exposure == pytest.approx(share)
        assert row.exposure_against == pytest.approx(mark[tips.chosen[rows]].mean())
    assert of(sliced, "hour=06-12").exposure is None


def test_dismissals_of_the_logger_are_counted(tips: Log, found: Evaluation) -> None:
    """What was logged has weight 1: its share is the plain one."""
    sliced = slices_of(found, "random", "logged", by=["overdue"])
    said = np.array([*tips.feedback_names, None], object)[tips.feedback][found.sample.rows]
    some = np.logical_or.reduceat(tips.context[:, 2] == 1, tips.offsets[:-1])[found.sample.rows]
    row = of(sliced, "overdue=yes")
    assert row.dismissals_against == pytest.approx((said[some] == "dismiss").mean())
    assert row.dismissals_low is not None
    assert row.dismissals is not None
    assert row.dismissals_low < row.dismissals


def test_against_oneself_nothing_differs(found: Evaluation) -> None:
    sliced = slices_of(found, OURS, OURS)
    assert all(row.difference == pytest.approx(0, abs=1e-12) for row in sliced.judged)
    assert all(row.p_holm == 1 for row in sliced.judged)
    assert sliced.worse == sliced.better == []


def test_weights_are_own_where_the_log_was_pooled(lives: Callable) -> None:
    """Balanced weights hold on the whole log; in a slice the loggers' shares may differ."""
    log = lives(lambda u, i: ("random", "linucb:epsilon=0.5")[(u + i) % 2], users=60).log()
    both = [
        evaluate(log, OURS, learn="logged", pool=pool, model="none", estimators=("auto",))
        for pool in ("own", "balanced")
    ]
    assert both[1].pooling is not None
    assert both[1].pooling.used == "balanced"
    own, balanced = (slices_of(f, OURS, by=["arm", "candidates"]).rows for f in both)
    assert [r.value for r in own] == pytest.approx([r.value for r in balanced])


def test_no_harm_is_cried_where_there_is_none() -> None:
    """Family-wise: as many false finds as 5% would give in 199 of 200 tests, at most."""
    found = looks(World("none", 60, 10), 15)
    assert found[:, 0].mean() > 15  # slices that were judged
    assert found[:, 2].sum() <= binom.ppf(0.995, len(found), 0.05)


def test_a_harmed_group_is_found() -> None:
    """Half a reward worse in six hours of the day, for 120 people: the study finds 99%."""
    log = draw(World("harm", 120, 10, 1.0), 1)
    from replay.studies.sliced import urgent

    found = evaluate(log, [urgent, "random"], estimators=("auto",))
    sliced = slices_of(found, "urgent", "random")
    assert HARMED in {row.name for row in sliced.worse}
    assert not {"hour=06-12", "hour=12-18", "hour=18-24"} & {row.name for row in sliced.worse}
    assert HARMED in sliced.says
    gap = next(g for g in sliced.gaps if g.by == "hour")
    assert gap.lowest == "00-06"
    assert gap.p_holm < 0.05


def test_columns_of_ones_own(tips: Log, tmp_path: Path, run: Callable) -> None:
    """Of a DataFrame, of a Parquet file, and of the log itself; null is a group."""
    frame = frame_of_log(tips)
    plan = np.array([None, "free", "paid"], object)[tips.user % 3]
    frame["plan"], frame["age"] = plan, (tips.user * 7) % 50 + 0.5
    of_frame = slices(frame, "random", columns=["plan", "age", "policy"])
    assert {r.value_name for r in of_frame.rows if r.by == "plan"} == {"free", "paid", "missing"}
    assert len([r for r in of_frame.rows if r.by == "age"]) == 4
    assert any("not sliced by policy" in note for note in of_frame.notes)
    table = tips.table.append_column("plan", pa.array(plan.tolist()))
    pq.write_table(table, tmp_path / "log.parquet")
    done = run("slices", tmp_path / "log.parquet", "--policy", "random", "--column", "plan",
               "--by", "plan", "--json")  # fmt: skip
    assert done.code == 0
    rows = {r.name: r for r in of_frame.rows}
    assert [s["n"] for s in done.json["slices"]] == [rows[s["name"]].n for s in done.json["slices"]]


def test_bands_hold_quarters_and_never_split_ties() -> None:
    names, code = bands(np.arange(100.0))
    assert np.bincount(code).tolist() == [25] * 4
    assert names[0] == "0 to 24"
    names, code = bands(np.array([1.0] * 90 + [2, 3, 4, 5, 6]))
    assert (code[:90] == code[0]).all()
    assert names == ("1", "2 to 6")
    names, _ = categories("c", [f"t{i}" for i in range(30)])
    assert names[-2:] == ("21 others", "missing")
    assert categories("c", [True, None])[0] == ("yes", "missing")


def test_the_folder_is_whole_and_the_json_is_the_object(
    file: Path, tmp_path: Path, run: Callable
) -> None:
    out = tmp_path / "slices"
    done = run("slices", file, "--policy", "random", "--out", out, "--json")
    assert done.code == 0
    assert json.loads((out / "slices.json").read_text()) == done.json
    assert {p.name for p in out.iterdir()} == {"slices.json", "summary.md", "slices.png"}
    assert "small" in (out / "summary.md").read_text()


def test_rows_without_users_are_sliced_and_said(tips: Log) -> None:
    frame = frame_of_log(tips).drop(columns=["digest", "state_seq", "feedback_seq"])
    frame["user_id"] = [f"row-{i}" for i in range(len(frame))]
    found = slices(log_of_frame(frame), "random")
    assert not {"activity", "new"} & {r.by for r in found.rows}
    assert any("not sliced by new: no user has two decisions" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--by", "mood"], "--by: must be of overdue, priority"),
        (["--column", "reward"], "known only after the action"),
        (["--column", "nowhere"], "column nowhere"),
        (["--column", "arms"], "must hold numbers or texts"),
        (["--column", "new"], "is the name of a split of ours"),
        (["--policy", "logged"], "policy"),
        (["--level", "2"], "--level: must be between 0 and 1"),
        (["--against", "nobody"], "nobody"),
    ],
)
def test_bad_usage_is_one_line(
    file: Path, refused: Callable, options: list[str], said: str
) -> None:
    assert said in refused("slices", file, "--policy", "random", *options)


def test_a_policy_that_was_not_evaluated_is_refused(found: Evaluation) -> None:
    with pytest.raises(BadInput, match="must be one that was evaluated"):
        slices_of(found, "linucb:alpha=7", "random")


def test_a_log_without_propensities_refuses(tips: Log, tmp_path: Path, refused: Callable) -> None:
    bare: Any = tips.table.drop_columns(["pscore", "pmf", "digest"])
    pq.write_table(bare, tmp_path / "bare.parquet")
    assert "no propensities" in refused("slices", tmp_path / "bare.parquet", "--policy", "random")
