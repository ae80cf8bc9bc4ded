"""Two logs side by side: every measure with its figures and a plain reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journal.log import Log
from policies.errors import BadInput
from replay.given import GivenLog, log_given
from replay.shift.distances import (
    Cells,
    cells_of,
    chances,
    equal_users,
    holm,
    ks,
    psi,
    total_variation,
)
from replay.shift.measures import Measure, Pair, measures, pair_of

MODERATE, LARGE = 0.1, 0.25  # PSI, the field's rule of thumb (Siddiqi, 2006)
CHANCE = 0.05  # p, corrected for all measures, from which on chance explains a shift


@dataclass(frozen=True)
class Shift:
    """One measure in both logs."""

    name: str
    over: str
    cells: Cells
    psi: float
    statistic: str  # ks of numbers, total variation of categories
    distance: float
    p: float | None  # corrected for all measures; None: too few users
    means: tuple[float, float] | None  # old, new; None: categories
    values: tuple[int, int]

    @property
    def reading(self) -> str:
        """`stable`, `moderate` or `large`, by PSI alone."""
        return "large" if self.psi >= LARGE else "moderate" if self.psi >= MODERATE else "stable"

    @property
    def drifted(self) -> bool:
        """Moderate or large, and more than how people differ."""
        return self.reading != "stable" and self.p is not None and self.p < CHANCE

    @property
    def says(self) -> str:
        """The reading, in plain words."""
        if self.p is None:
            return f"{self.reading}; too few users to tell from chance"
        if self.reading == "stable":
            return "stable" if self.p >= CHANCE else "stable: a small shift, not by chance"
        if self.drifted:
            return f"{self.reading} shift"
        return f"{self.reading}, yet no more than people differ by chance"

    def to_dict(self) -> dict[str, Any]:
        """With the shares of every cell."""
        cells = zip(self.cells.names, self.cells.old, self.cells.new, strict=True)
        return {
            "measure": self.name,
            "over": self.over,
            "values": list(self.values),
            "psi": self.psi,
            "reading": self.reading,
            "statistic": self.statistic,
            "distance": self.distance,
            "p": self.p,
            "drifted": self.drifted,
            "says": self.says,
            "means": None if self.means is None else list(self.means),
            "cells": [{"cell": c, "old": float(a), "new": float(b)} for c, a, b in cells],
        }


@dataclass(frozen=True)
class Drift:
    """What changed from one log to another."""

    pair: Pair
    shifts: tuple[Shift, ...]
    notes: tuple[str, ...]
    seed: int

    @property
    def drifted(self) -> list[str]:
        """The measures that drifted, by PSI, the largest first."""
        return [s.name for s in sorted(self.shifts, key=lambda s: -s.psi) if s.drifted]

    @property
    def says(self) -> str:
        """One sentence: what drifted."""
        if self.drifted:
            return f"drifted: {', '.join(self.drifted)}"
        if all(s.p is None for s in self.shifts):
            return "too few users to tell drift from chance"
        return "nothing drifted by more than people differ"

    def to_dict(self) -> dict[str, Any]:
        """The object of `--json`; every number is finite."""
        return {
            "old": _about(self.pair.old),
            "new": _about(self.pair.new),
            "features": self.pair.old.features,
            "users_in_both": self.pair.in_both,
            "seed": self.seed,
            "says": self.says,
            "drifted": self.drifted,
            "measures": [s.to_dict() for s in self.shifts],
            "notes": list(self.notes),
        }

    def report(self, directory: str | Path) -> Path:
        """Writes drift.json, summary.md and drift.png. Raises `BadInput`."""
        from replay.shift.report import write_report

        return write_report(self, Path(directory))


def drift(old: GivenLog, new: GivenLog, *, seed: int = 0) -> Drift:
    """What changed from `old` to `new`; each a path, a `Log` or a DataFrame.

    `seed`: of the bootstrap over users. Raises `BadInput` where the feature sets differ.
    """
    if seed < 0:
        raise BadInput("seed", "must be an integer >= 0", seed)
    first, second = log_given(old), log_given(new)
    pair = pair_of(first, second)
    notes = [*first.notes, *(n for n in second.notes if n not in first.notes)]
    found = list(measures(pair, notes))
    corrected = holm(chances(found, pair.total, seed))
    shifts = tuple(_shift(m, p) for m, p in zip(found, corrected, strict=True))
    return Drift(pair, shifts, tuple(notes), seed)


def _shift(measure: Measure, p: float | None) -> Shift:
    cells = cells_of(measure)
    old, new = measure.old.value, measure.new.value
    numbers = not measure.categories
    return Shift(
        measure.name,
        measure.over,
        cells,
        psi(cells.old, cells.new),
        "ks" if numbers else "total variation",
        ks(old, new) if numbers else total_variation(cells.old, cells.new),
        p,
        (float(old.mean()), float(new.mean())) if numbers else None,
        (len(old), len(new)),
    )


def _about(log: Log) -> dict[str, Any]:
    return {
        "path": log.path,
        "sha256": log.sha256,
        "decisions": len(log),
        "users": len(log.user_names),
        "equal_users": equal_users(log.user),
        "candidates": int(log.offsets[-1]),
    }
