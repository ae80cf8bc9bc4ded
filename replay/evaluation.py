"""Evaluates policies on a log: sample -> walk -> rounds -> estimates -> intervals -> verdicts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from journal.log import Log
from journal.states import read_states
from policies import BadInput, canonical
from policies.features import parse_instant
from policies.policy import Policy
from policies.records import micros
from policies.state import UserState
from replay.behavior.pooling import POOLS, Pool
from replay.behavior.propensities import behavior_of
from replay.candidates import Evaluated, of_file, of_lists
from replay.comparing import compared
from replay.estimators import estimator_of
from replay.given import log_given
from replay.grid import expanded
from replay.history.auditing import audit as audit_of
from replay.history.walk import Learn
from replay.intervals import INTERVALS
from replay.job import LOGGED, Job, model_of
from replay.judged import Setting, compare
from replay.learners import LEARNERS
from replay.models import RIDGE, model_of_name
from replay.result import Evaluation
from replay.sample import sample_of

DEFAULT_ESTIMATORS = ("auto", "ips", "snips", "dm", "dr")
LEARN = ("none", "logged", "replay")


def evaluate(
    log: str | Log | pd.DataFrame,
    policy: str | Policy | Callable[..., Any] | Sequence[Any] | None = None,
    *,
    against: str | None = None,
    state: str | Mapping[str, UserState] | None = None,
    learn: Learn = "none",
    since: str | int | None = None,
    as_of: str | int | None = None,
    pmf: Any = None,
    behavior: str | None = None,
    pool: Pool = "auto",
    model: Any = RIDGE,
    estimators: Sequence[str] = DEFAULT_ESTIMATORS,
    interval: str = "cluster-t",
    level: float = 0.95,
    seed: int = 0,
    threads: int = 1,
    audit: bool = False,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
    action_by: str | None = None,
) -> Evaluation:
    """Off-policy evaluation: per decision, what would a policy have earned on these contexts?

    `log`: a path, a `Log`, or a DataFrame (with `columns`, `reward_range`, `action_by` as
    `journal.frame.log_of_frame` reads them). `policy`: specs (`"linucb:alpha=1"`, or
    several at once, `"linucb:alpha={0.1,1}"`), policies as they are, or functions
    `fn(candidate_ids, context (K, d)) -> pmf (K,)`; `pmf`: a Parquet file, a column of the
    DataFrame, or one list a decision. `learn`: "none" keeps the starting `state` frozen,
    "logged" learns from all earlier feedback, "replay" from what the policy would have seen;
    then the row "learner" says what it earns while it learns.
    `since`, `as_of`: RFC 3339 or microseconds. `against`: a spec or "logged", for paired
    differences. `audit`: rebuild the log first; what does not hold is a
    verdict. `pool`: how several behavior policies are weighed; `model`: "ridge", "boosting",
    "none", or anything with `fit` and `predict`, for q_hat (docs/estimators.md).
    Raises `BadInput`; what cannot be computed is null with its reason.
    """
    if isinstance(estimators, str):
        estimators = [name.strip() for name in estimators.split(",")]
    estimators = list(dict.fromkeys(estimators))
    _check_options(learn, estimators, interval, level, policy, pmf)
    learners = [name for name in estimators if name in LEARNERS]
    if learn == "replay" and tuple(estimators) == DEFAULT_ESTIMATORS:
        learners = ["learner"]
    weighted = tuple(name for name in estimators if name not in LEARNERS)
    if pool not in POOLS:
        raise BadInput("--pool", f"must be one of {', '.join(POOLS)}", pool)
    chosen_model = model_of_name(model)
    read = log_given(log, columns, reward_range, action_by)
    sample = sample_of(read, _micros(since, "since"), _micros(as_of, "as_of"))
    states = state if isinstance(state, Mapping) else read_states(state) if state else {}
    logger = behavior_of(read, behavior)
    checked = _audited(read, threads) if audit else (None, False)
    q_hat = model_of(read, sample, chosen_model)
    job = Job(read, sample, logger, states, q_hat, learn, threads, checked)
    candidates = [job.walked(p) for p in expanded(_listed(policy))]
    if pmf is not None:
        candidates.append(_given_pmf(read, log, pmf))
    job = job.pooled(pool, learn != "none" or pmf is not None)
    setting = Setting(weighted, interval, level, seed, tuple(learners))
    results = [job.result(c, setting) for c in candidates]
    differences = []
    base = None
    if against is not None:
        base = job.logged() if against == LOGGED else job.judged(job.walked(against), setting)
        differences = [
            row
            for r in results
            if r.policy != base.name
            for row in compare(r.judged, base, setting)
        ]
    return Evaluation(
        read,
        sample,
        results,
        differences,
        learn,
        job.notices(),
        setting,
        pooling=job.pooling,
        model=chosen_model.name,
        comparison=compared([r.judged for r in results], base, setting),
    )


def _check_options(
    learn: str, estimators: Sequence[str], interval: str, level: float, policy: Any, pmf: Any
) -> None:
    if learn not in LEARN:
        raise BadInput("--learn", f"must be one of {', '.join(LEARN)}", learn)
    for name in estimators:
        if name not in LEARNERS:
            estimator_of(name)
        elif learn != "replay":
            raise BadInput(f"--estimators {name}", "values a learner: it needs --learn replay")
    if interval not in INTERVALS:
        raise BadInput("--interval", f"must be one of {', '.join(INTERVALS)}", interval)
    if not 0 < level < 1:
        raise BadInput("--level", "must be between 0 and 1", level)
    if policy is None and pmf is None:
        raise BadInput("--policy", "give at least one policy or --pmf")


def _audited(log: Log, threads: int) -> tuple[str | None, bool]:
    """(why the audit failed or was impossible, whether it failed)."""
    found = audit_of(log, threads=threads)
    if found.failures:
        return f"audit failed: {found.failures[0]}", True
    if found.unchecked:
        return f"audit impossible: {found.unchecked[0]}", False
    return None, False


def _micros(moment: str | int | None, name: str) -> int | None:
    if moment is None or isinstance(moment, int):
        return moment
    return micros(parse_instant(moment, f"--{name.replace('_', '-')}"))


def _listed(policy: Any) -> list[Any]:
    if policy is None:
        return []
    one = isinstance(policy, str) or callable(policy) or hasattr(policy, "score")
    given = [policy] if one else list(policy)
    return [canonical(p) if hasattr(p, "score") and not callable(p) else p for p in given]


def _given_pmf(read: Log, log: Any, pmf: Any) -> Evaluated:
    if isinstance(log, pd.DataFrame) and isinstance(pmf, str) and pmf in log.columns:
        return of_lists(read, log[pmf].tolist(), f"pmf:{pmf}")
    if isinstance(pmf, str):
        return of_file(read, pmf)
    return of_lists(read, list(pmf))
