"""What a plan found: two designs, their questions, and what each would take."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OFF_POLICY = "off-policy"
AB_TEST = "A/B test"
QUESTIONS = {OFF_POLICY: "value on logged contexts", AB_TEST: "value if deployed"}


@dataclass(frozen=True)
class Span:
    """A value with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class More:
    """What else would do: the same users for longer, or a look every day."""

    days: int | None  # of the log's users; None: see why
    user_days: int | None
    why: str | None
    daily_length: float | None  # of an interval that holds every day, over the one used
    daily_user_days: float | None  # times as many


@dataclass(frozen=True)
class Row:
    """What one floor, or the A/B test, would take; None is "the log cannot say", see reasons."""

    floor: float | None  # of the logger; None: an A/B test
    user_days: int | None = None
    user_days_interval: tuple[float, float] | None = None  # resampling the log's users
    users: int | None = None  # of `days` each
    days: int | None = None  # the log's
    tips: float | None = None
    ess: float | None = None  # of the evaluation policy's weights; None: there are no weights
    power: float | None = None  # at these users
    bound: str | None = None  # what asks for so many: power, ess or users
    cost_per_tip: Span | None = None  # reward lost
    cost: float | None = None  # in total
    more: More | None = None
    reasons: tuple[str, ...] = ()

    @property
    def planned(self) -> bool:
        """Whether the log could say."""
        return self.user_days is not None


@dataclass(frozen=True)
class Part:
    """One design."""

    name: str
    between: float | None  # standard deviation between users of what is compared
    rows: tuple[Row, ...]
    reasons: tuple[str, ...]  # why there is no plan, or what a reader must know

    @property
    def planned(self) -> list[Row]:
        """The rows that have one."""
        return [row for row in self.rows if row.planned]

    def to_dict(self) -> dict[str, Any]:
        """Verdict first."""
        return {
            "design": self.name,
            "question": QUESTIONS[self.name],
            "verdict": "planned" if self.planned else "refused",
            "reasons": list(self.reasons),
            "between_users": self.between,
            "rows": [asdict(row) for row in self.rows],
        }


@dataclass(frozen=True)
class Plan:
    """The result of `plan`."""

    about: dict[str, Any]  # the log, the policies, what was asked
    difference: Span | None  # B - A on this log, where it can be believed
    designs: tuple[Part, Part]
    recommendation: str
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def off_policy(self) -> Part:
        """Log with A at a floor, evaluate B on it."""
        return self.designs[0]

    @property
    def ab_test(self) -> Part:
        """Half of the users each."""
        return self.designs[1]

    @property
    def computable(self) -> bool:
        """Whether either design could be planned."""
        return any(part.planned for part in self.designs)

    @property
    def recommended(self) -> Row | None:
        """The off-policy row of the recommendation."""
        return recommended(self.off_policy.planned)

    def to_dict(self) -> dict[str, Any]:
        """The object of `--json`; every number is finite."""
        row = self.recommended
        return {
            **self.about,
            "difference": None if self.difference is None else asdict(self.difference),
            "designs": [part.to_dict() for part in self.designs],
            "recommended_floor": None if row is None else row.floor,
            "recommendation": self.recommendation,
            "assumptions": list(self.assumptions),
            "notes": list(self.notes),
        }

    def report(self, directory: str | Path) -> Path:
        """Writes plan.json, summary.md and plan.png. Raises `BadInput`."""
        from replay.planning.report import write_report

        return write_report(self, Path(directory))


PATIENCE = 2.0  # times the quickest floor's user-days that a cheaper floor may take


def recommended(rows: list[Row]) -> Row | None:
    """The cheapest of the floors that take at most `PATIENCE` times the quickest's user-days.

    Cheapest: least cost in total; of equals, and where no cost is known, the lowest floor.
    """
    if not rows:
        return None
    quickest = min(row.user_days or 0 for row in rows)
    near = [row for row in rows if (row.user_days or 0) <= PATIENCE * quickest]
    return min(near, key=lambda row: (row.cost or 0.0, row.floor or 0.0))
