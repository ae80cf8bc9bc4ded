"""The study of intervals: the same again for its seeds, resumed, judged, and kept."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from replay.intervals.cressie_read import plain
from replay.studies.cells import CELLS
from replay.studies.interval_goals import AUTO, USERS, judgement, mean_ratio
from replay.studies.interval_plot import plot_intervals
from replay.studies.interval_table import intervals_table, pairs_table
from replay.studies.intervals import Design, study
from replay.studies.peers import BEATEN, CRESSIE_READ, OBP_SNIPS, PEERS, peers

KEPT = Path(__file__).parents[2] / "results" / "reference" / "study"
SMALL = Design(cells=("a-beta=1,epsilon=0.2-500", "c-people=30,sd=1-1800"), most_seeds=20)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    kept = tmp_path_factory.mktemp("cells")
    return study(SMALL, kept), kept


def test_a_study_resumes_from_the_cells_it_kept(found: tuple[dict[str, Any], Path]) -> None:
    result, kept = found
    assert json.loads(json.dumps(study(SMALL, kept), allow_nan=False)) == json.loads(
        json.dumps(result, allow_nan=False)
    )
    file = kept / f"{SMALL.cells[0]}.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "cell": {**said["cell"], "ess": -1.0}}))
    assert study(SMALL, kept)["cells"][0]["ess"] == -1.0
    file.write_text(json.dumps({**said, "fingerprint": "of other code"}))
    again = study(Design(SMALL.cells[:1], SMALL.most_seeds), kept)
    assert again["cells"] == result["cells"][:1]


def test_every_pair_is_counted_and_shown(found: tuple[dict[str, Any], Path]) -> None:
    result, _ = found
    for cell in result["cells"]:
        pairs = {p["pair"]: p for p in cell["pairs"]}
        assert {AUTO, USERS, *PEERS} <= set(pairs)
        assert pairs["dm -"]["coverage"] is None
        for p in pairs.values():
            assert math.isfinite(p["bias"])
            assert p["coverage"] is None or 0 <= p["coverage"] <= 1
        for tally in cell["verdicts"]:
            assert sum(tally[v] for v in ("reliable", "caution", "unreliable")) == cell["seeds"]
    table = intervals_table(result)
    assert all(f"| {name} |" in table for name in SMALL.cells)
    assert all(f"| {p} |" in pairs_table(result) for p in PEERS)
    assert plot_intervals(result).startswith(b"\x89PNG")


def test_peers_treat_rows_as_independent_and_freeze_what_they_freeze() -> None:
    rounds = CELLS["c-people=30,sd=1-1800"].draw(1).rounds()
    theirs = peers(rounds, 0.95, 1)
    value, (low, high) = theirs[OBP_SNIPS]
    assert low < value < high
    assert theirs[OBP_SNIPS][0] == pytest.approx(
        float(rounds.weight @ rounds.reward / rounds.weight.sum())
    )
    assert theirs[CRESSIE_READ][1] == plain(rounds, 0.95)
    assert theirs == peers(rounds, 0.95, 1)


def _cell(name: str, auto: float, width: float, peer: float) -> dict[str, Any]:
    pairs = [{"pair": p, "coverage": peer, "width": 1.0} for p in (*BEATEN, USERS)]
    return {
        "cell": name,
        "seeds": 1000,
        "pairs": [*pairs, {"pair": AUTO, "coverage": auto, "width": width}],
    }


def test_goals_are_judged_with_their_chance() -> None:
    assert judgement(_cell("a-x-500", 0.915, 1.0, 0.95)).covers
    assert not judgement(_cell("a-x-500", 0.913, 1.0, 0.95)).covers
    assert judgement(_cell("c-people=30,sd=1-1800", 0.89, 1.2, 0.95)).covers
    assert judgement(_cell("b-x-500", 0.95, 1.05, 0.93)).narrow
    assert not judgement(_cell("b-x-500", 0.95, 1.06, 0.93)).narrow
    assert judgement(_cell("b-x-500", 0.95, 9.0, 0.92)).ratio is None  # no peer is valid
    assert not judgement(_cell("c-people=100,sd=1-2000", 0.95, 1.11, 0.5)).narrow
    wide, narrow = _cell("a-x-500", 0.95, 1.0, 0.95), _cell("b-x-500", 0.95, 0.5, 0.95)
    assert mean_ratio([judgement(wide), judgement(narrow)]) == 0.75


def test_the_kept_study_meets_its_goals_or_names_where_not() -> None:
    kept = json.loads((KEPT / "intervals.json").read_text())
    assert kept["design"] == {"cells": list(CELLS), "most_seeds": 1000, "level": 0.95}
    judged = [judgement(cell) for cell in kept["cells"]]
    assert [j.cell for j in judged] == list(CELLS)
    assert all(j.covers for j in judged)
    assert mean_ratio(judged) <= 0.95
    table = (KEPT / "intervals.md").read_text()
    assert table == intervals_table(kept)
    rows = {line.split(" | ")[0].strip("| "): line for line in table.splitlines()}
    for j in judged:
        assert ("wide" in rows[j.cell]) != j.narrow
    for row in ("auto", "ips", "snips", "dr"):
        tallies = [t for cell in kept["cells"] for t in cell["verdicts"] if t["row"] == row]
        reliable = sum(t["reliable"] for t in tallies)
        assert sum(t["reliable_covered"] for t in tallies) >= 0.93 * reliable
        assert sum(t["ample_refused"] for t in tallies) <= 0.05 * sum(t["ample"] for t in tallies)
