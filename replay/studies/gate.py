"""The whole gate, run at the end of every day: how often does it pass what is no better?"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from journal.cli import progress
from journal.log import Log
from policies import canonical
from policies.arrays import Bools, Floats
from replay.intervals.anytime import FIRST_LOOK, PEAK_DAY, half_width
from replay.intervals.cluster import t_value
from replay.release.gate_evidence import judged_by_log
from replay.release.gate_finding import FAIL
from replay.release.gate_rules import Rules
from replay.release.gate_slices import slice_floor
from replay.release.gating import evaluation_of
from replay.studies.gate_world import ByFeature, Life, live, log_of_life, part_of
from replay.studies.looks import Drawn, looked

INTERVALS = ("anytime", "cluster-t")
CHAMPION, CHALLENGER = 3, 4  # the columns they rank by


@dataclass(frozen=True)
class World:
    """A true gain per decision, its standard deviation between people, and how many runs."""

    gain: float
    sd: float
    runs: int


@dataclass(frozen=True)
class Design:
    """Fixed before measuring. The champion logs with its floor; both policies have it."""

    people: int = 60
    days: int = 45
    a_day: int = 1  # decisions a person
    apart: float = 0.4  # share of decisions on which the two rank differently
    epsilon: float = 0.4  # two candidates: the other one is logged with 0.2
    worlds: tuple[World, ...] = (
        World(0.0, 0.0, 2000),
        World(0.0, 0.05, 2000),
        World(0.05, 0.05, 300),
        World(0.10, 0.05, 300),
        World(0.20, 0.05, 300),
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(people, days, a_day)"""
        return self.people, self.days, self.a_day

    def spec(self, column: int) -> str:
        """Of the policy that ranks by a column."""
        return canonical(ByFeature(column, self.epsilon))


@dataclass(frozen=True)
class Run:
    """One log under one interval: days are None where that never happened."""

    bound: int | None  # the first day whose lower bound alone is above the margin
    passed: int | None  # the first day on which the whole gate passes


def study(design: Design) -> dict[str, Any]:
    """Per world and interval: runs that ever passed, and the median day on which they did."""
    jobs = [(w, s) for w, world in enumerate(design.worlds) for s in range(world.runs)]
    found = {job: _runs(design, *job) for job in progress(jobs, len(jobs), __name__)}
    rows = []
    for w, world in enumerate(design.worlds):
        for i, name in enumerate(INTERVALS):
            ours = [found[w, s][i] for s in range(world.runs)]
            days = [r.passed for r in ours if r.passed is not None]
            share = len(days) / world.runs
            rows.append(
                {
                    **asdict(world),
                    "interval": name,
                    "bound_alone": sum(r.bound is not None for r in ours),
                    "passed": len(days),
                    "passed_standard_error": math.sqrt(share * (1 - share) / world.runs),
                    "median_day": float(np.median(days)) if days else None,
                }
            )
    return {
        "question": "value on logged contexts",
        "design": asdict(design),
        "first_look": FIRST_LOOK,
        "level": Rules().level,
        "left_out": ["audit", "not_trained", "latency_p99_ms", "served_p99_ms"],
        "worlds": rows,
    }


def lower_bounds(design: Design, life: Life, rules: Rules) -> Floats:
    """The rule `margin`'s lower bound at the end of each day from `FIRST_LOOK` on.

    From sums that grow day by day, to spare the evaluation of every day; `decides` is the gate.
    """
    weight = life.weights(design.epsilon)
    ones = np.ones(design.shape)
    columns = (weight, weight * life.reward, ones, life.reward)
    drawn = Drawn(*(c.sum(axis=2) for c in columns))
    value, error = (x[FIRST_LOOK - 1 :] for x in looked(drawn, design.a_day))
    if rules.interval == "cluster-t":
        return np.asarray(value - t_value(rules.two_sided, design.people - 1) * error)
    daily = design.people * design.a_day
    clock = daily * np.arange(FIRST_LOOK, design.days + 1.0)
    peak = float(daily * PEAK_DAY)
    return np.asarray(value - half_width(error, clock, peak, rules.two_sided, design.people))


def decides(log: Log, design: Design, rules: Rules) -> bool:
    """Every rule that the log itself decides, by the gate's own code."""
    old, new = design.spec(CHAMPION), design.spec(CHALLENGER)
    found = evaluation_of(log, old, new, rules)
    findings = judged_by_log(found, old, new, rules)
    if any(f.verdict == FAIL for f in findings):
        return False  # the slices cost most
    return slice_floor(found, old, new, rules).verdict != FAIL


def _runs(design: Design, world: int, seed: int) -> list[Run]:
    """One log under each interval."""
    rng = np.random.default_rng([seed, world])
    one = design.worlds[world]
    life = live(rng, design.shape, design.apart, design.epsilon, one.gain, one.sd)
    above = [
        lower_bounds(design, life, rules) > rules.margin
        for rules in (Rules(interval=name) for name in INTERVALS)
    ]
    if not any(a.any() for a in above):
        return [Run(None, None) for _ in INTERVALS]
    log = log_of_life(life, rng, design.spec(CHAMPION), design.epsilon)
    return [
        _run(design, log, Rules(interval=name), a) for name, a in zip(INTERVALS, above, strict=True)
    ]


def _run(design: Design, log: Log, rules: Rules, above: Bools) -> Run:
    days = (np.flatnonzero(above) + FIRST_LOOK).tolist()
    passed = (day for day in days if decides(part_of(log, day), design, rules))
    return Run(days[0] if days else None, next(passed, None))
