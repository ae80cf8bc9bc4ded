"""Several loggers in one log: own and balanced weights, against a known truth."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from journal import Log, log_of
from policies import make
from policies.arrays import Floats
from policies.loop import UserLoop
from policies.records import Decision, Feedback
from policies.state import UserState
from replay import evaluate
from replay.behavior.pooling import Pool
from replay.result import QUESTION
from replay.studies.work import parallel

HOUR = 3_600_000_000  # microseconds
ARMS = ("a", "b", "c", "d", "e")
POOLS: tuple[Pool, ...] = ("own", "balanced", "auto")


@dataclass(frozen=True)
class World:
    """Half of the people, or of the decisions, have one logger each."""

    assigned: str = "by decision"  # or "by user"
    target: str = "linucb:epsilon=0.05"
    users: int = 40
    decisions: int = 12  # of each user
    logs: int = 300


@dataclass(frozen=True)
class Design:
    """Fixed before measuring."""

    assigned: tuple[str, ...] = ("by decision", "by user")
    logs: int = 300


def study(design: Design) -> dict[str, Any]:
    """One row a world and way to pool: errors against the value on each log's contexts."""
    worlds = [World(assigned=how, logs=design.logs) for how in design.assigned]
    jobs = [(world, seed) for world in worlds for seed in range(world.logs)]
    looked = np.array(parallel(_looked_at, jobs)).reshape(len(worlds), design.logs, len(POOLS), -1)
    rows = [
        {"assigned": world.assigned, "pool": pool, **_summary(looked[i, :, j])}
        for i, world in enumerate(worlds)
        for j, pool in enumerate(POOLS)
    ]
    return {"question": QUESTION, "design": asdict(design), "rows": rows}


def summaries(world: World) -> list[dict[str, float | str]]:
    """One row a way to pool."""
    looked = np.array([_looked_at((world, seed)) for seed in range(world.logs)])
    return [{"pool": pool, **_summary(looked[:, j])} for j, pool in enumerate(POOLS)]


def draw(world: World, seed: int) -> Log:
    """A log of `random` and `linucb:epsilon=0.2`, both learning users' sums; seeded."""
    rng = np.random.default_rng([seed, world.users])
    loggers = [make(f"random:seed={seed}"), make(f"linucb:epsilon=0.2,seed={seed}")]
    worth = rng.normal(scale=0.5, size=len(ARMS))
    records: list[tuple[Decision, Feedback | None]] = []
    truth: list[Floats] = []
    for u in range(world.users):
        loop = UserLoop(UserState.empty(f"u{u}", "custom", 2))
        whose = rng.integers(2, size=world.decisions)
        if world.assigned == "by user":
            whose[:] = whose[0]
        for i, logger in enumerate(whose):
            k = int(rng.integers(2, len(ARMS) + 1))
            arms = rng.choice(len(ARMS), k, replace=False)
            context = rng.uniform(-1, 1, (k, 2))
            means = np.tanh(worth[arms] + context[:, 0])
            now, name = (i + 1) * HOUR + u, f"{u}-{i}"
            ids = [ARMS[a] for a in arms]
            decision = loop.decide(loggers[logger], name, now, ids, ids, context, None)[0]
            reward = 1.0 if rng.random() < (1 + means[decision.action]) / 2 else -1.0
            records.append((decision, loop.answer(name, None, reward, now + 1)))
            truth.append(means)
    return log_of(records, expected_reward=truth)


def _looked_at(job: tuple[World, int]) -> list[list[float]]:
    world, seed = job
    log = draw(world, seed)
    return [_pooled(world, log, pool) for pool in POOLS]


def _pooled(world: World, log: Log, pool: Pool) -> list[float]:
    found = evaluate(log, world.target, learn="logged", pool=pool, estimators=("auto", "ips"))
    auto, ips = found.results[0].judged.rows
    truth = found.results[0].truth_log
    assert None not in (auto.low, auto.high, ips.value, truth)
    pooling = found.pooling
    return [
        ips.value - truth,  # type: ignore[operator]
        auto.high - auto.low,  # type: ignore[operator]
        float(auto.low <= truth <= auto.high),  # type: ignore[operator]
        float(pooling is not None and pooling.used == "balanced"),
    ]


def _summary(rows: Floats) -> dict[str, float]:
    error, width, covered, balanced = rows.T
    return {
        "bias of ips": float(error.mean()),
        "standard error": float(error.std(ddof=1)) / math.sqrt(len(rows)),
        "sd of ips": float(error.std(ddof=1)),
        "width of auto": float(width.mean()),
        "coverage of auto": float(covered.mean()),
        "balanced": float(balanced.mean()),
    }
