"""`study --like LOG`: which estimator to trust on such a log, and the value if deployed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from journal.cli import progress
from journal.log import Log
from journal.states import read_states
from policies import BadInput, canonical, make
from policies.arrays import Floats
from policies.prior import check_prior, know, priors_in
from policies.state import UserState
from replay.behavior.propensities import behavior_of
from replay.estimators import ESTIMATORS
from replay.given import log_given
from replay.history.training import train
from replay.intervals import INTERVALS
from replay.judged import AUTO
from replay.like.assumptions import assumptions
from replay.like.deployment import deploy
from replay.like.logs import frozen, rounds_of, shadow, write
from replay.like.people import people_of
from replay.like.result import Found, LikeStudy
from replay.like.trust import measured
from replay.like.world import World, world_of
from replay.rounds import NotComputable
from replay.sample import sample_of
from replay.studies.intervals import replicate
from replay.studies.work import parallel

DEFAULT_POLICIES = ("random", "linucb")
CHUNK = 5  # replicates a job; results do not depend on who does it
LOGS, LIVES = 0, 1  # streams of random numbers
LEARN = ("none", "logged")
LEAST_REPLICATES = 2  # for an error


@dataclass(frozen=True)
class Job:
    """A part of the replicates: the first and how many, of one world."""

    world: World
    policies: tuple[str, ...]
    priors: tuple[str, ...]  # texts of what the policies start from: a new process knows none
    learn: bool
    level: float
    seed: int
    first: int
    count: int


@dataclass(frozen=True)
class Part:
    """What a job found, by policy."""

    pairs: list[list[dict[str, tuple[float, float, float]]]]  # (policies, replicates)
    logged: Floats  # (policies, 2, replicates) decisions, sums of values
    deployed: Floats


@dataclass(frozen=True)
class Refused:
    """Bad input that a job met; an exception of our own does not survive between processes."""

    what: str
    why: str


def study(
    like: str | Log | pd.DataFrame,
    policy: str | Sequence[str] | None = None,
    *,
    state: str | Mapping[str, UserState] | None = None,
    learn: str = "none",
    replicates: int = 100,
    seed: int = 0,
    level: float = 0.95,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
    action_by: str | None = None,
    processes: bool = False,
) -> LikeStudy:
    """A world like the log `like`: its answers are simulated, so both truths are known.

    `replicates` logs of that world tell which estimator and interval covers there; as many
    lives in closed loop tell the value if deployed. `policy`: specs, default `random` and
    `linucb`. `learn` "none" keeps the starting `state` frozen (default: what the log's first
    half teaches), "logged" learns on from it (default: nothing learned). `columns`,
    `reward_range`, `action_by` as in `evaluate`. `processes`: over all cores, for a caller that
    can be imported; the numbers do not change. Raises `BadInput`.
    """
    if learn not in LEARN:
        raise BadInput("--learn", f"must be one of {', '.join(LEARN)}", learn)
    if not 0 < level < 1:
        raise BadInput("--level", "must be between 0 and 1", level)
    if replicates < LEAST_REPLICATES:
        raise BadInput("--replicates", f"must be at least {LEAST_REPLICATES}", replicates)
    if seed < 0:
        raise BadInput("--seed", "must not be negative", seed)
    wanted = [policy] if isinstance(policy, str) else list(policy or DEFAULT_POLICIES)
    specs = tuple(dict.fromkeys(canonical(make(spec)) for spec in wanted))
    log = log_given(like, columns, reward_range, action_by)
    for spec in specs:
        check_prior(make(spec), log.features)
    priors = tuple(prior.text for prior in priors_in(specs))
    states, started = _start(log, state, learn)
    sample = sample_of(log)
    world = world_of(log, sample, behavior_of(log), states)
    jobs = [
        Job(
            world,
            specs,
            priors,
            learn != "none",
            level,
            seed,
            first,
            min(CHUNK, replicates - first),
        )
        for first in range(0, replicates, CHUNK)
    ]
    found = parallel(_part, jobs) if processes else _one_by_one(jobs)
    for part in found:
        if isinstance(part, Refused):
            raise BadInput(part.what, part.why)
    parts = [part for part in found if isinstance(part, Part)]
    logged = np.concatenate([part.logged for part in parts], axis=2)
    deployed = np.concatenate([part.deployed for part in parts], axis=2)
    results = []
    for i, spec in enumerate(specs):
        seen = [one for part in parts for one in part.pairs[i]]
        truth = float(logged[i, 1].sum() / logged[i, 0].sum())
        pairs = [measured(name, np.array([f[name] for f in seen]), truth) for name in seen[0]]
        results.append(Found(spec, logged[i], deployed[i], pairs))
    said = [f"policies start with {started}", *assumptions(world, learn != "none")]
    return LikeStudy(log, len(sample.rows), world, results, said, learn, replicates, seed, level)


def _start(
    log: Log, state: str | Mapping[str, UserState] | None, learn: str
) -> tuple[Mapping[str, UserState], str]:
    """The states policies start with, and what they are, in words."""
    if isinstance(state, Mapping):
        return state, "the given states"
    if state is not None:
        return read_states(state), f"the states of {state}"
    if learn != "none":
        return {}, "nothing learned"
    half = int(np.sort(log.decided_at)[len(log) // 2])
    try:
        return train(log, half), "what the log's first half teaches, frozen"
    except BadInput:
        return {}, "nothing learned: the log's first half holds no feedback"


def _one_by_one(jobs: Sequence[Job]) -> list[Part | Refused]:
    return [_part(job) for job in progress(jobs, len(jobs), "replicates")]


def _part(job: Job) -> Part | Refused:
    try:
        return _played(job)
    except BadInput as error:
        return Refused(error.field, str(error).removeprefix(f"{error.field}: "))


def _played(job: Job) -> Part:
    for text in job.priors:
        know(text, "prior")
    world, policies = job.world, [make(spec) for spec in job.policies]
    static = None if job.learn else [frozen(world, policy) for policy in policies]
    everybody = np.arange(world.users)
    pairs: list[list[dict[str, tuple[float, float, float]]]] = [[] for _ in policies]
    logged, deployed = np.zeros((2, len(policies), 2, job.count))
    for r in range(job.count):
        number = job.first + r
        rng = np.random.default_rng([job.seed, LOGS, number])
        people = people_of(world, rng, rng.integers(world.users, size=world.users))
        log = write(world, people)
        own = people_of(world, np.random.default_rng([job.seed, LIVES, number]), everybody)
        lived = write(world, own)
        for i, policy in enumerate(policies):
            pi_e = static[i][log.source] if static else shadow(world, people, log, policy)
            try:
                found = replicate(rounds_of(world, people, log, pi_e), job.level, number).found
            except NotComputable as reason:
                rule = "cannot be evaluated on logs like this"
                raise BadInput(f"policy {job.policies[i]}", rule, str(reason)) from None
            pairs[i].append({name: f for name, f in found.items() if _is_offered(name)})
            pmf = static[i][lived.source] if static else shadow(world, own, lived, policy)
            logged[i, :, r] = len(lived.reward), float(pmf @ lived.means)
            deployed[i, :, r] = [float(x.sum()) for x in deploy(world, own, policy, job.learn)]
    return Part(pairs, logged, deployed)


def _is_offered(pair: str) -> bool:
    """Whether `evaluate` can be asked for it: the row `auto` has no interval but its own, and
    a replicate also has those of the field's tools.
    """
    estimator, _, interval = pair.partition(" ")
    known = estimator in ESTIMATORS and interval in (*INTERVALS, "-")
    return known and (estimator != AUTO or interval == AUTO)
