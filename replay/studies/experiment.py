"""An experiment of two equal variants, looked at every day: how often is one called better?"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from policies.arrays import Floats, Ints
from policies.experiment import Experiment, Variant
from policies.spec import canonical, make
from replay.intervals.anytime import FIRST_LOOK
from replay.online.ratio import ALARM, ratio_of
from replay.online.sides import Bands, Side, bands, side_from
from replay.studies.work import parallel
from sim.closed import Closed
from sim.plan import World

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Cell:
    """An experiment on people of a scenario; equal policies: whatever is found is false."""

    scenario: str
    control: str
    challenger: str
    people: int
    share: float  # of the control
    joining: float = 0.0  # share of the days over which people begin, evenly; 0: all on the first


@dataclass(frozen=True)
class Split:
    """Users split by the hash, some of the last variant's lost; the size where none are."""

    shares: tuple[float, ...]
    people: int
    lost: float = 0.0


@dataclass(frozen=True)
class Design:
    """Fixed before measuring."""

    pool: int = 300  # people of a scenario, of whom each run draws and assigns its own
    days: int = 28
    runs: int = 1000
    level: float = 0.95
    seed: int = 0
    cells: tuple[Cell, ...] = (
        Cell("steady", "linucb", "linucb", 100, 0.5),
        Cell("steady", "linucb", "linucb", 100, 0.5, joining=0.75),
        Cell("drift", "linucb", "linucb", 100, 0.5),
        Cell("depletion", "linucb", "linucb", 150, 0.8),
        Cell("steady", "linucb", "linucb", 30, 0.5),
        Cell("steady", "random", "linucb", 100, 0.5),
    )
    splits: tuple[Split, ...] = (
        Split((0.5, 0.5), 200),
        Split((0.9, 0.1), 200),
        Split((0.5, 0.3, 0.2), 200),
        Split((0.96, 0.02, 0.02), 100),
        Split((0.5, 0.5), 2000, lost=0.2),
    )


Days = tuple[Floats, Floats]  # decisions and rewards, each (people, days)


def study(design: Design) -> dict[str, Any]:
    """Per cell and interval: shares of runs; per split: how often the test rejects."""
    policies = {(c.scenario, p) for c in design.cells for p in (c.control, c.challenger)}
    which = sorted(policies)
    lived = parallel(_lives, [(design, *one) for one in which])
    lives = dict(zip(which, lived, strict=True))
    return {
        "question": "value if deployed",
        "design": asdict(design),
        "first_look": FIRST_LOOK,
        "cells": [
            row for i, cell in enumerate(design.cells) for row in _cell(design, i, cell, lives)
        ],
        "splits": [_split(design, split) for split in design.splits],
    }


def _lives(job: tuple[Design, str, str]) -> Days:
    """Everybody of the pool under one policy, in the same world whatever the policy."""
    design, scenario, policy = job
    world = World(scenario, design.pool, design.days + 2, design.seed)  # answers to all days
    shape = (design.pool, design.days)
    decisions, rewards = np.zeros(shape), np.zeros(shape)
    starts = [world.plan(i).sessions[0] for i in range(design.pool) if world.plan(i).sessions]
    for i in range(design.pool):
        one = Closed(world, i)
        one.live(make(policy))
        one.settle(world.end)
        for s in one.biography.shown:
            day = (s.decision.decided_at - min(starts)) // DAY
            if day < design.days:
                told = one.biography.feedback.get(s.decision.decision_id)
                decisions[i, day] += 1
                rewards[i, day] += 0.0 if told is None else told.reward
    return decisions, rewards


def _cell(
    design: Design, at: int, cell: Cell, lives: dict[tuple[str, str], Days]
) -> list[dict[str, Any]]:
    control, challenger = (lives[cell.scenario, p] for p in (cell.control, cell.challenger))
    everyone = np.arange(design.pool)
    truth = _bands(design, challenger, everyone, control, everyone).value
    passed, missed, last = np.zeros(2), np.zeros(2), np.zeros(2)
    for run in range(design.runs):
        rng = np.random.default_rng([design.seed, at, run])
        people = rng.choice(design.pool, cell.people, replace=False)
        until = int(cell.joining * design.days)
        begins = rng.integers(until, size=design.pool) if until else None
        of = _variants((cell.share, 1 - cell.share), [f"p{i:05d}" for i in people], run)
        found = _bands(design, challenger, people[of == 1], control, people[of == 0], begins)
        halves = np.array([found.anytime, found.cluster_t])[:, FIRST_LOOK - 1 :]
        value, true = found.value[FIRST_LOOK - 1 :], truth[FIRST_LOOK - 1 :]
        off = np.abs(value - true) > halves
        passed += (value - halves > 0).any(axis=1)
        missed += off.any(axis=1)
        last += off[:, -1]
    about = {**asdict(cell), "gain": float(truth[-1]), "runs": design.runs}
    about |= {p: canonical(make(about[p])) for p in ("control", "challenger")}
    return [
        {
            **about,
            "interval": name,
            "passed": int(passed[i]),
            "missed": int(missed[i]),
            "missed_standard_error": _standard_error(missed[i], design.runs),
            "missed_on_the_last_day": int(last[i]),
        }
        for i, name in enumerate(("anytime", "cluster-t"))
    ]


def _standard_error(count: float, runs: int) -> float:
    share = float(count) / runs
    return math.sqrt(share * (1 - share) / runs)


def _bands(
    design: Design, ours: Days, us: Ints, theirs: Days, them: Ints, begins: Ints | None = None
) -> Bands:
    """The people `us` under one policy minus `them` under the other."""
    return bands(_side(ours, us, begins), _side(theirs, them, begins), design.level)


def _side(lives: Days, people: Ints, begins: Ints | None) -> Side:
    decisions, rewards = (x[people] for x in lives)
    if begins is not None:
        decisions, rewards = (_late(x, begins[people]) for x in (decisions, rewards))
    return side_from(np.cumsum(decisions, axis=1), np.cumsum(rewards, axis=1))


def _late(days: Floats, begins: Ints) -> Floats:
    """Lives that begin later, `begins (people,)` days, and are as far at the end."""
    out = np.zeros_like(days)
    for row, (life, begin) in enumerate(zip(days, begins.tolist(), strict=True)):
        out[row, begin:] = life[: len(life) - begin]
    return out


def _variants(shares: tuple[float, ...], users: list[str], seed: int) -> Ints:
    """The index of each user's variant."""
    variants = tuple(Variant(str(i), "random", share) for i, share in enumerate(shares))
    experiment = Experiment("study", seed, variants)
    return np.array([int(experiment.assigned(user).name) for user in users])


def _split(design: Design, split: Split) -> dict[str, Any]:
    users = [f"u{i}" for i in range(split.people)]
    shares = {str(i): share for i, share in enumerate(split.shares)}
    p, test = [], ""
    for run in range(design.runs):
        of = _variants(split.shares, users, run)
        if split.lost:
            drop = np.random.default_rng([design.seed, run]).random(len(of)) < split.lost
            of = of[~(drop & (of == len(shares) - 1))]
        found = ratio_of({name: int((of == int(name)).sum()) for name in shares}, shares, run)
        p.append(found.p)
        test = found.test
    rejected = {f"p < {a:g}": int((np.array(p) < a).sum()) for a in (0.05, 0.01, ALARM)}
    return {**asdict(split), "test": test, "runs": design.runs, **rejected}
