"""What covers on logs of loggers that learned while they logged?"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from journal.cli import progress
from replay.estimators import ESTIMATORS
from replay.intervals import INTERVALS
from replay.rounds import Rounds
from replay.studies.cells import CELLS, Drawn, Rng

PAIRS = (
    ("auto", "auto"),
    ("adaptive", "martingale"),
    ("adaptive", "anytime"),
    ("ips", "martingale"),
    ("dr", "cluster-t"),
    ("snips", "cluster-t"),
    ("sndr", "cluster-t"),
)


@dataclass(frozen=True)
class Design:
    """Fixed before measuring. Cells by id, `d-…` of `cells.py`, the rest in `FADING`."""

    cells: tuple[str, ...] = (
        "d-per user,epsilon=0.2-2000",
        "d-per user,epsilon=0.5-2000",
        "d-shared,epsilon=0.2-2000",
        "d-shared,epsilon=0.5-2000",
        "fading,gap=0",
        "fading,gap=0.2,best",
        "fading,gap=0.2,other",
    )
    decisions: int = 2000  # of the fading cells; those of `cells.py` name theirs
    logs: int = 400
    days: float = 28.0  # the rounds are spread evenly over them
    level: float = 0.95


def study(design: Design) -> dict[str, Any]:
    """Coverage, width and bias by cell, estimator and interval.

    The truth is the mean of all logs' exact values: their contexts are independent draws.
    """
    jobs = [(name, seed) for name in design.cells for seed in range(design.logs)]
    found = [_judged(design, *job) for job in progress(iter(jobs), len(jobs), __name__)]
    rows: list[dict[str, Any]] = []
    for c, name in enumerate(design.cells):
        ours = np.array(found[c * design.logs : (c + 1) * design.logs])  # (logs, pairs, 4)
        truth = float(ours[:, 0, 3].mean())
        for p, (estimator, interval) in enumerate(PAIRS):
            low, high, value, own = ours[:, p].T
            covered = int(((low <= truth) & (truth <= high)).sum())
            share = covered / design.logs
            rows.append(
                {
                    "cell": name,
                    "estimator": estimator,
                    "interval": interval,
                    "logs": design.logs,
                    "covered": covered,
                    "coverage_standard_error": math.sqrt(share * (1 - share) / design.logs),
                    "mean_half_width": float((high - low).mean() / 2),
                    "bias": float((value - own).mean()),
                    "standard_deviation": float((value - own).std(ddof=1)),
                }
            )
    return {"question": "value on logged contexts", "design": asdict(design), "rows": rows}


def fading(rng: Rng, n: int, *, gap: float, target: int, decay: float = 0.7, k: int = 3) -> Drawn:
    """A greedy learner whose floor fades as t^-decay: it settles on an arm, by luck where the
    arms are alike (Hadad et al., 2021). Arm 0 is better by `gap`; the policy takes `target`.
    """
    means = np.zeros(k)
    means[0] = gap
    total, count = np.zeros(k), np.zeros(k)
    pi_b, pi_e = np.empty((n, k)), np.zeros((n, k))
    pi_e[:, target] = 1.0
    chosen, reward = np.empty(n, np.int64), np.empty(n)
    draws = rng.random((n, 2))
    for t in range(n):
        floor = (t + 1) ** -decay if t >= 5 * k else 1.0
        pi_b[t] = floor / k
        pi_b[t, int(np.argmax(total / np.maximum(count, 1)))] += 1 - floor
        arm = min(int(np.searchsorted(np.cumsum(pi_b[t]), draws[t, 0], "right")), k - 1)
        chosen[t] = t * k + arm
        reward[t] = 1.0 if draws[t, 1] < (1 + means[arm]) / 2 else -1.0
        total[arm] += reward[t]
        count[arm] += 1
    return Drawn(
        np.arange(n + 1) * k,
        np.ones((n * k, 1)),
        np.tile(np.arange(k), n),
        np.tile(means, n),
        pi_e.ravel(),
        pi_b.ravel(),
        chosen,
        reward,
        np.arange(n),
        (-1.0, 1.0),
    )


FADING: dict[str, Callable[[Rng, int], Drawn]] = {
    "fading,gap=0": partial(fading, gap=0.0, target=0),
    "fading,gap=0.2,best": partial(fading, gap=0.2, target=0),
    "fading,gap=0.2,other": partial(fading, gap=0.2, target=1),
}


def rounds_of(drawn: Drawn, days: float) -> Rounds:
    """What an evaluation sees, with the time of each round and the spread of its weights."""
    n = len(drawn.reward)
    spread = np.add.reduceat(drawn.pi_e**2 / drawn.pi_b, drawn.offsets[:-1])
    return replace(drawn.rounds(), days=np.arange(n) * days / n, spread=spread)


def _judged(design: Design, name: str, seed: int) -> list[tuple[float, float, float, float]]:
    """(low, high, value, exact value on these contexts) of each pair."""
    if name in FADING:
        drawn = FADING[name](np.random.default_rng([seed, design.decisions]), design.decisions)
    else:
        drawn = CELLS[name].draw(seed)
    rounds = rounds_of(drawn, design.days)
    out = []
    for estimator, interval in PAIRS:
        found = ESTIMATORS[estimator](rounds)
        low, high = INTERVALS[interval](rounds, found, design.level, seed)
        out.append((low, high, found.value, drawn.value))
    return out
