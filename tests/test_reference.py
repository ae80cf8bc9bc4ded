"""The reference run in git is what this code gives: figures do not change unnoticed."""

import json
from pathlib import Path
from typing import Any

import pytest

from policies import make
from policies.features import parse_instant
from replay import evaluate, train
from sim import deployed, generate

KEPT = Path(__file__).parent.parent / "results" / "reference" / "evaluation" / "metrics.json"
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
