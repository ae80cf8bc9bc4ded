"""Does a prior help new people? `linucb:prior=…` against the cold start, over their first tips."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from policies import make
from policies.policy import Policy
from replay.priors.training import train_prior
from replay.studies.work import parallel
from sim.closed import WINDOW_S, Closed
from sim.deployment import QUESTION, Deployed, standard_error
from sim.logs import generate
from sim.plan import World

APART = 1_000_000  # between the seeds of who teaches and who is met
SCENARIOS = ("steady", "mornings", "drift")


@dataclass(frozen=True)
class Design:
    """Fixed before measuring: each prior is of other people than those who meet it."""

    users: int = 100
    days: int = 28
    tips: int = 20  # of each person, the first ones
    seeds: int = 5
    first_seed: int = 1
    train_users: int = 200
    train_days: int = 28
    logger: str = "random"
    policy: str = "linucb"


def study(design: Design) -> dict[str, Any]:
    """Per scenario: the value of both over the first tips and after them, in pairs."""
    jobs = [
        (design, name, design.first_seed + s) for name in SCENARIOS for s in range(design.seeds)
    ]
    found = parallel(_worlds, jobs)
    rows = []
    for i, name in enumerate(SCENARIOS):
        worlds = found[i * design.seeds : (i + 1) * design.seeds]
        for part in ("first", "later"):
            warm, cold = (_pooled([w[who][part] for w in worlds]) for who in ("warm", "cold"))
            value = warm.truth_deployed - cold.truth_deployed
            error = standard_error(warm.influence - cold.influence)
            rows.append(
                {
                    "scenario": name,
                    "tips": part,
                    "prior": warm.truth_deployed,
                    "cold": cold.truth_deployed,
                    "difference": value,
                    "standard_error": error,
                    "in_standard_errors": None if not error else value / error,
                    "people": len(warm.value),
                    "strengths": [w["strength"] for w in worlds],
                }
            )
    return {"question": QUESTION, "design": asdict(design), "scenarios": rows}


def _worlds(job: tuple[Design, str, int]) -> dict[str, Any]:
    """A prior from one population, met by another in the same scenario."""
    design, name, seed = job
    taught = generate(
        name, design.train_users, design.train_days, make(design.logger), seed=APART + seed
    )
    trained = train_prior(taught)
    join = "," if ":" in design.policy else ":"
    world = World(name, design.users, design.days, seed)
    return {
        "strength": trained.strength,
        "warm": _lived(design, world, make(f"{design.policy}{join}prior={trained.name}")),
        "cold": _lived(design, world, make(design.policy)),
    }


def _lived(design: Design, world: World, policy: Policy) -> dict[str, Deployed]:
    """The people's first tips and the later ones, as two `Deployed`."""
    sums = np.zeros((2, 3, world.users))
    for i in range(world.users):
        one = Closed(world, i, window_s=WINDOW_S)
        one.live(policy)
        one.settle(world.end)
        for t, shown in enumerate(one.biography.shown):
            came = one.biography.feedback.get(shown.decision.decision_id)
            reward = 0.0 if came is None else came.reward
            sums[int(t >= design.tips), :, i] += (1.0, shown.value, reward)
    first, later = (Deployed(str(policy), *part) for part in sums)
    return {"first": first, "later": later}


def _pooled(worlds: list[Deployed]) -> Deployed:
    return Deployed(
        worlds[0].policy,
        np.concatenate([w.decisions for w in worlds]),
        np.concatenate([w.value for w in worlds]),
        np.concatenate([w.reward for w in worlds]),
    )
