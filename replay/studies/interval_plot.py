"""The picture of the study of intervals: coverage and width, cell by cell, `auto` and the peers."""

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from replay.studies.interval_goals import AUTO, USERS, judgement
from replay.studies.peers import PEERS

COLOURS = ("#1b7837", "#b2182b", "#d6604d", "#4393c3", "#b8860b", "0.5")


def plot_intervals(found: Mapping[str, Any]) -> bytes:
    """A PNG: above how often each interval covers, below how wide it is beside `auto`."""
    cells = found["cells"]
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    where = range(len(cells))
    pairs = [{p["pair"]: p for p in cell["pairs"]} for cell in cells]
    shown = [AUTO, *PEERS, USERS]
    labels = ["auto", *PEERS, "user bootstrap of ips"]
    for name, label, colour in zip(shown, labels, COLOURS, strict=True):
        size = 8 if name == AUTO else 5
        marker = "o" if name == AUTO else "x"
        covers = [p[name]["coverage"] for p in pairs]
        above.plot(where, covers, marker, color=colour, markersize=size, label=label)
        width = [p[name]["width"] / p[AUTO]["width"] for p in pairs]
        below.plot(where, width, marker, color=colour, markersize=size)
    goals = [judgement(cell).goal for cell in cells]
    above.step(where, goals, where="mid", color="k", lw=0.8, label="goal")
    above.set_ylabel("coverage")
    above.legend(fontsize=8, ncols=4)
    below.set_yscale("log")
    below.axhline(1, color="k", lw=0.8)
    below.set_ylabel("mean width, auto is 1")
    below.set_yticks([0.3, 0.5, 1, 2, 4], ["0.3", "0.5", "1", "2", "4"])
    below.minorticks_off()
    below.set_xticks(list(where), [cell["cell"] for cell in cells], rotation=90, fontsize=7)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100, metadata={"Software": None})
    return out.getvalue()
