"""How a table and a value with its interval are written."""

import re
from collections.abc import Sequence
from typing import Any


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table's lines."""
    return [
        f"| {' | '.join(header)} |",
        f"| {' | '.join('---' for _ in header)} |",
        *(
            f"| {' | '.join(tagless(str(cell)).replace('|', '/') for cell in row)} |"
            for row in rows
        ),
    ]


def tagless(text: str) -> str:
    """Text in which no name from a log is a tag; `<` before a number stays as it is."""
    return re.sub(r"(?<!\\)<(?=[A-Za-z/!?])", r"\\<", text)


def percent(level: float) -> str:
    """A confidence level, never rounded up to certainty: `95%`, `99.5%`."""
    return f"{100 * level:.13g}%"


def span(value: float | None, low: float | None, high: float | None, verdict: str) -> str:
    """`0.1234 [0.1, 0.2]`, or `refused` where the number must not be believed."""
    if verdict == "unreliable" or value is None:
        return "refused"
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f} [{low:.4f}, {high:.4f}]"
