"""Do the intervals cover, and how wide are they? Every estimator and interval, and the peers.

Each cell's replicates are independent logs; the truth is the population's value. A cell
that is done is kept in a file of its own and not run again unless the code has changed.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from replay.estimators import ESTIMATORS
from replay.intervals import INTERVALS
from replay.intervals.bootstrap import combined, resampled_means
from replay.judged import NO_INTERVAL, Setting, estimate
from replay.rounds import Rounds
from replay.studies.cells import CELLS
from replay.studies.peers import peers
from replay.studies.work import stream
from replay.verdict import Circumstances

REPLAY = Path(__file__).parent.parent
JUDGED = ("auto", "ips", "snips", "dr")  # the rows of a report that have an interval
OPEN = Circumstances(1.0, False, False, 0.0)  # full support, and nothing else against the log
CHUNK = 25  # replicates a job


@dataclass(frozen=True)
class Design:
    """Fixed before measuring; the seeds of each cell stand in `cells.py`."""

    cells: tuple[str, ...] = tuple(CELLS)
    most_seeds: int = 1000  # fewer of each cell, to see it run
    level: float = 0.95


@dataclass(frozen=True)
class Replicate:
    """What one log gave: (value, low, high) by pair, and how its rows were judged."""

    found: dict[str, tuple[float, float, float]]
    verdicts: dict[str, tuple[str, float, float]]  # row -> (verdict, low, high)
    ess: float


def study(design: Design, kept: Path | None = None) -> dict[str, Any]:
    """By cell: truth, and the rows of every pair. `kept`: where finished cells are."""
    prints = {name: _fingerprint(design, name) for name in design.cells}  # of the code as it runs
    done = {} if kept is None else _read(prints, kept)
    missing = [name for name in design.cells if name not in done]
    jobs = [
        (design.level, name, first, min(CHUNK, _seeds(design, name) - first))
        for name in missing
        for first in range(0, _seeds(design, name), CHUNK)
    ]
    results = stream(_chunk, jobs)
    for name in missing:
        chunks = islice(results, -(-_seeds(design, name) // CHUNK))
        done[name] = _cell(name, [replicate for chunk in chunks for replicate in chunk])
        if kept is not None:
            _write(prints[name], kept, name, done[name])
    return {
        "question": "value on logged contexts",
        "design": asdict(design),
        "cells": [done[name] for name in design.cells],
    }


def _seeds(design: Design, name: str) -> int:
    return min(design.most_seeds, CELLS[name].seeds)


def _chunk(job: tuple[float, str, int, int]) -> list[Replicate]:
    level, name, first, count = job
    return [replicate(CELLS[name].draw(s).rounds(), level, s) for s in range(first, first + count)]


def replicate(rounds: Rounds, level: float, seed: int) -> Replicate:
    """Every pair of estimator and interval, every peer and every judged row of one log."""
    estimates = {name: function(rounds) for name, function in ESTIMATORS.items()}
    means = resampled_means(rounds, np.hstack([e.columns for e in estimates.values()]), seed)
    found: dict[str, tuple[float, float, float]] = {}
    at = 0
    for name, e in estimates.items():
        at, columns = at + e.columns.shape[1], means[:, at : at + e.columns.shape[1]]
        if name in NO_INTERVAL:
            found[f"{name} -"] = (e.value, math.nan, math.nan)
            continue
        values = combined(e, columns)
        ends = np.quantile(values[np.isfinite(values)], [(1 - level) / 2, (1 + level) / 2])
        found[f"{name} bootstrap"] = (e.value, float(ends[0]), float(ends[1]))
        for interval in ("cluster-t", "martingale"):
            found[f"{name} {interval}"] = (e.value, *INTERVALS[interval](rounds, e, level, seed))
    for name in ("auto", "cressie-read"):  # intervals of the value, whatever the estimate
        e = estimates[name]
        found[f"{name} {name}"] = (e.value, *INTERVALS[name](rounds, e, level, seed))
    for name, (value, ends_of) in peers(rounds, level, seed).items():
        found[name] = (value, *ends_of)
    setting = Setting(JUDGED, "cluster-t", level, seed)
    verdicts: dict[str, tuple[str, float, float]] = {}
    for name in JUDGED:
        row = estimate(name, rounds, OPEN, setting)
        low, high = (math.nan if x is None else x for x in (row.low, row.high))
        verdicts[name] = (row.verdict, low, high)
    return Replicate(found, verdicts, rounds.ess)


def _cell(name: str, replicates: list[Replicate]) -> dict[str, Any]:
    truth, error = CELLS[name].truth()
    seeds = len(replicates)
    pairs = []
    for pair in replicates[0].found:
        value, low, high = np.array([r.found[pair] for r in replicates]).T
        covered = float(((low <= truth) & (truth <= high)).mean())
        known = not np.isnan(low).any()
        pairs.append(
            {
                "pair": pair,
                "coverage": covered if known else None,
                "width": float((high - low).mean()) if known else None,
                "bias": float(value.mean() - truth),
                "standard_deviation": float(value.std(ddof=1)),
            }
        )
    return {
        "cell": name,
        "seeds": seeds,
        "truth": truth,
        "truth_standard_error": error,
        "ess": float(np.median([r.ess for r in replicates])),
        "pairs": pairs,
        "verdicts": [_tally(row, truth, replicates) for row in JUDGED],
    }


def _tally(row: str, truth: float, replicates: list[Replicate]) -> dict[str, Any]:
    """How often a row was called what, and how often that was right."""
    said = [(*r.verdicts[row], r.ess) for r in replicates]
    covers = {v: [low <= truth <= high for w, low, high, _ in said if w == v] for v in VERDICTS}
    ample = [w for w, _, _, ess in said if ess > AMPLE]
    return {
        "row": row,
        **{v: len(c) for v, c in covers.items()},
        **{f"{v}_covered": sum(c) for v, c in covers.items()},
        "ample": len(ample),  # support is full in every cell
        "ample_refused": sum(w == "unreliable" for w in ample),
    }


VERDICTS = ("reliable", "caution", "unreliable")
AMPLE = 200.0  # an ess over which a log of full support is not to be refused


def _fingerprint(design: Design, name: str) -> str:
    """Of all that a cell's figures depend on: its design and the code that makes them."""
    digest = hashlib.sha256(f"{design.level} {name} {_seeds(design, name)}".encode())
    for source in sorted([*REPLAY.rglob("*.py"), *(REPLAY.parent / "policies").rglob("*.py")]):
        if source.parent.name in ROOMS or source.name in MEASURED:
            digest.update(source.read_bytes())
    return digest.hexdigest()


ROOMS = ("estimators", "intervals", "models", "policies")
MEASURED = ("cells.py", "intervals.py", "peers.py", "rounds.py", "verdict.py")


def _read(prints: Mapping[str, str], kept: Path) -> dict[str, dict[str, Any]]:
    out = {}
    for name, expected in prints.items():
        path = kept / f"{name}.json"
        if path.is_file():
            said = json.loads(path.read_text())
            if said["fingerprint"] == expected:
                out[name] = said["cell"]
    return out


def _write(fingerprint: str, kept: Path, name: str, cell: dict[str, Any]) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    part = kept / f".{name}.part"
    part.write_text(json.dumps({"fingerprint": fingerprint, "cell": cell}))
    part.replace(kept / f"{name}.json")
