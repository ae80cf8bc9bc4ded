"""The published figures of the Open Bandit Dataset's samples, to the digit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journal import read_log

UNIFORM_ON_BTS = {
    "mean_weight": 0.9433136257492332,
    "max_weight": 178.25311942959001,
    "ess": 655.7098495873269,
}
BTS_ON_UNIFORM = {
    "mean_weight": 0.984782225,
    "max_weight": 10.66607017,
    "ess": 2474.2708593877464,
}


def by_name(entry: dict) -> dict[str, dict]:
    return {row["estimator"]: row for row in entry["estimates"]}


def campaign(shared: Path, logger: str) -> str:
    return f"obd:{shared}/data/obd/{logger}/men"


def pmfs_by_position(shared: Path, path: Path) -> Path:
    """The pmf over the items at the position of each row of random/men."""
    table = pd.read_csv(shared / "data/obd/bts_men_pmf.csv").sort_values("item_id")
    rows = pd.read_csv(shared / "data/obd/random/men/men.csv")
    at = {p: table[f"position_{p}"].tolist() for p in (1, 2, 3)}
    pmf = [at[p] for p in rows["position"]]
    pq.write_table(pa.table({"decision_id": [str(i) for i in range(len(rows))], "pmf": pmf}), path)
    return path


def test_uniform_on_the_bts_log(shared: Path, spawn: Callable) -> None:
    done = spawn("evaluate", campaign(shared, "bts"), "--policy", "random", "--json")
    assert done.code == 0
    assert done.json["log"]["decisions"] == done.json["log"]["users"] == 10_000
    rows = by_name(done.json["policies"][0])
    assert rows["ips"]["value"] == pytest.approx(0.003008626327256482, rel=1e-9)
    assert rows["snips"]["value"] == pytest.approx(0.003189423162277403, rel=1e-9)
    for name in ("ips", "snips", "dr"):
        for key, value in UNIFORM_ON_BTS.items():
            assert rows[name][key] == pytest.approx(value, rel=1e-9), (name, key)
        assert "support unknown" in " ".join(rows[name]["reasons"])
    assert "no user has two decisions" in done.err


def test_bts_prior_on_the_uniform_log(shared: Path, tmp_path: Path, run: Callable) -> None:
    file = pmfs_by_position(shared, tmp_path / "bts.parquet")
    done = run("evaluate", campaign(shared, "random"), "--pmf", file, "--json")
    assert done.code == 0
    (entry,) = done.json["policies"]
    assert entry["policy"] == f"pmf:{file}"
    rows = by_name(entry)
    assert rows["ips"]["value"] == pytest.approx(0.0045400557831778, rel=1e-6)
    assert rows["snips"]["value"] == pytest.approx(0.004610212965438372, rel=1e-6)
    for key, value in BTS_ON_UNIFORM.items():
        assert rows["ips"][key] == pytest.approx(value, rel=1e-6), key
    assert rows["ips"]["support"] == 1.0


def test_the_order_of_a_file_of_pmfs_does_not_matter(
    shared: Path, tmp_path: Path, run: Callable
) -> None:
    file = pmfs_by_position(shared, tmp_path / "bts.parquet")
    turn = np.random.default_rng(0).permutation(10_000)
    pq.write_table(pq.ParquetFile(file).read().take(turn), tmp_path / "turned.parquet")
    found = [
        run("evaluate", campaign(shared, "random"), "--pmf", path, "--json").json["policies"][0]
        for path in (file, tmp_path / "turned.parquet")
    ]
    assert found[0]["estimates"] == found[1]["estimates"]


def test_rejection_replay_matches_one_in_the_number_of_items(shared: Path, run: Callable) -> None:
    spec = "linucb:alpha=1,epsilon=0.05"
    log = campaign(shared, "random")
    done = run("evaluate", log, "--policy", spec, "--learn", "replay", "--json")
    assert done.code == 0
    (entry,) = done.json["policies"]
    assert entry["policy"] == "linucb:alpha=1.0,epsilon=0.05,lambda=1.0,arm=own,seed=0"
    assert entry["learn"] == "replay"
    assert 10_000 / 34 / 2 <= entry["matched"] <= 10_000 / 34 * 2
    assert "of the history" in " ".join(by_name(entry)["ips"]["reasons"])


def test_the_folder_is_read_as_the_contract_says(shared: Path) -> None:
    log = read_log(campaign(shared, "random"))
    rows = pd.read_csv(shared / "data/obd/random/men/men.csv")
    assert log.decision_id == [str(i) for i in range(len(rows))]
    assert log.user_names == [f"row-{i}" for i in range(len(rows))]
    assert log.candidate_ids[:34] == [str(i) for i in range(34)]
    assert log.action.tolist() == rows["item_id"].tolist()
    assert log.reward.tolist() == rows["click"].tolist()
    assert log.pscore.tolist() == rows["propensity_score"].tolist()
    assert log.reward_range == (0.0, 1.0)


def test_uniform_on_its_own_log_is_the_mean_click(shared: Path, run: Callable) -> None:
    done = run("evaluate", campaign(shared, "random"), "--policy", "random", "--json")
    for name in ("ips", "snips"):
        row = by_name(done.json["policies"][0])[name]
        assert row["value"] == pytest.approx(0.0046, rel=1e-9)
        assert row["ess"] == pytest.approx(10_000, rel=1e-9)


@pytest.mark.parametrize(
    ("logger", "wanted"),
    [
        ("random", (0.0046100575, 0.0022139948, 0.0533915179)),
        ("bts", (0.0033997623, 0.0014917846, 0.1294901070)),
    ],
)
def test_cressie_read(
    shared: Path, tmp_path: Path, run: Callable, logger: str, wanted: tuple[float, ...]
) -> None:
    """Weights in [0, infinity), rewards in [0, 1]: the published values."""
    policy = ("--policy", "random")
    if logger == "random":
        policy = ("--pmf", str(pmfs_by_position(shared, tmp_path / "bts.parquet")))
    asked = ("--estimators", "cressie-read", "--interval", "cressie-read", "--json")
    found = run("evaluate", campaign(shared, logger), *policy, *asked).json
    (row,) = found["policies"][0]["estimates"]
    assert (row["value"], row["low"], row["high"]) == pytest.approx(wanted, rel=1e-6)
