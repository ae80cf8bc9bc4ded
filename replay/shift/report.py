"""The folder of `drift`: drift.json, summary.md and one plot."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from policies.errors import one_line
from replay.reports.drawing import png
from replay.reports.folder import json_bytes, write_folder
from replay.reports.tables import markdown_table, tagless
from replay.shift.drift import LARGE, MODERATE, Drift, Shift

SHOWN = 4  # measures whose cells are drawn
MOST = 30  # measures whose PSI is drawn
WIDEST = 1.0  # PSI; longer bars are cut and have their number
LABELS = 14  # cells of a panel; of more, the first
COLOURS = {"stable": "#1b7837", "moderate": "#b8860b", "large": "#b2182b"}


def write_report(found: Drift, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    files = {
        "drift.json": json_bytes(found.to_dict()),
        "summary.md": summary(found).encode(),
        "drift.png": plot(found),
    }
    return write_folder(directory, files)


def summary(found: Drift) -> str:
    """The Markdown summary; also what the command prints."""
    old, new = found.pair.old, found.pair.new
    rows = [
        (
            one_line(s.name),
            f"{s.psi:.3f}",
            f"{s.distance:.3f} {s.statistic}",
            "–" if s.p is None else f"{s.p:.3f}",
            "–" if s.means is None else "{:.3f} → {:.3f}".format(*s.means),
            s.says,
        )
        for s in found.shifts
    ]
    lines = [
        "# Drift",
        "",
        f"From `{one_line(old.path)}` ({len(old)} decisions of {len(old.user_names)} users) to "
        f"`{one_line(new.path)}` ({len(new)} decisions of {len(new.user_names)} users).",
        "",
        tagless(one_line(found.says)),
        "",
        *markdown_table(("measure", "PSI", "distance", "p", "mean", "reading"), rows),
    ]
    for s in found.shifts:
        if s.drifted and s.means is None:
            cells = zip(s.cells.names, s.cells.old, s.cells.new, strict=True)
            shares = [(one_line(c), f"{a:.3f}", f"{b:.3f}") for c, a, b in cells]
            lines += ["", *markdown_table((s.name, "old", "new"), shares)]
    if found.notes:
        lines += ["", *(f"- {one_line(note)}" for note in found.notes)]
    return "\n".join(lines) + "\n"


def plot(found: Drift) -> bytes:
    """PSI of every measure; old and new shares of the cells of those that moved most."""
    ranked = sorted(found.shifts, key=lambda s: -s.psi)
    bars, panels = ranked[:MOST], ranked[:SHOWN]
    figure = Figure(figsize=(12, max(5.0, 1.5 + 0.25 * len(bars))), layout="constrained")
    grid = figure.add_gridspec(2, 4, width_ratios=[1, 1, 1.4, 1.4])
    axes = figure.add_subplot(grid[:, :2])
    for y, s in enumerate(bars):
        colour = COLOURS[s.reading]
        fill = colour if s.drifted else "none"
        axes.barh(y, min(s.psi, WIDEST), color=fill, edgecolor=colour)
        axes.text(min(s.psi, WIDEST) + 0.01, y, f"{s.psi:.2f}", va="center", fontsize=7)
    axes.set_yticks(range(len(bars)), [_label(s.name) for s in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * min(WIDEST, max(LARGE, *(s.psi for s in bars))))
    axes.axvline(MODERATE, color="0.6", lw=1, ls=":", label=f"{MODERATE:g} moderate")
    axes.axvline(LARGE, color="0.6", lw=1, label=f"{LARGE:g} large")
    axes.set_xlabel("PSI; filled: more than people differ by chance")
    axes.legend(fontsize=7)
    for i, s in enumerate(panels):
        _cells(figure.add_subplot(grid[i // 2, 2 + i % 2]), s)
    figure.legend(*figure.axes[-1].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return png(figure)


def _cells(axes: Axes, s: Shift) -> None:
    kept = np.flatnonzero((s.cells.old > 0) | (s.cells.new > 0))[:LABELS]
    at = np.arange(len(kept))
    axes.bar(at - 0.2, s.cells.old[kept], 0.4, color="0.6", label="old")
    axes.bar(at + 0.2, s.cells.new[kept], 0.4, color="#2166ac", label="new")
    names = [_label(s.cells.names[i], 24) for i in kept]
    axes.set_xticks(at, names, fontsize=6, rotation_mode="anchor", rotation=60, ha="right")
    axes.set_title(_label(s.name), fontsize=8)
    axes.set_ylabel("share", fontsize=7)
    axes.tick_params(axis="y", labelsize=7)


def _label(text: str, most: int = 32) -> str:
    """No more than fits, and no formula, which is what a `$` would begin."""
    return one_line(text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")
