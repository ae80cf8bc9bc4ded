"""Is the value of a learner at the log's own horizon right? Each method against life itself."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from policies import make
from policies.arrays import Floats
from replay.studies.learner_worlds import WORLDS, World
from replay.studies.work import parallel

ALWAYS = ("replay", "learner")
SOMETIMES = ("bootstrapped-replay", "model-simulation", "dr-ns")
RUNS_A_JOB = 25


@dataclass(frozen=True)
class Design:
    """Fixed before measuring. Seeds of logs and of lives are disjoint."""

    policy: str = "linucb:alpha=1,epsilon=0.05"
    seeds: int = 300
    first_seed: int = 1
    others: int = 10  # the first seeds, on which every method is shown
    lives: int = 400  # learners run for real: their mean is the truth
    first_life: int = 100_001
    worlds: tuple[str, ...] = tuple(WORLDS)


def study(design: Design) -> dict[str, Any]:
    """Bias, its standard error and RMSE by world and method, against plain replay's."""
    lives = [
        (design, name, design.first_life + i)
        for name in design.worlds
        for i in range(design.lives // RUNS_A_JOB)
    ]
    lived = parallel(_lived, lives)
    jobs = [(design, name, i) for name in design.worlds for i in range(design.seeds)]
    found = parallel(_estimated, jobs)
    rows = []
    for k, name in enumerate(design.worlds):
        per = len(lived) // len(design.worlds)
        truths = np.concatenate(lived[k * per : (k + 1) * per])
        estimates = found[k * design.seeds : (k + 1) * design.seeds]
        rows += _rows(WORLDS[name], truths, estimates)
    return {"question": "value of a learner at the log's own horizon", "design": asdict(design),
            "worlds": rows}  # fmt: skip


def _rows(world: World, truths: Floats, estimates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    truth = float(truths.mean())
    replayed = np.array([e["replay"]["value"] for e in estimates])
    out = []
    for method in (*ALWAYS, *SOMETIMES):
        mine = [e[method] for e in estimates if method in e]
        value = np.array([m["value"] for m in mine])
        rmse = math.sqrt(float(((value - truth) ** 2).mean()))
        plain = math.sqrt(float(((replayed[: len(value)] - truth) ** 2).mean()))
        picked = [m["method"] for m in mine]
        out.append(
            {
                "goal": world.goal,
                "world": world.name,
                "decisions": world.decisions,
                "users": world.users,
                "truth": truth,
                "truth_standard_error": float(truths.std(ddof=1)) / math.sqrt(len(truths)),
                "method": method,
                "picked": {name: picked.count(name) for name in sorted(set(picked))},
                "seeds": len(value),
                "horizon": float(np.mean([m["horizon"] for m in mine])),
                "history": float(np.mean([m["history"] for m in mine])),
                "bias": float(value.mean()) - truth,
                "bias_standard_error": float(value.std(ddof=1)) / math.sqrt(len(value)),
                "rmse": rmse,
                "rmse_ratio": rmse / plain,
            }
        )
    return out


def met(row: dict[str, Any]) -> bool:
    """Whether a row is within the goal of its world.

    Standard errors are those of the bias, of estimates and truth together.
    """
    error = 2 * math.hypot(row["bias_standard_error"], row["truth_standard_error"])
    bound, ratio = {
        "stationary": (0.02 * abs(row["truth"]) + error, 0.5 if row["decisions"] == 3000 else 0.6),
        "drift": (0.01 + error, 0.6),
        "people": (0.04 * abs(row["truth"]), 0.7),
    }[row["goal"]]
    return bool(abs(row["bias"]) <= bound and row["rmse_ratio"] <= ratio)


def _lived(job: tuple[Design, str, int]) -> Floats:
    design, name, seed = job
    return WORLDS[name].lived(make(design.policy), RUNS_A_JOB, seed)


def _estimated(job: tuple[Design, str, int]) -> dict[str, dict[str, Any]]:
    from replay import evaluate

    design, name, i = job
    methods = (*ALWAYS, *SOMETIMES) if i < design.others else ALWAYS
    log = WORLDS[name].log(design.first_seed + i)
    found = evaluate(log, design.policy, learn="replay", estimators=methods, interval="auto")
    rows = found.results[0].judged.rows
    return {
        row.estimator: {
            "value": row.value,
            "method": row.chosen.get("method", row.estimator),
            "horizon": row.chosen["horizon"],
            "history": row.chosen["history"],
        }
        for row in rows
    }
