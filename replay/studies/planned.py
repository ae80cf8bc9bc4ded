"""Does a plan keep its word? Planned from small logs, then done, again and again."""

import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from journal.cli import progress
from policies.arrays import Floats
from replay.planning.planner import plan
from replay.planning.result import Row
from replay.studies.planned_worlds import (
    World,
    ab_interval,
    draw,
    gain_of,
    log_under,
    off_policy_interval,
    scores_a,
    scores_b,
)

QUESTION = "value on logged contexts, and value if deployed, here one number"


@dataclass(frozen=True)
class Design:
    """Fixed before measuring."""

    worlds: tuple[World, ...] = (
        World("people alike"),
        World("people differ", moods=0.15, tastes=0.15, active=0.7),
    )
    users: int = 400  # of a first log
    logged: float = 0.2  # its floor
    floors: tuple[float, ...] = (0.05, 0.1, 0.2)
    power: float = 0.8
    level: float = 0.95
    plans: int = 40  # first logs a world
    runs: int = 20  # of each plan


def study(design: Design) -> dict[str, Any]:
    """One row a world and design; errors are over plans, each with its own first log."""
    jobs = [(w, p) for w in range(len(design.worlds)) for p in range(design.plans)]
    found = [_kept(design, w, p) for w, p in progress(iter(jobs), len(jobs), __name__)]
    each = np.array(found).reshape(len(design.worlds), design.plans, len(design.floors) + 1, -1)
    rows = []
    for w, world in enumerate(design.worlds):
        for i, floor in enumerate((*design.floors, None)):
            rows.append(
                {
                    "world": world.name,
                    "gain": gain_of(world),
                    "design": "A/B test" if floor is None else f"off-policy, floor {floor:g}",
                    **_row(each[w, :, i], design),
                }
            )
    return {"question": QUESTION, "design": asdict(design), "rows": rows}


def _kept(design: Design, world: int, seed: int) -> list[list[float]]:
    """Of one plan: per design, its user-days, power planned and achieved, cost both ways."""
    w = design.worlds[world]
    first = draw(w, design.users, np.random.default_rng([seed, world, 0]))
    found = plan(
        log_under(first, w, design.logged),
        partial(scores_b, w.edge),
        against=scores_a,
        detect=gain_of(w),
        power=design.power,
        level=design.level,
        floors=design.floors,
        learn="none",
    )
    rows = [*found.off_policy.rows, *found.ab_test.rows]
    return [_done(design, w, row, [seed, world, 1 + i]) for i, row in enumerate(rows)]


def _done(design: Design, world: World, row: Row, key: list[int]) -> list[float]:
    """What a row of a plan says, and what its runs make of it."""
    if row.users is None or row.user_days is None or row.power is None:
        raise RuntimeError(f"no plan: {row.reasons}")
    decided, cost = [], []
    for run in range(design.runs):
        drawn = draw(world, row.users, np.random.default_rng([*key, run]))
        if row.floor is None:
            low, _, ours, _ = ab_interval(drawn, design.level)
            lost = (drawn.value(drawn.b) - ours) / 2
        else:
            low, _, mean = off_policy_interval(drawn, row.floor, design.level)
            least = min(design.floors)
            lost = drawn.value((1 - least) * drawn.a + least * drawn.uniform) - mean
        decided.append(low > 0)
        cost.append(lost * len(drawn.user))
    planned = math.nan if row.cost is None else row.cost
    return [row.user_days, row.power, float(np.mean(decided)), planned, float(np.mean(cost))]


def _row(each: Floats, design: Design) -> dict[str, Any]:
    """Means over plans `(plans, 5)`; standard errors over plans, and of power over runs too."""
    days, power, achieved, planned, cost = each.mean(axis=0)
    days_error, _, error, planned_error, cost_error = each.std(axis=0, ddof=1) / math.sqrt(
        len(each)
    )
    binomial = math.sqrt(power * (1 - power) / (len(each) * design.runs))
    return {
        "plans": len(each),
        "runs": len(each) * design.runs,
        "user_days": float(days),
        "user_days_error": float(days_error),
        "planned_power": float(power),
        "achieved_power": float(achieved),
        "power_error": max(float(error), binomial),
        "planned_cost": float(planned),
        "planned_cost_error": float(planned_error),
        "achieved_cost": float(cost),
        "achieved_cost_error": float(cost_error),
    }
