"""Do the intervals cover? A frozen learner on many logs of fresh people, truth known."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from journal import Log
from policies import make
from policies.state import UserState
from replay.studies.work import parallel

ESTIMATORS = ("ips", "snips", "dm", "dr")


@dataclass(frozen=True)
class Design:
    """Fixed before measuring. Seeds of training, tested and truth logs are disjoint."""

    scenario: str = "steady"
    users: int = 210
    days: int = 28
    decisions: int = 20_000  # the first of each log
    policy: str = "linucb:alpha=1.0,epsilon=0.05"
    logger: str = "random"
    training_seed: int = 1
    logs: int = 100
    first_seed: int = 1_001
    truth_logs: int = 100
    first_truth_seed: int = 5_001
    interval: str = "cluster-t"
    level: float = 0.95


def study(design: Design) -> dict[str, Any]:
    """Coverage, bias and width by estimator, with Monte-Carlo errors."""
    states = _trained(design)
    truths = parallel(
        _truth, [(design, states, design.first_truth_seed + i) for i in range(design.truth_logs)]
    )
    weight = np.array([n for n, _ in truths], dtype=float)
    values = np.array([v for _, v in truths])
    truth = float(weight @ values / weight.sum())
    truth_error = float(values.std(ddof=1)) / math.sqrt(len(values))
    found = parallel(_judged, [(design, states, design.first_seed + i) for i in range(design.logs)])
    return {
        "question": "value on logged contexts",
        "design": asdict(design),
        "truth_world": truth,
        "truth_world_standard_error": truth_error,
        "estimators": [_row(name, [f[name] for f in found], truth) for name in ESTIMATORS],
    }


def _row(name: str, rows: list[Mapping[str, Any]], truth: float) -> dict[str, Any]:
    values = np.array([row["value"] for row in rows])
    out = {
        "estimator": name,
        "logs": len(rows),
        "bias": float(values.mean() - truth),
        "bias_standard_error": float(values.std(ddof=1)) / math.sqrt(len(rows)),
        "standard_deviation": float(values.std(ddof=1)),
        "covered": None,
        "coverage_standard_error": None,
        "mean_half_width": None,
    }
    if any(row["low"] is None for row in rows):
        return out
    low, high = (np.array([row[k] for row in rows]) for k in ("low", "high"))
    covered = int(((low <= truth) & (truth <= high)).sum())
    share = covered / len(rows)
    return {
        **out,
        "covered": covered,
        "coverage_standard_error": math.sqrt(share * (1 - share) / len(rows)),
        "mean_half_width": float((high - low).mean() / 2),
    }


def _log(design: Design, seed: int) -> Log:
    from sim import generate

    log = generate(design.scenario, design.users, design.days, make(design.logger), seed)
    if len(log) < design.decisions:
        raise RuntimeError(f"log {seed} has {len(log)} decisions, {design.decisions} are wanted")
    return log.take(np.arange(design.decisions))


def _trained(design: Design) -> dict[str, UserState]:
    from replay import train

    return train(_log(design, design.training_seed))


def _evaluated(design: Design, states: Mapping[str, UserState], seed: int) -> Any:
    from replay import evaluate

    return evaluate(
        _log(design, seed),
        design.policy,
        state=states,
        estimators=ESTIMATORS,
        interval=design.interval,
        level=design.level,
    )


def _truth(job: tuple[Design, Mapping[str, UserState], int]) -> tuple[int, float]:
    found = _evaluated(*job)
    truth = found.results[0].truth_log
    return len(found.sample.rows), truth


def _judged(job: tuple[Design, Mapping[str, UserState], int]) -> dict[str, Any]:
    found = _evaluated(*job)
    return {row.estimator: asdict(row) for row in found.results[0].judged.rows}
