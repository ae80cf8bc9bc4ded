"""The table of the study of plans."""

from collections.abc import Mapping
from typing import Any

from replay.reports.tables import markdown_table

HEADER = (
    "world",
    "design",
    "user-days",
    "planned power",
    "achieved power",
    "planned cost",
    "achieved cost",
)


def plan_table(found: Mapping[str, Any]) -> str:
    """One row a world and design."""
    d = found["design"]
    gains = sorted({row["gain"] for row in found["rows"]})
    lead = (
        f"Question: {found['question']}. {d['plans']} plans a world, each from a log of its own "
        f"of {d['users']} users ({d['worlds'][0]['days']} days, {d['worlds'][0]['a_day']:g} tips "
        f"a day, A at floor {d['logged']:g}), then {d['runs']} runs of each plan; true gains "
        f"{' and '.join(f'{g:.4f}' for g in gains)} reward a tip. Power: the {d['level']:.0%} "
        "interval is above 0. Standard errors over plans."
    )
    rows = [
        (
            r["world"],
            r["design"],
            _pm(r["user_days"], r["user_days_error"], ",.0f"),
            f"{r['planned_power']:.3f}",
            _pm(r["achieved_power"], r["power_error"], ".3f"),
            _pm(r["planned_cost"], r["planned_cost_error"], ",.0f"),
            _pm(r["achieved_cost"], r["achieved_cost_error"], ",.0f"),
        )
        for r in found["rows"]
    ]
    return "\n".join([lead, "", *markdown_table(HEADER, rows)]) + "\n"


def _pm(value: float, error: float, kind: str) -> str:
    return f"{value:{kind}} ± {error:{kind}}"
