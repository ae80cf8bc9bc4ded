"""Picking the best of many: what each interval alone is worth then, and those for all together."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from policies.arrays import Floats
from replay.comparing import Comparison, compared
from replay.intervals.difference import difference
from replay.judged import AUTO, Judged, Setting, estimate
from replay.result import QUESTION
from replay.rounds import Candidates, Rounds
from replay.studies.work import parallel
from replay.verdict import Circumstances


@dataclass(frozen=True)
class World:
    """A uniform logger over as many actions as policies; policy k plays action k half the time."""

    policies: int = 20
    users: int = 100
    decisions: int = 10  # of each user
    logs: int = 300
    gain: float = 0.0  # of the first action over the others
    people: float = 0.15  # standard deviation of users' mean rewards
    level: float = 0.95

    @property
    def setting(self) -> Setting:
        """What is asked of every policy."""
        return Setting((AUTO,), "cluster-t", self.level, 0)


@dataclass(frozen=True)
class Found:
    """Shares of the logs."""

    joint: float  # all intervals together hold
    joint_alone: float  # all intervals that hold one by one do so at once
    best: float  # the interval of the policy that was picked holds, together
    best_alone: float  # and alone
    differences: float  # all differences to the first policy hold, together
    differences_alone: float  # and one by one, all at once
    clear: float  # one was called clearly the best
    wrong: float  # and was not better than all others
    wider: float  # mean width together over alone


@dataclass(frozen=True)
class Design:
    """Fixed before measuring: (policies, gain of the first over the others)."""

    worlds: tuple[tuple[int, float], ...] = ((20, 0.0), (20, 0.4), (5, 0.0), (2, 0.0))
    logs: int = 300


def study(design: Design) -> dict[str, Any]:
    """One row a world, shares of its logs."""
    worlds = [World(policies=m, gain=gain, logs=design.logs) for m, gain in design.worlds]
    jobs = [(world, seed) for world in worlds for seed in range(world.logs)]
    looked = parallel(_looked_at, jobs)
    rows = []
    for i, world in enumerate(worlds):
        ours = _shares(looked[i * design.logs : (i + 1) * design.logs])
        rows.append({"policies": world.policies, "gain": world.gain, **asdict(ours)})
    return {"question": QUESTION, "design": asdict(design), "rows": rows}


def shares(world: World) -> Found:
    """Over independent logs, seeds 0, 1, …"""
    return _shares([_looked_at((world, seed)) for seed in range(world.logs)])


def draw(world: World, seed: int) -> tuple[list[Judged], Floats]:
    """One log as every policy sees it, and the policies' true values `(m,)`."""
    rng = np.random.default_rng([seed, world.policies, world.users])
    k, n = world.policies, world.users * world.decisions
    user = np.repeat(np.arange(world.users), world.decisions)
    mean = np.full(k, 0.5)
    mean[0] += world.gain
    effect = np.clip(world.people * rng.standard_normal(world.users), -0.5, 0.5 - world.gain)
    action = rng.integers(k, size=n)
    reward = (rng.random(n) < mean[action] + effect[user]).astype(float)
    pi_b = np.full(n * k, 1 / k)
    about = Circumstances(1.0, False, False, 0.0)
    out = []
    for j in range(k):
        pmf = np.full(k, 0.5 / k)
        pmf[j] += 0.5
        rounds = Rounds(
            reward,
            np.full(n, 1 / k),
            pmf[action],
            user=user,
            reward_range=(0.0, 1.0),
            weight_bound=float(pmf.max()) * k,
            candidates=Candidates(np.tile(pmf, n), pi_b),
        )
        out.append(Judged(f"action-{j}", rounds, about, []))
    shift = _mean_effect(world)
    return out, 0.5 + shift + world.gain * np.r_[0.5 + 0.5 / k, np.full(k - 1, 0.5 / k)]


def _mean_effect(world: World) -> float:
    """The mean of the clipped effect of people, by quadrature."""
    at = np.linspace(-8.0, 8.0, 20_001)
    mass = np.exp(-at * at / 2)
    return float(np.clip(world.people * at, -0.5, 0.5 - world.gain) @ mass / mass.sum())


def _looked_at(job: tuple[World, int]) -> list[float]:
    world, seed = job
    judged, truth = draw(world, seed)
    found = compared(judged, judged[0], world.setting)
    assert found is not None
    together = np.array([(j.low, j.high) for j in found.intervals], dtype=float)
    alone = [estimate(AUTO, p.rounds, p.about, world.setting) for p in judged]
    single = np.array([(row.low, row.high) for row in alone], dtype=float)
    held, held_alone = _holds(together, truth), _holds(single, truth)
    apart = np.array([(j.low, j.high) for j in found.differences], dtype=float)
    first = judged[0].rounds
    apart_alone = np.array([difference(p.rounds, first, world.level) for p in judged[1:]])
    picked = _picked(found)
    better = truth[picked] > np.delete(truth, picked).max()
    return [
        float(held.all()),
        float(held_alone.all()),
        float(held[picked]),
        float(held_alone[picked]),
        float(_holds(apart, truth[1:] - truth[0]).all()),
        float(_holds(apart_alone, truth[1:] - truth[0]).all()),
        float(found.best_is_clear),
        float(found.best_is_clear and not better),
        float(np.diff(together).mean() / np.diff(single).mean()),
    ]


def _holds(spans: Floats, truth: Floats) -> Floats:
    return np.asarray((spans[:, 0] <= truth) & (truth <= spans[:, 1]))


def _picked(found: Comparison) -> int:
    """The policy with the highest estimate, refused or not: somebody would pick it."""
    return int(np.argmax([-np.inf if j.value is None else j.value for j in found.intervals]))


def _shares(rows: list[list[float]]) -> Found:
    return Found(*np.mean(rows, axis=0).tolist())
