"""What `follow-up` prints, and its folder: follow-up.json, summary.md and one plot."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from policies.errors import one_line
from replay.release.following import DEPLOYED, FollowUp
from replay.reports.drawing import png
from replay.reports.folder import json_bytes, write_folder
from replay.reports.tables import markdown_table
from replay.result import QUESTION

MOST_POINTS = 2000  # of the running mean


def write_report(found: FollowUp, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    files = {
        "follow-up.json": json_bytes(found.to_dict()),
        "summary.md": (summary(found) + "\n![follow-up](follow-up.png)\n").encode(),
        "follow-up.png": plot(found),
    }
    return write_folder(directory, files)


def summary(found: FollowUp) -> str:
    """The Markdown summary; also what the command prints."""
    p, o = found.promise, found.observed
    rows = []
    if p is not None:
        rows.append(
            ("promised", QUESTION, f"{p.value:.4f}", _span(p.low, p.high), f"{p.estimator}, card")
        )
    if o is not None:
        people = f"{o.decisions} decisions, {o.users} people, {o.days} days"
        rows += [
            ("observed", DEPLOYED, f"{o.mean:.4f}", _span(o.low, o.high), f"cluster-t, {people}"),
            ("", "", "", _span(o.anytime_low, o.anytime_high), "anytime: at every look"),
        ]
    lines = [
        "# Follow-up",
        "",
        f"- `{found.rollout.new}`, `{found.rollout.spec}`, champion since {found.rollout.at}",
        f"- log `{found.log['path']}`, sha256 `{found.log['sha256'][:16]}…`, "
        f"{found.log['decisions_since']} decisions since {found.log['since']}, "
        f"{found.log['window_open']} left out, reward window open",
        "",
        *markdown_table(("", "question", "reward a decision", "interval", "by"), rows),
        "",
        f"**{found.verdict or 'nothing to hold it against'}**: {found.reason}",
        "",
        *(f"- {note}" for note in found.notes),
    ]
    return "\n".join(map(one_line, lines)) + "\n"


def plot(found: FollowUp) -> bytes:
    """The running mean since the promotion, over the band that was promised."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    p, o = found.promise, found.observed
    if p is not None:
        label = f"promised ({QUESTION})"
        axes.axhspan(p.low, p.high, color="#2166ac", alpha=0.15, lw=0, label=label)
        axes.axhline(p.value, color="#2166ac", lw=1)
    if found.course is not None and o is not None:
        days, running = found.course
        kept = np.unique(np.linspace(0, len(days) - 1, MOST_POINTS).astype(int))
        axes.plot(days[kept], running[kept], color="#1b7837", lw=1, label=f"observed ({DEPLOYED})")
        for low, high, width, label in (
            (o.low, o.high, 4, "cluster-t"),
            (o.anytime_low, o.anytime_high, 1, "anytime"),
        ):
            if low is not None and high is not None:
                ends = ([days[-1]] * 2, [low, high])
                axes.plot(*ends, color="#1b7837", lw=width, alpha=0.6, label=label)
    axes.set_xlabel("days since then")
    axes.set_ylabel("reward per decision")
    axes.set_title(f"{found.rollout.new}: {found.verdict or 'no promise'}", fontsize=9)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7)
    return png(figure)


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"[{low:.4f}, {high:.4f}]"
