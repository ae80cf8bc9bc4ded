"""The studies' tables in Markdown."""

from collections.abc import Mapping
from typing import Any


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
