"""The study of learners runs as it is, only smaller; what is kept is what the docs say."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.checks import check_values
from policies import make
from replay.studies import learners
from replay.studies.learner_table import learner_table
from replay.studies.learner_worlds import WORLDS, World, actions

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "results" / "reference" / "study"


def test_every_goal_has_three_worlds_or_more() -> None:
    for goal in ("stationary", "drift", "people"):
        assert sum(world.goal == goal for world in WORLDS.values()) >= 3


@pytest.mark.parametrize("name", WORLDS)
def test_a_worlds_log_is_one_and_the_same_for_a_seed(name: str) -> None:
    log, again, other = (WORLDS[name].log(seed) for seed in (1, 1, 2))
    check_values(log)
    assert len(log) == WORLDS[name].decisions
    assert len(log.user_names) == WORLDS[name].users
    assert log.pscore == pytest.approx(1 / np.diff(log.offsets))
    assert log.sha256 == again.sha256 != other.sha256


def test_life_under_random_is_what_the_uniform_log_earns() -> None:
    """The same world both ways, within four standard errors."""
    for name in ("tips", "common and own"):
        world = WORLDS[name]
        lived = world.lived(make("random"), 8, 3)
        logs = np.array([world.log(seed).reward.mean() for seed in range(8)])
        error = np.hypot(lived.std(ddof=1), logs.std(ddof=1)) / 8**0.5
        assert abs(lived.mean() - logs.mean()) < 4 * error


def test_a_change_is_where_it_is_said_to_be() -> None:
    def drawn(moves: str) -> np.ndarray:
        rng = np.random.default_rng(1)
        return actions(rng, 100, 1, scale=1.0, moves=moves, at=0.3).mean.reshape(100, -1)

    still, changed = drawn(""), drawn("change")
    assert (still[:30] == changed[:30]).all()
    assert not np.isclose(still[30:], changed[30:]).all(axis=1).any()


def test_the_study_counts_against_lives_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    small = World("drift", "small", 150, 1, actions_small)
    monkeypatch.setitem(WORLDS, "small", small)
    monkeypatch.setattr(learners, "parallel", lambda job, jobs: [job(j) for j in jobs])
    design = learners.Design(seeds=3, others=2, lives=50, worlds=("small",))
    found = learners.study(design)
    rows = {row["method"]: row for row in found["worlds"]}
    assert list(rows) == [*learners.ALWAYS, *learners.SOMETIMES]
    assert (rows["learner"]["seeds"], rows["dr-ns"]["seeds"]) == (3, 2)
    assert rows["replay"]["rmse_ratio"] == 1.0
    assert rows["learner"]["truth_standard_error"] > 0
    assert rows["learner"]["horizon"] == 150
    assert sum(rows["learner"]["picked"].values()) == 3
    assert learner_table(found).count("\n| ") == 2 + len(rows)


def actions_small(rng: np.random.Generator, n: int, users: int) -> object:
    return actions(rng, n, users, scale=0.5)


def kept() -> dict[str, Any]:
    return json.loads((KEPT / "learners.json").read_text())


def test_the_kept_study_is_of_the_design_as_it_stands() -> None:
    found = kept()
    assert found["design"] == json.loads(json.dumps(asdict(learners.Design())))
    assert (KEPT / "learners.md").read_text() == learner_table(found)


def test_the_docs_show_the_kept_rows_of_the_rule_and_name_what_fell_short() -> None:
    page = (ROOT / "docs" / "estimators.md").read_text()
    table = (KEPT / "learners.md").read_text().splitlines()
    shown = [line for line in table if re.search(r"\| (replay|learner) \|", line)]
    assert len(shown) == 2 * len(WORLDS)
    assert all(line in page for line in shown)
    for row in kept()["worlds"]:
        if row["method"] == "learner" and not learners.met(row):
            assert f"Not met: {row['world']}" in page
