"""Does the hour matter? `arm=own` against `arm=shared` in closed loop, in every scenario."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from policies import make
from replay.studies.work import parallel
from sim.deployment import QUESTION, Deployed, run, standard_error
from sim.scenarios import SCENARIOS


@dataclass(frozen=True)
class Design:
    """Fixed before measuring: the same people and noise for both policies."""

    users: int = 100
    days: int = 42
    seeds: int = 20
    first_seed: int = 1
    own: str = "linucb:arm=own"
    shared: str = "linucb:arm=shared"


def study(design: Design) -> dict[str, Any]:
    """Per scenario: both values if deployed, and the paired difference over all people."""
    jobs = [
        (design, name, design.first_seed + s) for name in SCENARIOS for s in range(design.seeds)
    ]
    found = parallel(_pair, jobs)
    rows = []
    for i, name in enumerate(SCENARIOS):
        pairs = found[i * design.seeds : (i + 1) * design.seeds]
        own, shared = (_pooled([pair[k] for pair in pairs]) for k in (0, 1))
        value = own.truth_deployed - shared.truth_deployed
        error = standard_error(own.influence - shared.influence)
        rows.append(
            {
                "scenario": name,
                "own": own.truth_deployed,
                "shared": shared.truth_deployed,
                "difference": value,
                "standard_error": error,
                "in_standard_errors": None if not error else value / error,
                "people": len(own.value),
                "decisions": int(own.decisions.sum()),
            }
        )
    return {"question": QUESTION, "design": asdict(design), "scenarios": rows}


def _pair(job: tuple[Design, str, int]) -> tuple[Deployed, Deployed]:
    design, name, seed = job
    policies = [make(design.own), make(design.shared)]
    own, shared = run(name, design.users, design.days, policies, seed)
    return own, shared


def _pooled(worlds: list[Deployed]) -> Deployed:
    return Deployed(
        worlds[0].policy,
        np.concatenate([w.decisions for w in worlds]),
        np.concatenate([w.value for w in worlds]),
        np.concatenate([w.reward for w in worlds]),
    )
