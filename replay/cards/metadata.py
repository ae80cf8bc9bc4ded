"""The YAML block of a card: `model-index` as the Hugging Face Hub reads it."""

from typing import Any

from replay.cards.given import Findings
from replay.judged import Difference, Row
from replay.result import QUESTION

TASK = "contextual-bandit"


def metadata(found: Findings, name: str) -> dict[str, Any]:
    """Refused figures are left out: an index shows numbers without their verdict."""
    synthetic = found.simulated
    out: dict[str, Any] = {
        "library_name": "tipbandit",
        "tags": [
            TASK,
            "off-policy-evaluation",
            *(["synthetic-data"] if synthetic else []),
        ],
    }
    metrics = _metrics(found)
    if metrics:
        result = {
            "task": {"type": TASK, "name": QUESTION},
            "dataset": {
                "type": "synthetic" if synthetic else "logged-decisions",
                "name": ("SYNTHETIC " if synthetic else "") + found.log.path,
                "revision": found.log.sha256,
                "args": {
                    "synthetic": synthetic,
                    "decisions": len(found.evaluation.sample.rows),
                    "behavior_policies": list(found.log.policy_names),
                    **({"world": dict(found.log.world)} if found.log.world else {}),
                },
            },
            "metrics": metrics,
        }
        out["model-index"] = [{"name": name, "results": [result]}]
    return out


def _metrics(found: Findings) -> list[dict[str, Any]]:
    row = found.row
    out = []
    if row.value is not None and row.verdict != "unreliable":
        out.append(
            {
                "type": "off-policy-value",
                "name": f"{QUESTION}, reward per decision",
                "value": row.value,
                "args": {
                    **_interval(row),
                    "estimator": row.estimator,
                    "level": row.level,
                    "ess": row.ess,
                    "support": row.support,
                    "verdict": row.verdict,
                },
            }
        )
    for d in found.evaluation.differences:
        if d.estimator == row.estimator and d.value is not None and d.verdict != "unreliable":
            out.append(
                {
                    "type": "off-policy-difference",
                    "name": f"difference to {d.against}, paired",
                    "value": d.value,
                    "args": {**_interval(d), "verdict": d.verdict},
                }
            )
    return out


def _interval(row: Row | Difference) -> dict[str, float | None]:
    return {"low": row.low, "high": row.high}
