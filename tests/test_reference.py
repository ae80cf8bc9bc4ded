"""The reference run in git is what this code gives: figures do not change unnoticed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from policies import make
from policies.features import parse_instant
from replay import evaluate, train
from sim import deployed, generate

ROOM = Path(__file__).parent.parent / "results" / "reference"
KEPT = ROOM / "evaluation" / "metrics.json"
SINCE = "2026-01-19T00:00:00Z"
SPEC = "linucb:alpha=1,epsilon=0.05"


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of an object by its path."""
    if isinstance(value, dict):
        return {k: v for name, x in value.items() for k, v in flat(x, f"{path}.{name}").items()}
    if isinstance(value, list):
        return {k: v for i, x in enumerate(value) for k, v in flat(x, f"{path}[{i}]").items()}
    return {path: value}


def test_the_reference_run_can_be_made_again() -> None:
    """To 1e-9: libm and BLAS may differ in the last bits from machine to machine."""
    log = generate("mornings", 60, 28, make("random"), 1)
    since = int(parse_instant(SINCE, "since").timestamp()) * 1_000_000
    states = train(log, since)
    found = evaluate(
        log, ["random", SPEC], state=states, learn="logged", since=since, against="logged"
    ).to_dict()
    kept = json.loads(KEPT.read_text())
    for part in ("policies", "differences"):
        ours, theirs = flat(found[part]), flat(kept[part])
        assert ours.keys() == theirs.keys()
        for path, value in theirs.items():
            if path.endswith(".truth_deployed"):
                continue
            if isinstance(value, float):
                assert ours[path] == pytest.approx(value, rel=1e-9, abs=1e-12), path
            else:
                assert ours[path] == value, path
    closed = deployed(
        log.world or {}, make(SPEC), behavior=make("random"), until=since, states=states
    )
    assert closed == pytest.approx(kept["policies"][1]["truth_deployed"], rel=1e-9)


def test_the_kept_card_is_of_the_kept_evaluation() -> None:
    """One run: its figures, its gate, its command; and a page that asks nobody for anything."""
    room = ROOM / "card"
    evaluated = {p["policy"]: p["estimates"] for p in json.loads(KEPT.read_text())["policies"]}
    carded = json.loads((room / "metrics.json").read_text())
    for policy in carded["policies"]:
        for ours, theirs in zip(policy["estimates"], evaluated[policy["policy"]], strict=True):
            assert ours["value"] == pytest.approx(theirs["value"], rel=1e-9)
            assert ours["low"] == (theirs["low"] and pytest.approx(theirs["low"], rel=1e-9))
    text, page = (room / "card.md").read_text(), (room / "card.html").read_text()
    gate = json.loads((ROOM / "gate" / "gate.json").read_text())
    assert gate["passed"] is True
    assert gate["challenger"] == carded["policies"][0]["policy"]
    assert "--out results/reference/card" in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_one_command_makes_all_of_it_again() -> None:
    """The card's own command is one of those that `make reference` runs."""
    words = (ROOM / "card" / "card.md").read_text()
    command = re.search(r"python -m replay card ([^\n`]+)", words)
    assert command is not None
    source = (ROOM.parents[1] / "benchmarks" / "reference.py").read_text()
    for option in re.findall(r"--[a-z-]+", command[1]):
        assert f'"{option}"' in source
