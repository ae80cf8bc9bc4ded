"""The table of the gate's study in Markdown."""

from collections.abc import Mapping
from typing import Any

from replay.reports.tables import markdown_table


def gate_table(found: Mapping[str, Any]) -> str:
    """One row a world, the two intervals side by side."""
    d = found["design"]
    header = ["true gain", "its sd between people", "runs"]
    for name in dict.fromkeys(row["interval"] for row in found["worlds"]):
        header += [f"`{name}`: bound alone", "gate passed", "median day"]
    rows = []
    for ours, theirs in zip(found["worlds"][::2], found["worlds"][1::2], strict=True):
        cells = [f"{ours['gain']:g}", f"{ours['sd']:g}", f"{ours['runs']:,}"]
        for row in (ours, theirs):
            share = row["passed"] / row["runs"]
            cells += [
                f"{row['bound_alone'] / row['runs']:.3f}",
                f"{share:.3f} ± {row['passed_standard_error']:.3f}",
                "–" if row["median_day"] is None else f"{row['median_day']:g}",
            ]
        rows.append(cells)
    said = (
        f"Question: {found['question']}. {d['people']} people, {d['a_day']} decisions a day, the "
        f"gate run at the end of each of days {found['first_look']} to {d['days']}, one-sided "
        f"level {found['level']:g}; the policies rank differently on {d['apart']:.0%} of "
        f"decisions, where the challenger's favourite is logged with {d['epsilon'] / 2:g}. Passed: "
        "on some day every rule held but those left out (audit, training, latency); bound alone: "
        "on some day the lower bound was above 0."
    )
    return "\n".join([said, "", *markdown_table(header, rows)]) + "\n"
