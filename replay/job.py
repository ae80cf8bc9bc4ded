"""One log, ready to judge one policy after another: its sample, logger and reward model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from journal.log import Log
from policies.arrays import Bools, Floats, Ints
from policies.prior import priors_in
from policies.state import UserState, decision_hash
from replay.behavior.adaptivity import shared_state
from replay.behavior.pooling import Pool, Pooling, pooled
from replay.behavior.propensities import Behavior, is_deterministic
from replay.candidates import Evaluated, of_function, of_spec
from replay.history.walk import Learn
from replay.judged import Judged, Setting, estimate
from replay.learners.course import Course, course_of
from replay.learners.row import with_learners
from replay.models import NONE, RIDGE, RewardModel, cross_fitted_by, model_of_name
from replay.models.ridge import cross_fitted, folds
from replay.result import PolicyResult
from replay.rounds import NotComputable, Rounds
from replay.sample import Sample
from replay.verdict import Circumstances

LOGGED = "logged"
DAY = 86_400_000_000  # microseconds


def model_of(log: Log, sample: Sample, model: RewardModel | None = None) -> Floats | str:
    """q_hat `(N,)` of a model (default: ridge), or why there is none."""
    model = model or model_of_name(RIDGE)
    if model.name == NONE:
        return "no reward model, as asked: dm and dr need one"
    rows = sample.rows
    users = sorted(set(log.user[rows].tolist()))
    fold = np.zeros(len(log.user_names), np.int64)
    fold[users] = folds([log.user_names[u] for u in users])
    known = (
        log.chosen[rows],
        sample.reward,
        fold[log.user[rows]],
        fold[np.repeat(log.user, np.diff(log.offsets))],
    )
    try:
        if model.fresh is not None:
            code = np.argsort(np.argsort(np.array(log.arm_names)))  # whatever the rows' order
            return cross_fitted_by(model, log.context, code[log.arm], *known)
        return cross_fitted(log.context, log.arm, len(log.arm_names), *known)
    except NotComputable as reason:
        return str(reason)


@dataclass(frozen=True)
class Job:
    """A log with all that its policies are judged by."""

    log: Log
    sample: Sample
    logger: Behavior
    states: Mapping[str, UserState]
    model: Floats | str
    learn: Learn
    threads: int
    audited: tuple[str | None, bool] = (None, False)  # why an audit failed or was impossible
    pooling: Pooling | None = None  # where several behavior policies decided

    @property
    def inside(self) -> Bools:
        """(n,) the decisions that are evaluated."""
        mask = np.zeros(len(self.log), np.bool_)
        mask[self.sample.rows] = True
        return mask

    @cached_property
    def user(self) -> Ints:
        """(n,) the user's place among all names: what is drawn does not depend on rows' order."""
        names = self.log.user_names
        place = np.empty(len(names), np.int64)
        place[np.argsort(np.array(names), kind="stable")] = np.arange(len(names))
        return place[self.log.user]

    @property
    def days(self) -> Floats:
        """(m,) of the evaluated decisions, since the first of them."""
        at = self.log.decided_at[self.sample.rows]
        return np.asarray((at - at.min()) / DAY)

    def pooled(self, pool: Pool, memory: bool) -> "Job":
        """The job with the weights that `pool` says; `memory`: what is evaluated may learn."""
        logger, found = pooled(self.log, self.sample, self.logger, pool, memory)
        return replace(self, logger=logger, pooling=found)

    def walked(self, policy: Any) -> Evaluated:
        """What a policy, spec or function, would have done at each decision."""
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
        """Its rounds, and one row an estimator."""
        rounds, about = self._rounds(evaluated.pmf), self._about(evaluated)
        rows = [estimate(name, rounds, about, setting) for name in setting.estimators]
        return Judged(evaluated.name, rounds, about, rows, evaluated.pmf)

    def result(self, evaluated: Evaluated, setting: Setting) -> PolicyResult:
        """Its part of an evaluation."""
        judged = self.judged(evaluated, setting)
        if setting.learners:
            judged = with_learners(judged, self._course(evaluated, setting.seed), setting)
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
        user, span = self.user[sample.rows], self.log.reward_range
        every = None
        if self.logger.pmf is not None:
            every = self.logger.candidates(self.log, self.logger.pmf, self.inside)
        rewards = sample.reward
        rounds = Rounds(rewards, ones, ones, rewards, rewards, user, span, 1.0, every, self.days)
        about = Circumstances(1.0, False, False, float(sample.silent.mean()))
        return Judged(LOGGED, rounds, about, [])

    def notices(self) -> list[str]:
        """What a reader of any of the numbers must know."""
        out = list(self.log.notes)
        if len(self.log.user_names) == len(self.log):
            out.append("no user has two decisions: rows are treated as independent")
        missing = int(np.isnan(self.logger.pscore[self.sample.rows]).sum())
        if 0 < missing < len(self.sample.rows):
            out.append(
                f"{missing} of {len(self.sample.rows)} decisions lack a propensity: declare their "
                "logger with --behavior, or leave them out"
            )
        if self.logger.declared:
            out.append(f"propensities that were not logged are those of {self.logger.declared}")
        if self.pooling is not None:
            out.append(self.pooling.notice)
        if self.sample.censored:
            out.append(
                f"{self.sample.censored} decisions are left out: their reward window is still open"
            )
        if isinstance(self.model, str):
            out.append(self.model)
        return out

    def _course(self, evaluated: Evaluated, seed: int) -> Course | str:
        """The log as this policy, learning, would have lived through it, or why there is none."""
        if evaluated.learner is None or evaluated.matched is None:
            return "it does not learn: its value is that of the rows above"
        log, sample = self.log, self.sample
        try:
            return course_of(log, evaluated.learner, sample, evaluated.matched, self.states, seed)
        except NotComputable as reason:
            return str(reason)

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
            self.user[rows],
            log.reward_range,
            self.logger.weight_bound(log, pmf, self.inside),
            self.logger.candidates(log, pmf, self.inside),
            self.days,
            self.logger.spread(log, pmf, self.inside),
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
            self._learned_here(evaluated.name),
            float(self.sample.silent.mean()),
            self.logger.declared,
            share,
            self._unseen(evaluated.pmf),
            self._shared_learner,
            *self.audited,
            pooling=None if self.pooling is None else self.pooling.doubt,
        )

    def _unseen(self, pmf: Floats) -> float:
        """Share of the policy's mass on arms with fewer than 5 rewards in the sample."""
        log, rows = self.log, self.sample.rows
        seen = np.bincount(log.arm[log.chosen[rows]], minlength=len(log.arm_names))
        inside = np.repeat(self.inside, np.diff(log.offsets))
        return float(pmf[inside][seen[log.arm[inside]] < 5].sum() / len(rows))

    @cached_property
    def _shared_learner(self) -> str | None:
        """Why rows may depend on each other through what the logger learned."""
        return shared_state(self.log, self.logger.pscore, self.sample.rows)

    def _learned_here(self, name: str) -> bool:
        """Whether a starting state, or a prior, has learned from a decision that is evaluated."""
        priors = priors_in([name])
        if not self.states and not priors:
            return False
        ids = self.log.decision_id
        evaluated = {decision_hash(ids[i]) for i in self.sample.rows}
        states = [self.states[u] for u in self.log.user_names if u in self.states]
        learned = [p.sketch for p in priors] + [frozenset(s.learned.sketch) for s in states]
        return any(map(evaluated.intersection, learned))
