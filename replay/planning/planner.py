"""`plan`: which exploration floor, and how many user-days, would decide A against B."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from journal.states import read_states
from policies import BadInput, canonical
from policies.state import UserState
from replay.behavior.propensities import behavior_of
from replay.candidates import Evaluated
from replay.given import GivenLog, log_given
from replay.job import LOGGED, Job, model_of
from replay.judged import Judged, Setting, compare
from replay.planning.ab import ab_test
from replay.planning.loggers import Floored, floored, logged_floored
from replay.planning.offpolicy import Compared, off_policy
from replay.planning.power import LEAST_USERS, Question
from replay.planning.requirement import Asked
from replay.planning.result import AB_TEST, OFF_POLICY, Part, Plan, Row, Span
from replay.planning.words import assumptions, sentence
from replay.sample import sample_of

ESTIMATOR, INTERVAL = "dr", "cluster-t"  # of the comparison that is planned
FLOORS = (0.02, 0.05, 0.1, 0.2)
LEARN = ("none", "logged")


def plan(
    log: GivenLog,
    policy: Any,
    *,
    detect: float,
    against: Any = LOGGED,
    power: float = 0.8,
    level: float = 0.95,
    floors: Sequence[float] = FLOORS,
    tips_per_day: float | None = None,
    state: str | Mapping[str, UserState] | None = None,
    learn: Literal["none", "logged"] | None = None,
    behavior: str | None = None,
    seed: int = 0,
) -> Plan:
    """What would decide `policy` (B) against `against` (A), from this log's own variances.

    `log`: a path, a `Log` or a DataFrame. Policies: specs, or functions
    `fn(candidate_ids, context (K, d)) -> pmf (K,)`; `against` may be "logged". `detect`: the
    true difference per tip, in units of reward, that is to be found with probability `power`
    by an interval of `level`. `floors`: exploration floors of the logger, in (0, 1].
    `tips_per_day`: planned decisions of a user-day, default the log's. `learn`: "none" keeps
    `state` frozen (default with a `state`), "logged" learns from all earlier feedback (default
    without). `behavior`: the logger's spec where propensities were not logged. `seed`: of the
    users' resamples. Raises `BadInput`; what the log cannot say is null with its reason.
    """
    floors = _checked(detect, power, level, floors, tips_per_day, seed)
    learn = learn or ("none" if state is not None else "logged")
    if learn not in LEARN:
        raise BadInput("--learn", f"must be one of {', '.join(LEARN)}", learn)
    if policy == LOGGED:
        raise BadInput("--policy", "must be a spec; the log's own policy goes with --against")
    read = log_given(log)
    width = read.reward_range[1] - read.reward_range[0]
    if detect >= width:
        raise BadInput("--detect", f"must be less than the reward range, {width:g}", detect)
    sample = sample_of(read)
    states = state if isinstance(state, Mapping) else read_states(state) if state else {}
    logger = behavior_of(read, behavior)
    job = Job(read, sample, logger, states, model_of(read, sample), learn, 1)
    ours = job.walked(_spec(policy))
    theirs, planner = _against(job, _spec(against))
    job = job.pooled("auto", learn != "none")
    users, days = len(np.unique(read.user[sample.rows])), math.floor(float(job.days.max())) + 1
    rate = len(sample.rows) / (users * days)
    asked = Asked(users, days, 1.0 if tips_per_day is None else tips_per_day / rate)
    about = {
        "log": {
            "path": read.path,
            "sha256": read.sha256,
            "decisions": len(sample.rows),
            "users": users,
            "days": days,
            "tips_per_user_day": rate,
            "mean_reward": float(sample.reward.mean()),
        },
        "policy": ours.name,
        "against": LOGGED if theirs is None else theirs.name,
        "learn": learn,
        "detect": detect,
        "power": power,
        "level": level,
        "floors": list(floors),
        "tips_per_day": rate if tips_per_day is None else tips_per_day,
        "estimator": ESTIMATOR,
        "interval": INTERVAL,
        "seed": seed,
    }
    weighed = _weighed(job, ours, theirs, planner, Setting((ESTIMATOR,), INTERVAL, level, seed))
    few = (f"{users} users: a plan wants {LEAST_USERS}",) if users < LEAST_USERS else ()
    question = Question(detect, power, level)
    refused = (*few, *weighed.refused)
    if refused or weighed.compared is None:
        part = Part(OFF_POLICY, None, tuple(Row(f) for f in floors), refused)
    else:
        part = off_policy(weighed.compared, floors, question, asked, weighed.gap, seed)
    if few:
        test = Part(AB_TEST, None, (Row(None),), few)
    else:
        arms = () if weighed.compared is None else weighed.compared.arms
        lost = Span(detect / 2, 0.0, detect / 2)  # 0 if B is no worse
        test = ab_test(job.logged().rounds, arms, question, asked, lost, seed)
    return Plan(
        about,
        weighed.difference,
        (part, test),
        sentence(about, part, test),
        assumptions(about),
        (*job.notices(), *weighed.notes),
    )


@dataclass(frozen=True)
class Weighed:
    """What the log says of A and B, or why it cannot."""

    difference: Span | None = None  # B - A
    gap: Span | None = None  # A without a floor less a uniform choice
    compared: Compared | None = None
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _weighed(
    job: Job, ours: Evaluated, theirs: Evaluated | None, planner: Floored | None, setting: Setting
) -> Weighed:
    if theirs is None or planner is None:
        why = "the log has no pmfs: name A with --against, or its logger with --behavior"
        return Weighed(refused=(why,))
    b, a = job.judged(ours, setting), job.judged(theirs, setting)
    difference, reasons = _difference(b, a, setting)
    if difference is None:
        return Weighed(refused=tuple(reasons))
    notes = list(reasons)
    if not planner.known:
        notes.append("A has no floor of its own that is known: A at floor f is (1 - f) A + f/K")
    greedy = Evaluated("A without a floor", "none", planner.greedy, None)
    uniform = Evaluated("uniform", "none", planner.uniform, None)
    gap, reasons = _difference(job.judged(greedy, setting), job.judged(uniform, setting), setting)
    if gap is None:
        notes.append(f"the cost of exploration is unknown: {reasons[0]}")
    compared = Compared(job.log, job.sample.rows, b.rounds, a.rounds, ours.pmf, theirs.pmf, planner)
    return Weighed(difference, gap, compared, (), tuple(notes))


def _spec(policy: Any) -> Any:
    """A policy as it is, by its spec."""
    return canonical(policy) if hasattr(policy, "score") and not callable(policy) else policy


def _checked(
    detect: float,
    power: float,
    level: float,
    floors: Sequence[float],
    tips_per_day: float | None,
    seed: int,
) -> tuple[float, ...]:
    """The floors, ascending."""
    if not (math.isfinite(detect) and detect > 0):
        raise BadInput("--detect", "must be a positive difference of rewards", detect)
    for name, value in (("power", power), ("level", level)):
        if not 0 < value < 1:
            raise BadInput(f"--{name}", "must be between 0 and 1", value)
    if tips_per_day is not None and not (math.isfinite(tips_per_day) and tips_per_day > 0):
        raise BadInput("--tips-per-day", "must be positive", tips_per_day)
    if seed < 0:
        raise BadInput("--seed", "must be an integer >= 0", seed)
    if not floors:
        raise BadInput("--floors", "give at least one floor")
    for floor in floors:
        if not 0 < floor <= 1:
            raise BadInput("--floors", "must be in (0, 1]", floor)
    if len(set(floors)) < len(floors):
        raise BadInput("--floors", "each may be given once", list(floors))
    return tuple(sorted(float(f) for f in floors))


def _against(job: Job, against: Any) -> tuple[Evaluated | None, Floored | None]:
    """A as it is, and A with any floor; None: the log has no pmf of its own policy."""
    if against != LOGGED:
        walked = job.walked(against)
        return walked, floored(job.log, walked)
    pmf = job.logger.pmf
    if pmf is None or np.isnan(pmf[np.repeat(job.inside, np.diff(job.log.offsets))]).any():
        return None, None
    return Evaluated(LOGGED, "none", pmf, None), logged_floored(job.log, pmf)


def _difference(ours: Judged, theirs: Judged, setting: Setting) -> tuple[Span | None, list[str]]:
    """ours - theirs on this log, and why not, or what speaks against it."""
    found = compare(ours, theirs, setting)[0]
    if found.verdict == "unreliable" or found.value is None:
        return None, found.reasons
    if found.low is None or found.high is None:
        return None, found.reasons
    return Span(found.value, found.low, found.high), found.reasons
