"""What the doctor says: findings in plain sentences, and the one change that would help most."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from policies.errors import one_line

Severity = Literal["fact", "can", "cannot"]

CHANGES: Mapping[str, str] = {
    "pscore": "log pscore with each decision, by the code that draws the action",
    "every-pscore": "log pscore with every decision",
    "draw": "log the pmf that the action is drawn from, by the code that draws it, before any "
    "feedback of the decision is folded",
    "exploration": "mix in an exploration floor (epsilon > 0) and log the propensity",
    "once": "write each decision once, under one id and one user",
    "floor": "raise the exploration floor: rare actions carry all the weight",
    "pmf": "log the pmf over all candidates, not the action's propensity alone",
    "users": "log a pseudonym of the person with each decision",
    "people": "log more people: they are the sample, not their decisions",
    "window": "set a reward window and log when each answer came",
    "ask": "find out why tips stay unanswered: bounds are all that silence leaves",
    "spread": "log more decisions, or raise the exploration floor",
    "more": "log more decisions of more people: the logger explores as it is",
    "journal": "log state_seq and digest with each decision: an audit can then rebuild it",
    "context": "log contexts that differ between the candidates of a decision",
}
"""Changes to logging, the one that opens most questions first: what a log without
propensities cannot answer, no number of people makes up for."""


@dataclass(frozen=True)
class Finding:
    """One thing the doctor saw."""

    id: str  # for life; docs/doctor.md lists them
    severity: Severity
    says: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    helps: str | None = None  # a key of CHANGES


@dataclass(frozen=True)
class Diagnosis:
    """Plain sentences: what the log is, what it can answer, what it never can."""

    findings: list[Finding]

    def _of(self, severity: Severity) -> list[str]:
        return [one_line(f.says) for f in self.findings if f.severity == severity]

    @property
    def facts(self) -> list[str]:
        """What the log is."""
        return self._of("fact")

    @property
    def can(self) -> list[str]:
        """What it can answer."""
        return self._of("can")

    @property
    def cannot(self) -> list[str]:
        """What it cannot, and why."""
        return self._of("cannot")

    @property
    def advice(self) -> str | None:
        """The one change to logging that would help most; None: nothing to ask for."""
        asked = {f.helps for f in self.findings}
        return next((text for key, text in CHANGES.items() if key in asked), None)

    def named(self, id: str) -> list[Finding]:
        """The findings of one kind."""
        return [f for f in self.findings if f.id == id]

    def to_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "facts": self.facts,
            "can": self.can,
            "cannot": self.cannot,
            "advice": self.advice,
            "findings": [asdict(f) | {"says": one_line(f.says)} for f in self.findings],
        }


def said(
    id: str, severity: Severity, says: str, helps: str | None = None, **figures: Any
) -> Finding:
    """A finding with its figures."""
    return Finding(id, severity, says, figures, helps)


Findings = Iterable[Finding]
