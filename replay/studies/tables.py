"""The studies' tables in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from replay.reports.tables import markdown_table


def coverage_table(found: Mapping[str, Any]) -> str:
    """One row an estimator."""
    d = found["design"]
    lines = [
        f"Question: {found['question']}. `{d['policy']}` trained on one log and frozen, "
        f"{d['logs']} `{d['logger']}` logs of fresh people ({d['scenario']}, {d['users']} people, "
        f"the first {d['decisions']:,} decisions); truth_world {found['truth_world']:.5f} "
        f"± {found['truth_world_standard_error']:.5f} from {d['truth_logs']} further logs.",
        "",
        "| estimator | covered | coverage | bias | sd of estimates | mean half-width |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["estimators"]:
        share = (
            f"{row['covered']} of {row['logs']} | {row['covered'] / row['logs']:.2f} "
            f"± {row['coverage_standard_error']:.2f}"
            if row["covered"] is not None
            else "no valid interval | –"
        )
        width = "–" if row["mean_half_width"] is None else f"{row['mean_half_width']:.4f}"
        lines.append(
            f"| {row['estimator']} | {share} | {row['bias']:+.4f} ± "
            f"{row['bias_standard_error']:.4f} | {row['standard_deviation']:.4f} | {width} |"
        )
    return "\n".join(lines) + "\n"


def hour_table(found: Mapping[str, Any]) -> str:
    """One row a scenario."""
    d = found["design"]
    lines = [
        f"Question: {found['question']}. `{d['own']}` against `{d['shared']}` in closed loop, "
        f"{d['seeds']} seeds, {d['users']} people over {d['days']} days each, paired noise, "
        "standard error over people.",
        "",
        "| scenario | own | shared | own - shared | standard error | in standard errors |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r['scenario']} | {r['own']:+.4f} | {r['shared']:+.4f} | {r['difference']:+.4f} "
        f"| {r['standard_error']:.4f} | {r['in_standard_errors']:+.1f} |"
        for r in found["scenarios"]
    ]
    return "\n".join(lines) + "\n"


def prior_table(found: Mapping[str, Any]) -> str:
    """Two rows a scenario: the first tips of each person, and those after them."""
    d = found["design"]
    lines = [
        f"Question: {found['question']}. `{d['policy']}` with a prior against its cold start, in "
        f"closed loop: {d['seeds']} seeds, {d['users']} people over {d['days']} days each; each "
        f"prior from a `{d['logger']}` log of {d['train_users']} other people. Paired noise, "
        "standard error over people.",
        "",
        "| scenario | tips | prior | cold | prior - cold | standard error | in standard errors |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    tips = {"first": f"first {d['tips']}", "later": "later"}
    lines += [
        f"| {r['scenario']} | {tips[r['tips']]} | {r['prior']:+.4f} | {r['cold']:+.4f} "
        f"| {r['difference']:+.4f} | {r['standard_error']:.4f} | {r['in_standard_errors']:+.1f} |"
        for r in found["scenarios"]
    ]
    return "\n".join(lines) + "\n"


def looks_table(found: Mapping[str, Any]) -> str:
    """One row a world, the two intervals side by side."""
    d = found["design"]
    lines = [
        f"Question: {found['question']}, of a paired difference of `snips`. {d['people']} people, "
        f"{d['a_day']} decisions a day, a look at the end of each of days {found['first_look']} to "
        f"{d['days']}; the policies disagree on {d['disagree']:.0%} of rounds, where the "
        f"challenger's action is logged with {d['logged']:g}; {d['seeds']:,} runs a world. Passed: "
        "the lower bound was above 0 at some look; left 0: 0 was outside the interval, on "
        "whichever side.",
        "",
        "| true gain | its sd between people | `anytime` passed | left 0 | `cluster-t` passed "
        "| left 0 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for ours, theirs in zip(found["worlds"][::2], found["worlds"][1::2], strict=True):
        shares = [
            f"{r['passed'] / r['runs']:.3f} ± {r['passed_standard_error']:.3f} "
            f"| {r['left_zero'] / r['runs']:.3f}"
            for r in (ours, theirs)
        ]
        lines.append(f"| {ours['gain']:g} | {ours['sd']:g} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def adaptive_table(found: Mapping[str, Any]) -> str:
    """One row a cell, one column an estimator with its interval: coverage, half-width."""
    d = found["design"]
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for row in found["rows"]:
        cells.setdefault(row["cell"], []).append(row)
    pairs = [f"`{r['estimator']}` {r['interval']}" for r in next(iter(cells.values()))]
    error = max(row["coverage_standard_error"] for row in found["rows"])
    lines = [
        f"Question: {found['question']}. Logs of loggers that learn while they log, "
        f"{d['decisions']:,} decisions, {d['logs']} logs a cell, intervals of {d['level']:.0%}: "
        f"coverage (standard error at most {error:.3f}) and, in brackets, mean half-width.",
        "",
        f"| logger | {' | '.join(pairs)} |",
        "| --- |" + " --- |" * len(pairs),
    ]
    for name, rows in cells.items():
        shown = [f"{r['covered'] / r['logs']:.3f} ({r['mean_half_width']:.3f})" for r in rows]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def many_table(found: Mapping[str, Any]) -> str:
    """One row a world: shares of its logs."""
    lead = (
        f"Question: {found['question']}. A uniform logger, 100 users with 10 decisions each, "
        f"policy k plays action k half the time; shares of {found['design']['logs']} logs."
    )
    return _plain(lead, found["rows"])


def pooled_table(found: Mapping[str, Any]) -> str:
    """One row a world and way to pool."""
    lead = (
        f"Question: {found['question']}. Two loggers in one log, {found['design']['logs']} logs; "
        "errors against the value on each log's contexts, `balanced` the share that was pooled."
    )
    return _plain(lead, found["rows"])


def slices_table(found: Mapping[str, Any]) -> str:
    """One row a world: shares of its logs."""
    d = found["design"]
    lead = (
        f"Question: {found['question']}. A policy that mostly shows the most urgent task against "
        f"`random` on a uniform logger's logs; shares of {d['logs']} logs, "
        f"level {d['level']:.0%}. Where there is no harm, every p under .05 is wrong."
    )
    return _plain(lead, found["rows"])


def _plain(lead: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as they are, numbers to three digits."""
    names = [name.replace("_", " ") for name in rows[0]]
    cells = [[f"{x:.3f}" if isinstance(x, float) else str(x) for x in r.values()] for r in rows]
    return "\n".join([lead, "", *markdown_table(names, cells)]) + "\n"
