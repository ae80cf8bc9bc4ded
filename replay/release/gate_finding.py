"""One rule's outcome, and how a figure is held against its threshold."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "FAIL", "not judged"]

PASS: Outcome = "pass"
FAIL: Outcome = "FAIL"
NOT_JUDGED: Outcome = "not judged"  # counts neither way; a rule that requires it fails instead


@dataclass(frozen=True)
class Finding:
    """A rule with its figure, threshold and verdict; None: there is no such number."""

    rule: str  # the key of the rules file, or `not_trained`
    threshold: float | str
    figure: float | str | None
    verdict: Outcome
    reason: str
    low: float | None = None  # of `margin`: the lower bound, which is what is judged


def at_least(rule: str, threshold: float, figure: float | None, what: str) -> Finding:
    """Passes from the threshold on; a figure that is unknown fails, where any is asked for."""
    if figure is None and threshold <= 0:
        return not_judged(rule, threshold, f"{what} is unknown, and none is asked for")
    if figure is None:
        return Finding(rule, threshold, None, FAIL, f"{what} is unknown")
    held = figure >= threshold
    shown = f"{figure:.4g}" if figure < 1000 else f"{figure:.0f}"
    said = f"{what} {shown} is {'at least' if held else 'below'} {threshold:g}"
    return Finding(rule, threshold, figure, PASS if held else FAIL, said)


def not_judged(rule: str, threshold: float | str, reason: str) -> Finding:
    """A rule for which there is nothing to hold against it."""
    return Finding(rule, threshold, None, NOT_JUDGED, reason)
