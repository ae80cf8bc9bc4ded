"""The folder of `experiment`: experiment.json, summary.md and the differences by day."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from policies.errors import one_line
from replay.online.experiment import ASSUMES, QUESTION, Difference, Experimented
from replay.reports.drawing import png
from replay.reports.folder import json_bytes, write_folder
from replay.reports.tables import markdown_table, span

COLOURS = {"cluster_t": "#2166ac", "anytime": "#b8860b"}
NAMES = {"cluster_t": "cluster-t: this day alone", "anytime": "anytime: all days at once"}


def write_report(found: Experimented, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    files = {
        "experiment.json": json_bytes(found.to_dict()),
        "summary.md": summary(found).encode(),
        "experiment.png": plot(found),
    }
    return write_folder(directory, files)


def summary(found: Experimented) -> str:
    """The Markdown summary; also what the command prints."""
    ratio, name = found.ratio, one_line(found.sample.name)
    split = ", ".join(
        f"{v} {ratio.users[v]} of {ratio.expected[v]:.1f} expected" for v in ratio.users
    )
    says = f"Sample ratio ({ratio.test}): p = {ratio.p:.3g}; users: {split}."
    lines = [f"# Experiment {name}", ""]
    if found.broken:
        lines += [
            f"**Sample ratio mismatch: nothing below can be believed.** {says} Users were lost, "
            "or assigned otherwise; find out why first.",
            "",
        ]
    lines += [
        f"Question: **{QUESTION}**, reward per decision. Each user lived with one policy, so its "
        "own choices shaped what came next: this is what measures it.",
        "",
        f"{found.days} days, log `{one_line(found.sample.log.path)}`; {found.censored} decisions "
        "left out, reward window open; silence counts as the default reward.",
        *([] if found.broken else [says]),
        "",
        *markdown_table(
            ("variant", "users", "probability", "decisions", "answered", "mean reward", "policy"),
            [
                (
                    one_line(a.variant),
                    a.users,
                    f"{a.probability:g}",
                    a.decisions,
                    "–" if a.answered is None else f"{a.answered:.1%}",
                    "–" if a.mean_reward is None else f"{a.mean_reward:.4f}",
                    one_line(", ".join(f"`{p}`" for p in a.policies)),
                )
                for a in found.arms
            ],
        ),
        "",
        *markdown_table(
            (
                f"difference to {one_line(found.control)}",
                f"cluster-t, {found.level:g}",
                f"anytime, {found.level:g}",
                "verdict",
            ),
            [(one_line(d.variant), _shown(d, d.cluster_t), _shown(d, d.anytime), d.verdict)
             for d in found.differences],
        ),
        "",
        "`cluster-t` holds for one look at a time fixed before; `anytime` for all daily looks from "
        "day 7 on: stop by it whenever you like.",
        "",
        *(f"- {one_line(d.variant)}: {one_line(r)}" for d in found.differences for r in d.reasons),
        *(f"- {one_line(n)}" for n in found.notes),
        f"- it still assumes {'; '.join(ASSUMES)}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _shown(d: Difference, interval: tuple[float, float] | None) -> str:
    low, high = interval or (None, None)
    text = span(d.value, low, high, d.verdict)
    return text if interval is not None or text == "refused" else "–"


def plot(found: Experimented) -> bytes:
    """Each difference as of the end of each day, within both bands."""
    count = len(found.differences)
    figure = Figure(figsize=(8, 0.8 + 3.2 * count), layout="constrained")
    panels = figure.subplots(count, 1, squeeze=False)[:, 0]
    for axes, d in zip(panels, found.differences, strict=True):
        day = np.arange(1, found.days + 1)
        for name in ("anytime", "cluster_t"):
            half = getattr(d.bands, name)
            axes.fill_between(
                day, d.bands.value - half, d.bands.value + half, step="mid", alpha=0.25,
                color=COLOURS[name], label=NAMES[name], linewidth=0,
            )  # fmt: skip
        axes.plot(day, d.bands.value, "o-", ms=3, color="#2166ac")
        axes.axhline(0.0, color="0.4", lw=1)
        late = d.bands.error[len(day) // 4 :]  # the first days are too wide to be worth seeing
        if np.isfinite(late).any() and np.nanmax(late) > 0:
            reach = 4 * float(np.nanmax(late))
            axes.set_ylim(min(d.bands.value[-1], 0) - reach, max(d.bands.value[-1], 0) + reach)
        broken = ", SAMPLE RATIO MISMATCH" if found.broken else ""
        title = f"{one_line(d.variant)} minus {one_line(d.against)}: {d.verdict}{broken}"
        axes.set_title(title.replace("$", r"\$"), fontsize=9)
        axes.set_ylabel("reward per decision")
        axes.legend(fontsize=7)
    for axes in panels:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[-1].set_xlabel(f"end of day; {QUESTION}")
    return png(figure)
