"""The folder of `plan`: plan.json, summary.md and one plot."""

from pathlib import Path

from matplotlib.figure import Figure

from policies.errors import one_line
from replay.planning.result import PATIENCE, QUESTIONS, Part, Plan, Row, Span
from replay.reports.drawing import png
from replay.reports.folder import json_bytes, write_folder
from replay.reports.tables import markdown_table, percent

OFF = "#2166ac"
TEST = "#b2182b"
HEADER = ("floor", "user-days", "95%", "users", "days", "ess", "bound by", "cost a tip", "cost")
MORE = ("floor", "days of the log's users", "user-days", "daily looks: length", "user-days")


def write_report(found: Plan, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    files = {
        "plan.json": json_bytes(found.to_dict()),
        "summary.md": (summary(found) + "\n![plan](plan.png)\n").encode(),
        "plan.png": plot(found),
    }
    return write_folder(directory, files)


def summary(found: Plan) -> str:
    """The Markdown summary; also what the command prints."""
    about = found.about
    log = about["log"]
    lines = [
        "# Plan",
        "",
        f"B `{one_line(about['policy'])}` against A `{one_line(about['against'])}` (learn "
        f"{about['learn']}), from `{one_line(log['path'])}`: {log['decisions']} decisions of "
        f"{log['users']} users in {log['days']} days, {about['tips_per_day']:.2f} tips a "
        f"user-day planned. To be found: a difference of {about['detect']:g} reward a tip, at "
        f"{about['power']:.0%} power, by a {about['level']:.0%} interval.",
        "",
        f"B - A on this log: {_span(found.difference)}.",
        "",
        f"**{one_line(found.recommendation)}**",
    ]
    for part in found.designs:
        lines += ["", *_part(part, about["level"])]
    lines += ["", "## Assumptions", "", *(f"- {a}" for a in found.assumptions)]
    if found.notes:
        lines += ["", "## Notes", "", *(f"- {one_line(note)}" for note in found.notes)]
    return "\n".join(lines) + "\n"


def _part(part: Part, level: float) -> list[str]:
    lines = [f"## {part.name[0].upper()}{part.name[1:]}: {QUESTIONS[part.name]}", ""]
    if not part.planned:
        return [*lines, "Refused.", "", *(f"- {one_line(reason)}" for reason in part.reasons)]
    if part.between is not None:
        lines += [f"Between users the standard deviation is {part.between:.3f}.", ""]
    header = [percent(level) if h == "95%" else h for h in HEADER]
    lines += [*markdown_table(header, [_cells(row) for row in part.rows]), ""]
    lines += markdown_table(MORE, [_more(row) for row in part.planned])
    whys = [row.more.why for row in part.planned if row.more and row.more.why]
    whys += [r for row in part.rows for r in row.reasons]
    return [*lines, *([""] if whys else []), *(f"- {w}" for w in dict.fromkeys(whys))]


def _cells(row: Row) -> tuple[str, ...]:
    name = _floor(row)
    if row.user_days is None or row.user_days_interval is None:
        return (name, "refused", *["–"] * (len(HEADER) - 2))
    low, high = row.user_days_interval
    return (
        name,
        f"{row.user_days:,}",
        f"{low:,.0f} to {high:,.0f}",
        f"{row.users:,}",
        f"{row.days}",
        "–" if row.ess is None else f"{row.ess:,.0f}",
        str(row.bound),
        "–" if row.cost_per_tip is None else f"{row.cost_per_tip.value:.4f}",
        "–" if row.cost is None else f"{row.cost:,.1f}",
    )


def _more(row: Row) -> tuple[str, ...]:
    more = row.more
    assert more is not None  # a planned row has one
    return (
        _floor(row),
        "never" if more.days is None else f"{more.days:,}",
        "–" if more.user_days is None else f"{more.user_days:,}",
        "–" if more.daily_length is None else f"x {more.daily_length:.2f}",
        "–" if more.daily_user_days is None else f"x {more.daily_user_days:.2f}",
    )


def _floor(row: Row) -> str:
    return "A/B" if row.floor is None else f"{row.floor:g}"


def _span(span: Span | None) -> str:
    return "refused" if span is None else f"{span.value:.4f} [{span.low:.4f}, {span.high:.4f}]"


def plot(found: Plan) -> bytes:
    """User-days and cost against the floor, the A/B test as a line."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    days, cost = figure.subplots(1, 2)
    rows = found.off_policy.planned
    chosen = found.recommended
    floors = [row.floor or 0.0 for row in rows]
    if rows:
        each = [float(row.user_days or 0) for row in rows]
        low, high = zip(*(row.user_days_interval or (0.0, 0.0) for row in rows), strict=True)
        days.fill_between(floors, low, high, color=OFF, alpha=0.15, label="users resampled")
        days.plot(floors, each, "o-", color=OFF, label="off-policy: log with A at the floor")
        paid = [row.cost for row in rows if row.cost is not None]
        if len(paid) == len(rows):
            cost.plot(floors, paid, "o-", color=OFF, label=f"over floor {min(floors):g}")
    if chosen is not None and chosen.floor is not None:
        label = f"recommended: cheapest within {PATIENCE:g} x the quickest"
        days.axvline(chosen.floor, color="0.6", ls=":", label=label)
        cost.axvline(chosen.floor, color="0.6", ls=":")
    for row in found.ab_test.planned:
        days.axhline(float(row.user_days or 0), color=TEST, label="A/B test")
        if row.cost is not None:
            cost.axhline(row.cost, color=TEST, label="A/B test, B worse by what is to be found")
    days.set_yscale("log")
    days.set_ylabel("user-days")
    cost.set_ylabel("cost over the plan, reward")
    for axes in (days, cost):
        axes.set_xlabel("exploration floor of the logger")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    return png(figure)
