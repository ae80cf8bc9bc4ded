"""The study of experiments: small as it runs, and as it was measured and kept."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from replay.studies.experiment import Cell, Design, Split, _late, study
from replay.studies.experiment_table import experiment_table

KEPT = Path(__file__).parents[2] / "results" / "reference" / "study"
SMALL = Design(
    pool=24,
    days=8,
    runs=10,
    cells=(
        Cell("steady", "random", "random", 16, 0.5),
        Cell("steady", "random", "random", 16, 0.5, joining=0.5),
        Cell("steady", "random", "linucb", 16, 0.5),
    ),
    splits=(Split((0.5, 0.5), 50),),
)


def test_equal_variants_have_no_true_difference() -> None:
    """Two rows a cell, counts of runs; the last day's misses are among all."""
    found = study(SMALL)
    gains = [row["gain"] for row in found["cells"]]
    assert gains[:4] == [0.0] * 4
    assert gains[4] == gains[5] != 0
    for row in found["cells"]:
        assert 0 <= row["missed_on_the_last_day"] <= row["missed"] <= row["runs"] == 10
    assert experiment_table(found).count("\n| ") == 2 * 2 + 3 + 1


def test_who_begins_later_lives_the_same_days_later() -> None:
    days = np.arange(1.0, 11.0).reshape(2, 5)
    assert _late(days, np.array([0, 2])).tolist() == [[1, 2, 3, 4, 5], [0, 0, 6, 7, 8]]


@pytest.fixture(scope="module")
def kept() -> dict:
    return json.loads((KEPT / "experiment.json").read_text())


def test_the_kept_study_is_of_the_design_as_it_stands(kept: dict) -> None:
    assert kept["design"] == json.loads(json.dumps(asdict(Design())))
    assert (KEPT / "experiment.md").read_text() == experiment_table(kept)


def test_anytime_holds_at_every_look_and_one_look_at_its_level(kept: dict) -> None:
    """At most .05 over all looks; `cluster-t` on one day within 4 errors of .05, but not daily."""
    for row in kept["cells"]:
        error = math.sqrt(0.05 * 0.95 / row["runs"])
        if row["interval"] == "anytime":
            assert row["missed"] / row["runs"] < 0.05
        else:
            assert abs(row["missed_on_the_last_day"] / row["runs"] - 0.05) < 4 * error
            assert row["missed"] / row["runs"] > 0.05 + 4 * error


def test_the_ratio_test_has_its_size_and_sees_a_loss(kept: dict) -> None:
    for row in kept["splits"]:
        if row["lost"]:
            assert row["p < 0.001"] > 0.85 * row["runs"]
        else:
            for alpha in (0.05, 0.01, 0.001):
                error = math.sqrt(alpha * (1 - alpha) / row["runs"])
                assert row[f"p < {alpha:g}"] / row["runs"] < alpha + 4 * error
