"""Slices on logs whose groups are known: how often harm is cried where there is none, and found."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from journal import Log, log_of_frame
from policies.arrays import Floats
from replay import evaluate
from replay.result import QUESTION
from replay.slicing import slices_of
from replay.studies.work import parallel

HARMED = "hour=00-06"
WORDS = {1.0: "done", 0.0: "snooze", -1.0: "dismiss"}


@dataclass(frozen=True)
class World:
    """A uniform logger; the policy mostly shows the most urgent, which matters to nobody, but
    for decisions between midnight and six, where it may harm.
    """

    name: str
    users: int
    decisions: int  # of each user
    harm: float = 0.0  # taken off what the reward is cut from, sd 1


WORLDS = (
    World("no difference", 60, 10),
    World("no difference, few decisions", 40, 6),
    World("harm at night", 60, 10, 1.0),
    World("harm at night, more people", 120, 10, 1.0),
)


@dataclass(frozen=True)
class Design:
    """Fixed before measuring."""

    logs: int = 300
    level: float = 0.95


def study(design: Design) -> dict[str, Any]:
    """One row a world: shares of its logs."""
    jobs = [(world, seed, design.level) for world in WORLDS for seed in range(design.logs)]
    looked = np.array(parallel(_looked_at, jobs)).reshape(len(WORLDS), design.logs, -1)
    rows = [summary(world, part) for world, part in zip(WORLDS, looked, strict=True)]
    return {"question": QUESTION, "design": asdict(design), "rows": rows}


def summary(world: World, looked: Floats) -> dict[str, Any]:
    """Of logs `(logs, 5)` as `_looked_at` gives them."""
    judged, alone, wrong, found, gaps = looked.mean(axis=0)
    return {
        "world": world.name,
        "people": world.users,
        "harm": world.harm,
        "judged slices": float(judged),
        "any p under .05": float(alone),
        "any Holm p under .05": float(wrong),
        "harmed hours found": float(found),
        "any gap under .05": float(gaps),
    }


def looks(world: World, logs: int, level: float = 0.95) -> Floats:
    """(logs, 5) one row a log."""
    return np.array([_looked_at((world, seed, level)) for seed in range(logs)])


def draw(world: World, seed: int) -> Log:
    """A log of `tip-v1` contexts under a uniform logger; seeded."""
    rng = np.random.default_rng([seed, world.users, world.decisions])
    rows = []
    for u in range(world.users):
        taste = rng.normal(scale=0.3)
        for i in range(world.decisions):
            k, hour = int(rng.integers(2, 6)), rng.uniform(0, 24)
            angle = hour / 12 * np.pi
            context = np.column_stack(
                [
                    np.full(k, np.sin(angle)),
                    np.full(k, np.cos(angle)),
                    rng.integers(0, 2, k) * rng.integers(0, 2),
                    rng.random(k),
                    rng.integers(0, 4, k) / 3,
                ]
            )
            action = int(rng.integers(k))
            felt = taste + rng.normal()
            felt -= world.harm * (hour < 6) * (action == int(np.argmax(context[:, 4])))
            reward = 1.0 if felt > 0.5 else -1.0 if felt < -0.5 else 0.0
            rows.append(
                {
                    "user_id": f"u{u}",
                    "decided_at": 18_000_000_000 * (i + 1) + u,
                    "candidate_ids": [f"t{j}" for j in range(k)],
                    "arms": rng.choice(["a", "b", "c"], k).tolist(),
                    "context": context.tolist(),
                    "pmf": [1 / k] * k,
                    "pscore": 1 / k,
                    "action": action,
                    "reward": reward,
                    "feedback": WORDS[reward],
                }
            )
    frame = pd.DataFrame(rows)
    frame["decided_at"] = pd.to_datetime(frame["decided_at"], unit="us", utc=True)
    return log_of_frame(frame, features="tip-v1")


def urgent(candidate_ids: list[str], context: Floats) -> Floats:
    """Mostly the most urgent candidate."""
    k = len(candidate_ids)
    pmf = np.full(k, 0.2 / k)
    pmf[np.argmax(context[:, 4])] += 0.8
    return pmf


def _looked_at(job: tuple[World, int, float]) -> list[float]:
    world, seed, level = job
    found = evaluate(draw(world, seed), [urgent, "random"], estimators=("auto",), pool="own")
    sliced = slices_of(found, "urgent", "random", level=level)
    judged = [row for row in sliced.rows if row.p_holm is not None]
    least = 1 - level
    return [
        float(len(judged)),
        float(any(row.p is not None and row.p < least for row in judged)),
        float(any(row.p_holm is not None and row.p_holm < least for row in judged)),
        float(any(row.name == HARMED for row in sliced.worse)),
        float(any(gap.p_holm < least for gap in sliced.gaps)),
    ]
