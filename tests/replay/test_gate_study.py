"""The gate's study looks with the gate's own bound, and what was kept meets its goals."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from replay.release.gate_rules import Rules
from replay.release.gating import evaluation_of
from replay.studies import gate as study
from replay.studies.gate_table import gate_table
from replay.studies.gate_world import live, log_of_life, part_of

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "results" / "reference" / "study"


@pytest.mark.parametrize("interval", study.INTERVALS)
def test_the_bound_of_each_day_is_that_of_the_gate(interval: str) -> None:
    """The sums that spare the evaluation of every day give its very lower bound."""
    design, rules = study.Design(people=25, days=16, a_day=2), Rules(interval=interval)
    rng = np.random.default_rng(8)
    life = live(rng, design.shape, design.apart, design.epsilon, 0.1, 0.05)
    bounds = study.lower_bounds(design, life, rules)
    old, new = design.spec(study.CHAMPION), design.spec(study.CHALLENGER)
    log = log_of_life(life, rng, old, design.epsilon)
    for day in (7, 11, 16):
        found = evaluation_of(part_of(log, day), old, new, rules)
        assert found.differences[0].low == pytest.approx(bounds[day - 7], rel=1e-9)


def test_a_life_gains_what_was_asked_for() -> None:
    """ips of the challenger less the logged mean, within 4 standard errors over people."""
    rng = np.random.default_rng(2)
    life = live(rng, (2000, 10, 1), 0.4, 0.4, 0.1, 0.05)
    gain = ((life.weights(0.4) - 1) * life.reward).mean(axis=(1, 2))
    assert abs(gain.mean() - 0.1) < 4 * gain.std() / math.sqrt(len(gain))


def test_the_study_passes_a_winner_and_peeking_is_no_safer() -> None:
    """In small: of a gain of .2 all, on the first look; a naive bound passes no less."""
    worlds = (study.World(0.0, 0.05, 25), study.World(0.2, 0.05, 2))
    design = study.Design(days=9, worlds=worlds)
    found = study.study(design)
    null, naive, seen, _ = found["worlds"]
    assert null["passed"] <= null["bound_alone"] <= naive["bound_alone"]
    assert (seen["passed"], seen["median_day"]) == (2, 7.0)
    assert found == study.study(design)
    assert gate_table(found).count("\n| ") == 2 + 2


def test_the_kept_study_meets_its_goals() -> None:
    """False passes at most 5%, up to two Monte-Carlo errors; a gain of .1 passes mostly."""
    kept = json.loads((KEPT / "gate.json").read_text())
    assert kept["design"] == json.loads(json.dumps(asdict(study.Design())))
    rows = [row for row in kept["worlds"] if row["interval"] == "anytime"]
    assert [row["gain"] for row in rows] == [0.0, 0.0, 0.05, 0.1, 0.2]
    for row in rows:
        if row["gain"] == 0:
            assert row["passed"] <= 0.05 * row["runs"] + 2 * math.sqrt(0.05 * 0.95 * row["runs"])
        if row["gain"] >= 0.1:
            assert row["passed"] >= 0.9 * row["runs"]
    table = (KEPT / "gate.md").read_text()
    assert table == gate_table(kept)
    assert table.strip() in (ROOT / "docs" / "gate.md").read_text()
