"""The learners' study in Markdown."""

from collections.abc import Mapping
from typing import Any

from replay.studies.learners import met


def learner_table(found: Mapping[str, Any]) -> str:
    """One row a world and method."""
    d = found["design"]
    lines = [
        f"Question: {found['question']}. `{d['policy']}`, {d['seeds']} logs a world of a uniform "
        f"logger; truth: the mean of {d['lives']} learners that decided for real. ratio: RMSE over "
        "that of `replay` on the same logs.",
        "",
        "| goal | world | T x users | truth | method | logs | horizon | history | bias | "
        "RMSE | ratio | met |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in found["worlds"]:
        share = f" ({r['bias'] / abs(r['truth']):+.1%})"
        lines.append(
            f"| {r['goal']} | {r['world']} | {r['decisions']} x {r['users']} | {r['truth']:.4f} "
            f"| {r['method']} | {r['seeds']} | {r['horizon']:.0f} | {r['history']:.0f} "
            f"| {r['bias']:+.4f} ± {r['bias_standard_error']:.4f}{share} | {r['rmse']:.4f} "
            f"| {r['rmse_ratio']:.2f} | {'yes' if met(r) else 'no'} |"
        )
    return "\n".join(lines) + "\n"
