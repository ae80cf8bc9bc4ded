"""The studies run as they are, only smaller; their laws hold at any size."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from policies import make
from replay.studies import coverage, hour, prior
from replay.studies.tables import coverage_table, hour_table
from sim.deployment import difference, run
from sim.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "results" / "reference" / "study"
SMALL = coverage.Design(users=24, days=10, decisions=500, logs=3, truth_logs=3)


def test_coverage_is_counted_against_a_truth_from_other_logs() -> None:
    """Every estimator has its row; dm has no interval to cover anything."""
    found = coverage.study(SMALL)
    assert found == coverage.study(SMALL)
    assert found["truth_world_standard_error"] > 0
    rows = {row["estimator"]: row for row in found["estimators"]}
    assert set(rows) == set(coverage.ESTIMATORS)
    assert rows["dm"]["covered"] is None
    for name in ("ips", "snips", "dr"):
        assert 0 <= rows[name]["covered"] <= SMALL.logs
        assert rows[name]["mean_half_width"] > 0
    assert coverage_table(found).count("\n| ") == 2 + len(rows)


def test_a_log_that_is_too_short_is_no_sample() -> None:
    """The number of decisions is part of the design, not what happened to come."""
    with pytest.raises(RuntimeError, match="500000 are wanted"):
        coverage._log(coverage.Design(users=3, days=3, decisions=500_000), 1)


def test_the_hour_study_pools_people_over_seeds() -> None:
    """One row a scenario, the error over all people of all seeds."""
    found = hour.study(hour.Design(users=5, days=4, seeds=2))
    assert [row["scenario"] for row in found["scenarios"]] == list(SCENARIOS)
    assert all(row["people"] == 10 for row in found["scenarios"])
    assert hour_table(found).count("\n| ") == 2 + len(SCENARIOS)


def test_in_mornings_own_arms_beat_one_shared_theta() -> None:
    """Acceptance 6 in small: by more than three standard errors over people."""
    specs = ["linucb:arm=own", "linucb:arm=shared"]
    own, shared = run("mornings", 60, 28, [make(s) for s in specs], seed=1)
    found = difference(own, shared)
    assert found["value"] > 3 * found["standard_error"]


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr"])
def test_the_kept_study_covers(estimator: str) -> None:
    """Acceptance 5, as measured and kept: at least 90 of 100, of the design as it stands."""
    kept = json.loads((KEPT / "coverage.json").read_text())
    assert kept["design"] == asdict(coverage.Design())
    rows = {row["estimator"]: row for row in kept["estimators"]}
    assert rows[estimator]["covered"] >= 90


def test_the_kept_prior_beats_the_cold_start() -> None:
    """Over first tips by more than three standard errors, and in drift it does not lose."""
    kept = json.loads((KEPT / "prior.json").read_text())
    assert kept["design"] == json.loads(json.dumps(asdict(prior.Design())))
    first = {r["scenario"]: r for r in kept["scenarios"] if r["tips"] == "first"}
    assert set(first) == set(prior.SCENARIOS)
    assert first["steady"]["in_standard_errors"] > 3
    assert first["mornings"]["in_standard_errors"] > 3
    assert first["drift"]["in_standard_errors"] > 0


def test_the_docs_show_the_kept_tables() -> None:
    """A table in the docs is one that was measured."""
    pages = dict.fromkeys(("coverage", "intervals", "looks", "adaptive", "many"), "intervals.md")
    pages |= {"hour": "simulation.md", "pooled": "estimators.md", "prior": "priors.md"}
    for name, page in pages.items():
        table = (KEPT / f"{name}.md").read_text().strip()
        assert table in (ROOT / "docs" / page).read_text()
