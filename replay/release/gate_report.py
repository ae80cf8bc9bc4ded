"""The folder of a gate: gate.json and gate.md; and the lines that its command prints."""

from pathlib import Path

from policies.errors import one_line
from replay.release.gate_finding import Finding
from replay.release.gating import Gate
from replay.reports.folder import json_bytes, write_folder
from replay.reports.report import OTHER_QUESTION
from replay.reports.tables import markdown_table
from replay.result import QUESTION

SIGNS = {
    "margin": "> ",
    "min_ess": ">= ",
    "min_support": ">= ",
    "min_users": ">= ",
    "not_trained": "= ",
    "slice_floor": ">= ",
    "latency_p99_ms": "<= ",
    "served_p99_ms": "<= ",
}
"""What the figure must be to its threshold; words have no sign."""


def write_report(found: Gate, directory: Path) -> Path:
    """Writes the folder; each file appears whole, gate.json last: it is the evidence.

    Raises `BadInput` if `directory` is a file.
    """
    files = {"gate.md": summary(found).encode(), "gate.json": json_bytes(found.to_dict())}
    return write_folder(directory, files)


def lines(found: Gate) -> list[str]:
    """A line a rule, and the last: passed or refused."""
    width = max(len(f.rule) for f in found.findings)
    out = [
        one_line(
            f"{f.verdict:<10}  {f.rule:<{width}}  {_figure(f):>10}  {_threshold(f):<12}  {f.reason}"
        )
        for f in found.findings
    ]
    return [*out, "passed" if found.passed else "refused"]


def summary(found: Gate) -> str:
    """The Markdown page."""
    about = found.log
    rows = [(f.rule, _figure(f), _threshold(f), f.verdict, f.reason) for f in found.findings]
    text = [
        f"# Gate: {_outcome(found)}",
        "",
        f"`{found.challenger}` for the place of `{found.champion}`, run {found.at}.",
        "",
        f"Question: **{QUESTION}**, per decision shown. {OTHER_QUESTION}",
        "",
        f"- log `{about['path']}`, sha256 `{about['sha256'][:16]}…`",
        f"- {about['decisions']} decisions of {about['users']} users, {about['first']} to "
        f"{about['last']}, as of {about['as_of']}",
        f"- learn `{found.learn}`; {_looks(found)}",
        *(f"- {notice}" for notice in found.notices),
        "",
        *markdown_table(("rule", "figure", "threshold", "verdict", "reason"), rows),
    ]
    return "\n".join(map(one_line, text)) + "\n"


def _outcome(found: Gate) -> str:
    return "passed" if found.passed else f"refused: {', '.join(found.failed)}"


def _looks(found: Gate) -> str:
    rules = found.rules
    if rules.interval == "anytime":
        return f"the level {rules.level:g} holds however often the log is looked at"
    return f"`{rules.interval}` holds for one look at the level {rules.level:g}, not for daily ones"


def _figure(f: Finding) -> str:
    shown = f.low if f.low is not None else f.figure
    if shown is None or isinstance(shown, str):
        return shown or "–"
    return f"{shown:.4g}" if abs(shown) < 1000 else f"{shown:.0f}"


def _threshold(f: Finding) -> str:
    if isinstance(f.threshold, str):
        return f.threshold
    least = 0.0 - f.threshold if f.rule == "slice_floor" else f.threshold  # a loss, as a difference
    return f"{SIGNS[f.rule]}{least:g}"
