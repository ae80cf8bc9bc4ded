"""The folder of `replay shadow`: shadow.json, summary.md and one plot."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from policies.errors import one_line
from replay.online.shadow_result import ShadowReport, ShadowValue
from replay.reports.drawing import png
from replay.reports.folder import json_bytes, write_folder
from replay.reports.report import OTHER_QUESTION
from replay.reports.tables import markdown_table, span
from replay.result import QUESTION

AGREEMENT = "agreement, not value"
HEADER = ("shadow", "estimator", "value", "difference to served", "ess", "support", "verdict")
ABOUT = ("shadow", "decisions", "users", "failed", AGREEMENT, "served earned")


def write_report(found: ShadowReport, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    files = {
        "shadow.json": json_bytes(found.to_dict()),
        "summary.md": (summary(found) + "\n![shadow](shadow.png)\n").encode(),
        "shadow.png": plot(found),
    }
    return write_folder(directory, files)


def summary(found: ShadowReport) -> str:
    """The Markdown summary; also what the command prints."""
    log, sample = found.log, found.sample
    lines = [
        "# Policies in shadow",
        "",
        f"Question: **{QUESTION}**, per decision shown. {OTHER_QUESTION}",
        "",
        f"- log `{one_line(log.path)}`, {len(sample.rows)} decisions evaluated",
        f"- intervals at level {found.setting.level:g} hold at all daily looks at once: look "
        "every day, stop when you like",
        f"- {AGREEMENT}: share of decisions whose most probable candidate was the one shown",
        *(f"- {one_line(notice)}" for notice in found.notices),
        "",
        *markdown_table(ABOUT, [_about(value) for value in found.shadows]),
        "",
        *markdown_table(HEADER, [row for value in found.shadows for row in _rows(value)]),
    ]
    why = _reasons(found)
    if why:
        lines += ["", "## Why not simply believe it", "", *why]
    return "\n".join(lines) + "\n"


def plot(found: ShadowReport) -> bytes:
    """How each difference went, day by day, with the band that holds at every day."""
    count = len(found.shadows)
    figure = Figure(figsize=(8, 0.8 + 2.7 * count), layout="constrained")
    panels = figure.subplots(count, 1, squeeze=False, sharex=True)[:, 0]
    for axes, value in zip(panels, found.shadows, strict=True):
        _panel(axes, value)
    figure.align_ylabels()
    panels[-1].set_xlabel("day of the shadow; the first look is on day 7")
    return png(figure)


def _panel(axes: Axes, value: ShadowValue) -> None:
    name = value.policy if len(value.policy) <= 70 else f"{value.policy[:69]}…"
    axes.set_title(one_line(name).replace("$", r"\$"), fontsize=9)
    axes.axhline(0.0, color="0.6", lw=1)
    axes.set_ylabel(f"difference to served\n{value.estimator or ''}", fontsize=8)
    seen = [look for look in value.looks if look.low is not None and look.high is not None]
    if not seen:
        said = "no look can be shown yet"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", fontsize=8)
        return
    days = [look.day for look in seen]
    low, high = [look.low or 0.0 for look in seen], [look.high or 0.0 for look in seen]
    axes.fill_between(days, low, high, color="#2166ac", alpha=0.2, lw=0, label="anytime band")
    middle = [look.value or 0.0 for look in seen]
    axes.plot(days, middle, color="#2166ac", marker="." if len(days) < 40 else None)
    axes.legend(fontsize=7)


def _about(value: ShadowValue) -> tuple[str, ...]:
    agreement = "-" if value.agreement is None else f"{value.agreement:.3f}"
    failed = f"{value.failed} ({value.failed / value.decisions:.2%})"
    name = one_line(value.policy)
    return (name, f"{value.decisions}", f"{value.users}", failed, agreement, f"{value.served:.4f}")


def _rows(value: ShadowValue) -> list[tuple[str, ...]]:
    return [
        (
            one_line(value.policy),
            row.estimator,
            span(row.value, row.low, row.high, row.verdict),
            span(d.value, d.low, d.high, d.verdict),
            "-" if row.ess is None else f"{row.ess:.0f}",
            "-" if row.support is None else f"{row.support:.3f}",
            row.verdict if row.verdict == d.verdict else f"{row.verdict} / {d.verdict}",
        )
        for row, d in zip(value.estimates, value.differences, strict=True)
    ]


def _reasons(found: ShadowReport) -> list[str]:
    """A line for every reason, each said once."""
    said: dict[tuple[str, str], list[str]] = {}
    for value in found.shadows:
        for row, d in zip(value.estimates, value.differences, strict=True):
            for reason in dict.fromkeys([*row.reasons, *d.reasons]):
                said.setdefault((value.policy, reason), []).append(row.estimator)
    return [
        one_line(f"- {policy} {', '.join(names)}: {reason}")
        for (policy, reason), names in said.items()
    ]
