"""The folder of `slices`: slices.json, summary.md and a forest plot."""

from pathlib import Path

from matplotlib.figure import Figure

from policies.errors import one_line
from replay.reports.drawing import png
from replay.reports.folder import json_bytes, write_folder
from replay.reports.tables import markdown_table, span, tagless
from replay.result import QUESTION
from replay.slicing.result import Slice, Slices

HEADER = ("slice", "decisions", "users", "value", "difference", "p (Holm)", "exposure", "dismissed")
WORSE, BETTER, PLAIN = "#b2182b", "#1b7837", "#35618f"


def write_report(found: Slices, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    files = {
        "slices.json": json_bytes(found.to_dict()),
        "summary.md": summary(found).encode(),
        "slices.png": plot(found),
    }
    return write_folder(directory, files)


def summary(found: Slices) -> str:
    """The Markdown summary; also what the command prints."""
    lines = [
        "# Slices",
        "",
        f"Question: **{QUESTION}**, group by group. `{found.policy}`"
        + (f" against `{found.against}`." if found.against else "."),
        "",
        f"{tagless(found.says[:1].upper() + found.says[1:])}.",
        "",
        *tables(found),
    ]
    if found.notes:
        lines += ["", *(f"- {note}" for note in found.notes)]
    return "\n".join(map(one_line, lines)) + "\n"


def tables(found: Slices) -> list[str]:
    """The slices and their gaps, as Markdown."""
    lines = markdown_table(HEADER, [cells(row) for row in (found.whole, *found.rows)])
    if found.gaps:
        header = ("largest gap by", "value", "between", f"of {found.against or '–'}", "p (Holm)")
        lines += ["", *markdown_table(header, gap_rows(found))]
    return lines


def gap_rows(found: Slices) -> list[tuple[str, ...]]:
    """The largest gap of every split."""
    return [
        (
            gap.by,
            f"{gap.value:.4f}",
            f"{gap.highest} over {gap.lowest}",
            "–" if gap.against is None else f"{gap.against:+.4f}",
            chance(gap.p_holm),
        )
        for gap in found.gaps
    ]


def cells(row: Slice) -> tuple[str, ...]:
    """A slice under `HEADER`."""
    verdict = "unreliable" if row.verdict == "unreliable" else "reliable"
    if row.small:
        value = difference = "small"
    elif row.everywhere:
        value = difference = "as all"
    else:
        value = span(row.value, row.low, row.high, verdict)
        difference = span(row.difference, row.difference_low, row.difference_high, verdict)
        if row.difference is None and verdict == "reliable":
            difference = "–"
    share = "–" if row.exposure is None else f"{row.exposure:.1%}"
    if row.exposure is not None and row.exposure_against is not None:
        share += f" ({row.exposure_against:.1%})"
    away = "–"
    if row.judged and row.dismissals is not None:
        away = f"{row.dismissals:.1%} [{row.dismissals_low:.1%}, {row.dismissals_high:.1%}]"
        if row.dismissals_against is not None:
            away += f" ({row.dismissals_against:.1%})"
    return (
        "all decisions" if row.by == "all" else row.name,
        str(row.n),
        str(row.users),
        value,
        difference,
        chance(row.p_holm),
        share,
        away,
    )


def chance(p: float | None) -> str:
    """A p value as it is shown."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def plot(found: Slices) -> bytes:
    """Value and difference of every judged slice with its interval, the whole log's as a line."""
    return png(figure(found))


def figure(found: Slices) -> Figure:
    """The forest: one row a slice; small and refused ones are named and left empty."""
    rows = list(found.rows)
    paired = found.against is not None
    height = 1.4 + 0.24 * max(len(rows), 3)
    drawn = Figure(figsize=(9 if paired else 6, height), layout="constrained")
    axes = drawn.subplots(1, 2 if paired else 1, sharey=True, squeeze=False)[0]
    worse, better = ({r.name for r in some} for some in (found.worse, found.better))
    for y, row in enumerate(rows):
        if not row.judged or row.value is None:
            said = "small" if row.small else "as all" if row.everywhere else "refused"
            for ax in axes:
                ax.text(0.02, y, said, transform=ax.get_yaxis_transform(), va="center",
                        fontsize=7, color="0.45")  # fmt: skip
            continue
        colour = WORSE if row.name in worse else BETTER if row.name in better else PLAIN
        axes[0].plot([row.low, row.high], [y, y], color=PLAIN, lw=1.5)
        axes[0].plot(row.value, y, "o", color=PLAIN, markersize=4)
        if paired and row.difference is not None:
            axes[1].plot([row.difference_low, row.difference_high], [y, y], color=colour, lw=1.5)
            axes[1].plot(row.difference, y, "o", color=colour, markersize=4)
    axes[0].set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=8)
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    axes[0].set_xlabel("value, reward per decision")
    if found.whole.value is not None and found.whole.verdict != "unreliable":
        axes[0].axvline(found.whole.value, color="0.6", lw=1, ls=":")
    if paired:
        axes[1].axvline(0.0, color="0.6", lw=1)
        axes[1].set_xlabel(f"difference to {_short(found.against or '')}")
    return drawn


def _label(row: Slice) -> str:
    return _short(f"{row.name} (n = {row.n})")


def _short(text: str, most: int = 42) -> str:
    """No more than fits, and no formula, which is what a `$` would begin."""
    return one_line(text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")
