"""The study `experiment` in Markdown: daily looks at equal variants, the ratio test's size."""

from collections.abc import Mapping
from typing import Any

from replay.reports.tables import markdown_table


def experiment_table(found: Mapping[str, Any]) -> str:
    """One row a cell, the two intervals side by side; one row a split."""
    d, rows = found["design"], []
    for ours, theirs in zip(found["cells"][::2], found["cells"][1::2], strict=True):
        same = ours["control"] == ours["challenger"]
        rows.append(
            (
                ours["scenario"],
                "equal" if same else f"{ours['gain']:+.3f}",
                f"{ours['people']} ({ours['share']:g})",
                f"over {int(ours['joining'] * d['days'])} days" if ours["joining"] else "on day 1",
                *(
                    cell
                    for r in (ours, theirs)
                    for cell in (
                        f"{r['passed'] / r['runs']:.3f}",
                        f"{r['missed'] / r['runs']:.3f} ± {r['missed_standard_error']:.3f}",
                        f"{r['missed_on_the_last_day'] / r['runs']:.3f}",
                    )
                ),
            )
        )
    names = ("passed", "missed", "missed, last day")
    header = (
        "scenario", "true difference", "people (control)", "begin",
        *(f"`{i}` {n}" for i in ("anytime", "cluster-t") for n in names),
    )  # fmt: skip
    splits = [
        (
            ", ".join(f"{s:g}" for s in r["shares"]),
            r["people"],
            f"{r['lost']:.0%}",
            r["test"],
            *(f"{r[key] / r['runs']:.3f}" for key in r if key.startswith("p <")),
        )
        for r in found["splits"]
    ]
    lines = [
        f"Question: {found['question']}. Each of {d['pool']} simulated people lived {d['days']} "
        f"days under each policy; a run draws people and assigns them by the hash. {d['runs']:,} "
        f"runs a row, intervals of {d['level']:.0%}, a look at the end of each of days "
        f"{found['first_look']} to {d['days']}. Passed: the lower bound was above 0 at some look; "
        "missed: the true difference of that day was outside at some look, or on the last day.",
        "",
        *markdown_table(header, rows),
        "",
        "The sample ratio test on users split by the hash, and where users of the last variant "
        "were lost:",
        "",
        *markdown_table(
            ("shares", "people", "lost", "test", "p < 0.05", "p < 0.01", "p < 0.001"), splits
        ),
    ]
    return "\n".join(lines) + "\n"
