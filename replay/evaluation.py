"""Evaluates policies on a log: sample -> walk -> rounds -> estimates -> intervals -> verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from journal.files import read_log
from journal.frame import log_of_frame
from journal.log import Log
from journal.states import read_states
from policies import BadInput
from policies.arrays import Bools, Floats
from policies.features import parse_instant
from policies.records import micros
from policies.rewards import REWARD_RANGE
from policies.state import UserState, decision_hash
from replay.auditing import audit as audit_of
from replay.candidates import Evaluated, of_file, of_function, of_lists, of_spec
from replay.estimators import estimator_of
from replay.intervals import INTERVALS
from replay.judged import Judged, Setting, compare, estimate
from replay.model import cross_fitted, folds
from replay.propensities import Behavior, behavior_of, is_deterministic
from replay.result import Evaluation, PolicyResult
from replay.rounds import NotComputable, Rounds
from replay.sample import Sample, sample_of
from replay.verdict import Circumstances
from replay.walk import Learn

DEFAULT_ESTIMATORS = ("auto", "ips", "snips", "dm", "dr")
LEARN = ("none", "logged", "replay")
LOGGED = "logged"
DRIFT = 4.0  # standard errors between the halves of a log


def evaluate(
    log: str | Log | pd.DataFrame,
    policy: str | Callable[..., Any] | Sequence[str | Callable[..., Any]] | None = None,
    *,
    against: str | None = None,
    state: str | Mapping[str, UserState] | None = None,
    learn: Learn = "none",
    since: str | int | None = None,
    as_of: str | int | None = None,
    pmf: Any = None,
    behavior: str | None = None,
    estimators: Sequence[str] = DEFAULT_ESTIMATORS,
    interval: str = "cluster-t",
    level: float = 0.95,
    seed: int = 0,
    threads: int = 1,
    audit: bool = False,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] = REWARD_RANGE,
    action_by: str | None = None,
) -> Evaluation:
    """Off-policy evaluation: per decision, what would a policy have earned on these contexts?

    `log`: a path, a `Log`, or a DataFrame (with `columns`, `reward_range`, `action_by` as
    `journal.frame.log_of_frame` reads them). `policy`: specs (`"linucb:alpha=1"`) or functions
    `fn(candidate_ids, context (K, d)) -> pmf (K,)`; `pmf`: a Parquet file, a column of the
    DataFrame, or one list a decision. `learn`: "none" keeps the starting `state` frozen,
    "logged" learns from all earlier feedback, "replay" from what the policy would have seen.
    `since`, `as_of`: RFC 3339 or microseconds. `against`: a spec or "logged", for paired
    differences. `audit`: rebuild the log first; what does not hold is a
    verdict. Raises `BadInput`; what cannot be computed is null with its reason.
    """
    _check_options(learn, estimators, interval, level, policy, pmf)
    read = _read(log, columns, reward_range, action_by)
    sample = sample_of(read, _micros(since, "since"), _micros(as_of, "as_of"))
    states = state if isinstance(state, Mapping) else read_states(state) if state else {}
    logger = behavior_of(read, behavior)
    checked = _audited(read, threads) if audit else (None, False)
    job = _Job(read, sample, logger, states, _model(read, sample), learn, threads, checked)
    candidates = [job.walked(p) for p in _listed(policy)]
    if pmf is not None:
        candidates.append(_given_pmf(read, log, pmf))
    setting = Setting(tuple(estimators), interval, level, seed)
    results = [job.result(c, setting) for c in candidates]
    differences = []
    if against is not None:
        base = job.logged() if against == LOGGED else job.judged(job.walked(against), setting)
        differences = [
            row
            for r in results
            if r.policy != base.name
            for row in compare(r.judged, base, setting)
        ]
    return Evaluation(read, sample, results, differences, learn, job.notices(), setting)


def _check_options(
    learn: str, estimators: Sequence[str], interval: str, level: float, policy: Any, pmf: Any
) -> None:
    if learn not in LEARN:
        raise BadInput("--learn", f"must be one of {', '.join(LEARN)}", learn)
    for name in estimators:
        estimator_of(name)
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


def _read(
    log: Any,
    columns: Mapping[str, str] | None,
    reward_range: tuple[float, float],
    action_by: str | None,
) -> Log:
    if isinstance(log, Log):
        return log
    if isinstance(log, pd.DataFrame):
        return log_of_frame(log, columns=columns, reward_range=reward_range, action_by=action_by)
    return read_log(log)


def _micros(moment: str | int | None, name: str) -> int | None:
    if moment is None or isinstance(moment, int):
        return moment
    return micros(parse_instant(moment, f"--{name.replace('_', '-')}"))


def _listed(policy: Any) -> list[Any]:
    if policy is None:
        return []
    return [policy] if isinstance(policy, str) or callable(policy) else list(policy)


def _given_pmf(read: Log, log: Any, pmf: Any) -> Evaluated:
    if isinstance(log, pd.DataFrame) and isinstance(pmf, str) and pmf in log.columns:
        return of_lists(read, log[pmf].tolist(), f"pmf:{pmf}")
    if isinstance(pmf, str):
        return of_file(read, pmf)
    return of_lists(read, list(pmf))


def _model(log: Log, sample: Sample) -> Floats | str:
    """q_hat `(N,)`, or why there is none."""
    rows = sample.rows
    users = sorted(set(log.user[rows].tolist()))
    fold = np.zeros(len(log.user_names), np.int64)
    fold[users] = folds([log.user_names[u] for u in users])
    try:
        return cross_fitted(
            log.context,
            log.arm,
            len(log.arm_names),
            log.chosen[rows],
            sample.reward,
            fold[log.user[rows]],
            fold[np.repeat(log.user, np.diff(log.offsets))],
        )
    except NotComputable as reason:
        return str(reason)


@dataclass(frozen=True)
class _Job:
    """One log, its sample and model, ready to judge one policy after another."""

    log: Log
    sample: Sample
    logger: Behavior
    states: Mapping[str, UserState]
    model: Floats | str
    learn: Learn
    threads: int
    audited: tuple[str | None, bool] = (None, False)  # why an audit failed or was impossible

    @property
    def inside(self) -> Bools:
        mask = np.zeros(len(self.log), np.bool_)
        mask[self.sample.rows] = True
        return mask

    def walked(self, policy: Any) -> Evaluated:
        if callable(policy):
            return of_function(self.log, policy)
        return of_spec(
            self.log,
            str(policy),
            self.learn,
            self.states,
            self.sample.known,
            self.inside,
            self.threads,
        )

    def judged(self, evaluated: Evaluated, setting: Setting) -> Judged:
        rounds, about = self._rounds(evaluated.pmf), self._about(evaluated)
        rows = [estimate(name, rounds, about, setting) for name in setting.estimators]
        return Judged(evaluated.name, rounds, about, rows)

    def result(self, evaluated: Evaluated, setting: Setting) -> PolicyResult:
        judged = self.judged(evaluated, setting)
        rows = self.sample.rows
        matched = None if evaluated.matched is None else evaluated.matched[rows]
        mean = (
            float(self.sample.reward[matched].mean())
            if matched is not None and matched.any()
            else None
        )
        return PolicyResult(judged, evaluated.learn, matched, mean, self._truth(evaluated.pmf))

    def _truth(self, pmf: Floats) -> float | None:
        """The exact value on these contexts, where the truth of every evaluated row is known."""
        if self.log.expected_reward is None:
            return None
        means = np.add.reduceat(pmf * self.log.expected_reward, self.log.offsets[:-1])
        truth = float(means[self.sample.rows].mean())
        return truth if np.isfinite(truth) else None

    def logged(self) -> Judged:
        """The log's own policies as an entry to compare against: the mean logged reward."""
        sample = self.sample
        ones = np.ones(len(sample.rows))
        user, span = self.log.user[sample.rows], self.log.reward_range
        every = None
        if self.logger.pmf is not None:
            every = self.logger.candidates(self.log, self.logger.pmf, self.inside)
        rounds = Rounds(
            sample.reward, ones, ones, sample.reward, sample.reward, user, span, 1.0, every
        )
        about = Circumstances(1.0, False, False, float(sample.silent.mean()))
        return Judged(LOGGED, rounds, about, [])

    def notices(self) -> list[str]:
        out = []
        if len(self.log.user_names) == len(self.log):
            out.append("no user has two decisions: rows are treated as independent")
        if self.logger.declared:
            out.append(f"propensities that were not logged are those of {self.logger.declared}")
        if self.sample.censored:
            out.append(
                f"{self.sample.censored} decisions are left out: their reward window is still open"
            )
        if isinstance(self.model, str):
            out.append(self.model)
        return out

    def _rounds(self, pmf: Floats) -> Rounds:
        log, rows = self.log, self.sample.rows
        pscore = self.logger.pscore[rows]
        q_hat = q_pi = None
        if not isinstance(self.model, str):
            q_hat = self.model[log.chosen[rows]]
            q_pi = np.add.reduceat(pmf * self.model, log.offsets[:-1])[rows]
        return Rounds(
            self.sample.reward,
            None if np.isnan(pscore).any() else pscore,
            pmf[log.chosen[rows]],
            q_hat,
            q_pi,
            log.user[rows],
            log.reward_range,
            self.logger.weight_bound(log, pmf, self.inside),
            self.logger.candidates(log, pmf, self.inside),
        )

    def _about(self, evaluated: Evaluated) -> Circumstances:
        log, rows, inside = self.log, self.sample.rows, self.inside
        pscore = self.logger.pscore
        share = None
        if evaluated.matched is not None:
            answered = inside & self.sample.known
            share = float(evaluated.matched[answered].mean()) if answered.any() else 0.0
        return Circumstances(
            None
            if np.isnan(pscore[rows]).any()
            else self.logger.support(log, evaluated.pmf, inside),
            is_deterministic(log, pscore, inside),
            self._learned_here(),
            float(self.sample.silent.mean()),
            self.logger.declared,
            share,
            self._unseen(evaluated.pmf),
            self._shared_learner(),
            *self.audited,
        )

    def _unseen(self, pmf: Floats) -> float:
        """Share of the policy's mass on arms with fewer than 5 rewards in the sample."""
        log, rows = self.log, self.sample.rows
        seen = np.bincount(log.arm[log.chosen[rows]], minlength=len(log.arm_names))
        inside = np.repeat(self.inside, np.diff(log.offsets))
        return float(pmf[inside][seen[log.arm[inside]] < 5].sum() / len(rows))

    def _shared_learner(self) -> bool:
        """Whether rows without users come from a logger that changed: may it have learned?

        Welch's t of the propensities' excess over 1/K between the halves of the period.
        """
        log, rows = self.log, self.sample.rows
        if len(log.user_names) < len(log) or len(rows) < 20:
            return False
        order = rows[np.argsort(log.decided_at[rows], kind="stable")]
        excess = (self.logger.pscore - 1 / np.diff(log.offsets))[order]
        early, late = excess[: len(order) // 2], excess[len(order) // 2 :]
        error = np.sqrt(early.var() / len(early) + late.var() / len(late))
        return bool(abs(early.mean() - late.mean()) > DRIFT * error)

    def _learned_here(self) -> bool:
        """Whether a starting state has learned from a decision that is evaluated."""
        if not self.states:
            return False
        ids = self.log.decision_id
        evaluated = {decision_hash(ids[i]) for i in self.sample.rows}
        states = [self.states[u] for u in self.log.user_names if u in self.states]
        return any(evaluated.intersection(state.learned.sketch) for state in states)
