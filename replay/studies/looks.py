"""How often does a gate that looks every day let a challenger pass that is no better?"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from journal.cli import progress
from policies.arrays import Floats
from replay.intervals.anytime import FIRST_LOOK, PEAK_DAY, half_width
from replay.intervals.cluster import t_value
from replay.studies.cells import Rng

INTERVALS = ("anytime", "cluster-t")


@dataclass(frozen=True)
class Design:
    """Fixed before measuring. The challenger's action is logged with `logged` where it differs."""

    people: int = 100
    days: int = 60
    a_day: int = 2  # decisions a person
    disagree: float = 0.4  # share of rounds on which the two policies differ
    logged: float = 0.2
    square: float = 2 / 3  # mean square of the rewards -1, 0, 1
    level: float = 0.95
    seeds: int = 1000
    worlds: tuple[tuple[float, float], ...] = (  # true gain a decision; its sd between people
        (0.0, 0.0),
        (0.0, 0.05),
        (0.0, 0.15),
        (0.10, 0.0),
        (0.10, 0.05),
        (0.05, 0.0),
        (0.05, 0.05),
    )


@dataclass(frozen=True)
class Drawn:
    """What came of one run, `(people, days)`: sums of the weights and of the weighted rewards."""

    weight: Floats  # the challenger's
    weighted: Floats
    base_weight: Floats
    base_weighted: Floats


def study(design: Design) -> dict[str, Any]:
    """Per world and interval: runs whose lower bound ever passed 0, and that left 0 on any side."""
    jobs = [(w, s) for w in range(len(design.worlds)) for s in range(design.seeds)]
    found = [_left(design, w, s) for w, s in progress(iter(jobs), len(jobs), __name__)]
    rows = []
    for w, (gain, sd) in enumerate(design.worlds):
        ours = np.array(found[w * design.seeds : (w + 1) * design.seeds])  # (seeds, intervals, 2)
        for i, name in enumerate(INTERVALS):
            passed, left = (int(k) for k in ours[:, i].sum(axis=0))
            share = passed / design.seeds
            rows.append(
                {
                    "gain": gain,
                    "sd": sd,
                    "interval": name,
                    "runs": design.seeds,
                    "passed": passed,
                    "passed_standard_error": math.sqrt(share * (1 - share) / design.seeds),
                    "left_zero": left,
                }
            )
    return {
        "question": "value on logged contexts",
        "design": asdict(design),
        "first_look": FIRST_LOOK,
        "worlds": rows,
    }


def draw(rng: Rng, design: Design, gain: float, sd: float) -> Drawn:
    """Both policies take action 0, but the challenger 1 where they disagree.

    Action 1 is logged with `logged`, action 0 else. A person's gain is normal around
    `gain`, cut where rewards could not have it: at most 3.5 standard deviations of .15.
    """
    shape = design.people, design.days, design.a_day
    most = design.square * 2 * design.disagree
    own = np.clip(rng.normal(gain, sd, design.people), gain - (most - gain), most)
    disagree = rng.random(shape) < design.disagree
    one = rng.random(shape) < design.logged
    apart = np.where(disagree, (own / design.disagree)[:, None, None], 0.0)
    mean = np.where(one, apart, -apart) / 2
    u = rng.random(shape)
    good = (design.square + mean) / 2
    reward = np.where(u < good, 1.0, np.where(u < design.square, -1.0, 0.0))
    base_weight = np.where(one, 0.0, 1 / (1 - design.logged))
    weight = np.where(disagree, np.where(one, 1 / design.logged, 0.0), base_weight)
    columns = (weight, weight * reward, base_weight, base_weight * reward)
    return Drawn(*(c.sum(axis=2) for c in columns))


def looked(drawn: Drawn, a_day: int) -> tuple[Floats, Floats]:
    """The paired difference of `snips` and its error by user (CR1) at the end of each day.

    Both `(days,)`, from cumulative sums: what `judged.compare` and `clustered_error` give.
    """
    people, days = drawn.weight.shape
    n = people * a_day * np.arange(1, days + 1)
    w, wr, v, vr = (
        np.cumsum(c, axis=1)
        for c in (drawn.weight, drawn.weighted, drawn.base_weight, drawn.base_weighted)
    )
    ours, theirs = wr.sum(axis=0) / w.sum(axis=0), vr.sum(axis=0) / v.sum(axis=0)
    sums = (wr - ours * w) / w.mean(axis=0) - (vr - theirs * v) / v.mean(axis=0)
    sums *= n / people
    error = np.sqrt(people / (people - 1) * (sums**2).sum(axis=0)) / n
    return ours - theirs, error


def _left(design: Design, world: int, seed: int) -> list[tuple[bool, bool]]:
    """Per interval: whether its lower bound ever was above 0, and whether it ever left 0."""
    drawn = draw(np.random.default_rng([seed, world]), design, *design.worlds[world])
    value, error = (x[FIRST_LOOK - 1 :] for x in looked(drawn, design.a_day))
    daily = design.people * design.a_day
    clock = daily * np.arange(FIRST_LOOK, design.days + 1.0)
    halves = (
        half_width(error, clock, float(daily * PEAK_DAY), design.level, design.people),
        t_value(design.level, design.people - 1) * error,
    )
    return [(bool((value > half).any()), bool((np.abs(value) > half).any())) for half in halves]
