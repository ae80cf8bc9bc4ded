"""What slicing found, as objects, the JSON, or a folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from replay.reports.tables import percent
from replay.result import QUESTION
from replay.verdict import Verdict


@dataclass(frozen=True)
class Slice:
    """One group of decisions; rewards are per decision, None is "not known", see `reasons`."""

    by: str
    value_name: str
    n: int  # decisions
    users: int
    ess: float | None  # the smaller of the policy's and of what it is compared with
    small: bool  # too few users or too small an ess to be judged
    everywhere: bool  # it holds every decision: what is true of all is true of it
    value: float | None
    low: float | None
    high: float | None
    difference: float | None  # policy - against, paired
    difference_low: float | None
    difference_high: float | None
    p: float | None  # of no difference; None: not judged
    p_holm: float | None  # corrected for all slices that are judged
    exposure: float | None  # share of the policy's tips that fall to candidates of this group
    exposure_against: float | None
    dismissals: float | None  # share of the tips here that would be dismissed
    dismissals_low: float | None
    dismissals_high: float | None
    dismissals_against: float | None
    verdict: Verdict | None  # None: small or everywhere, hence not judged
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """`overdue=yes`."""
        return f"{self.by}={self.value_name}"

    @property
    def judged(self) -> bool:
        """Whether its number may be read, and took part in the correction and the gaps."""
        return self.verdict in ("reliable", "caution")


@dataclass(frozen=True)
class Gap:
    """The largest and the smallest value among the judged groups of one split."""

    by: str
    highest: str
    lowest: str
    value: float  # of the policy, highest - lowest
    against: float | None  # the same difference of the same two groups under `against`
    p: float  # of all groups being equal
    p_holm: float  # corrected for all splits


@dataclass(frozen=True)
class Slices:
    """A policy on one log, group by group."""

    path: str
    sha256: str
    policy: str
    against: str | None
    learn: str
    level: float
    whole: Slice  # all evaluated decisions, for comparison
    rows: Sequence[Slice]
    gaps: Sequence[Gap]
    notes: Sequence[str]

    @property
    def judged(self) -> list[Slice]:
        """The rows that are."""
        return [row for row in self.rows if row.judged]

    @property
    def small(self) -> list[Slice]:
        """The rows that are too small to be judged."""
        return [row for row in self.rows if row.small]

    @property
    def worse(self) -> list[Slice]:
        """The judged rows where the policy is shown to be worse than `against`, at the level."""
        return [row for row in self._shown if (row.difference or 0.0) < 0]

    @property
    def better(self) -> list[Slice]:
        """Those where it is shown to be better."""
        return [row for row in self._shown if (row.difference or 0.0) > 0]

    @property
    def _shown(self) -> list[Slice]:
        return [r for r in self.judged if r.p_holm is not None and r.p_holm < 1 - self.level]

    @property
    def says(self) -> str:
        """One sentence: whom the policy harms, as far as this log can tell."""
        asked = [row for row in self.judged if row.p_holm is not None]
        few = len(self.small)
        small = f"; {few} {'is' if few == 1 else 'are'} too small to be judged" if few else ""
        if self.against is None:
            return f"{len(self.judged)} of {len(self.rows)} slices can be judged{small}"
        if not asked:
            return f"none of {len(self.rows)} slices can be judged{small}"
        names = ", ".join(row.name for row in self.worse)
        found = f"worse than {self.against} in {names}" if names else (
            f"in none of {len(asked)} judged slices worse than {self.against}"
        )  # fmt: skip
        if self.better:
            found += f", in {len(self.better)} better"
        return f"{found} ({percent(self.level)}, Holm){small}"

    def to_dict(self) -> dict[str, Any]:
        """The object of `--json`; every number is finite."""
        return {
            "log": {"path": self.path, "sha256": self.sha256},
            "question": QUESTION,
            "policy": self.policy,
            "against": self.against,
            "learn": self.learn,
            "level": self.level,
            "says": self.says,
            "worse": [row.name for row in self.worse],
            "whole": _entry(self.whole),
            "slices": [_entry(row) for row in self.rows],
            "gaps": [asdict(gap) for gap in self.gaps],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a slice."""
        return pd.DataFrame([{**_entry(r), "reasons": "; ".join(r.reasons)} for r in self.rows])

    def report(self, directory: str | Path) -> Path:
        """Writes slices.json, summary.md and slices.png; returns `directory`."""
        from replay.slicing.report import write_report

        return write_report(self, Path(directory))


def _entry(row: Slice) -> dict[str, Any]:
    found = asdict(row)
    return {"name": row.name, **found, "judged": row.judged, "reasons": list(row.reasons)}
