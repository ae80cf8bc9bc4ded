"""`shadow`: what the policies that ran in shadow would have earned, from the pmfs they logged."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from journal.log import Log
from journal.shadow_columns import Shadow, shadows_of
from policies.arrays import Bools, Floats
from policies.errors import BadInput
from policies.features import parse_instant
from policies.records import micros
from replay.behavior.propensities import behavior_of
from replay.candidates import Evaluated
from replay.estimators import estimator_of
from replay.given import GivenLog, log_given
from replay.history.walk import Learn
from replay.intervals.anytime import FIRST_LOOK
from replay.job import Job, model_of
from replay.judged import AUTO, NO_INTERVAL, Difference, Judged, Row, Setting, compare
from replay.online.shadow_result import Look, ShadowReport, ShadowValue
from replay.rounds import Rounds
from replay.sample import Sample, sample_of
from replay.verdict import Verdict

ESTIMATORS = ("sndr", "snips", "ips")
INTERVAL = "anytime"
SERVED = "served"
LEARNED: Learn = (
    "logged"  # a shadow's state is the served one's: it learned from all earlier feedback
)

T = TypeVar("T", Row, Difference)
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def shadow(
    log: GivenLog,
    *,
    since: str | int | None = None,
    as_of: str | int | None = None,
    estimators: Sequence[str] = ESTIMATORS,
    level: float = 0.95,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
    progress: Progress = lambda items, _total: items,
) -> ShadowReport:
    """What each policy in shadow would have earned per decision on the contexts of the log.

    By the pmfs that were logged when the decisions were made, over the decisions at which it
    was asked. A decision at which it failed gave no tip: it counts as the lowest reward of
    the log's range, which cannot flatter. Differences are paired with the served policy's
    own pmfs by the same estimator. Intervals are `anytime`: they hold at all daily looks at
    once, of one shadow and one estimator. `since`, `as_of`: RFC 3339 or microseconds.
    Raises `BadInput` for a log without shadows.
    """
    setting = Setting(_weighed(estimators), INTERVAL, _checked(level), 0)
    read = log_given(log, columns, reward_range)
    shadows = shadows_of(read)
    if not shadows:
        raise BadInput(read.path, "holds no shadows: `serve.py --shadow` logs them")
    sample = sample_of(read, _micros(since, "--since"), _micros(as_of, "--as-of"))
    job = Job(read, sample, behavior_of(read), {}, model_of(read, sample), LEARNED, 1)
    job = job.pooled("own", memory=True)
    asked = [(s, s.asked[sample.rows]) for s in shadows]
    none = [s.policy for s, rows in asked if not rows.any()]
    values = [_Case(job, s, rows, setting).value(progress) for s, rows in asked if rows.any()]
    if not values:
        rule = "no decision that is evaluated has a shadow"
        raise BadInput(read.path, rule, len(sample.rows))
    notices = job.notices()
    notices += [f"{name}: none of its decisions is evaluated" for name in none]
    if len(values) > 1:
        notices.append(
            f"{len(values)} shadows: each interval holds by itself, all together with "
            f"--level {1 - (1 - level) / len(values):.4g}"
        )
    return ShadowReport(read, sample, values, setting, notices)


@dataclass(frozen=True)
class _Case:
    """One shadow over the decisions at which it was asked, `rows (m,)` of the job's sample."""

    job: Job
    shadow: Shadow
    rows: Bools
    setting: Setting

    def value(self, progress: Progress) -> ShadowValue:
        """Estimates, differences, and how the main difference went day by day."""
        failed = self.shadow.failed[self._sample.rows]
        ours, base = self._ours(failed), self._base()
        worst = self._failures(failed)
        main = next((e for e in self.setting.estimators if e not in NO_INTERVAL), None)
        looks: list[Look] = []
        if main is not None:
            looks = list(_looks(ours, base, replace(self.setting, estimators=(main,)), progress))
        return ShadowValue(
            policy=self.shadow.policy,
            decisions=len(failed),
            users=ours.rounds.users,
            failed=int(failed.sum()),
            agreement=self._agreement(failed),
            served=float(self._sample.reward.mean()),
            truth_log=self._truth(failed),
            estimates=[_with(row, worst) for row in ours.rows],
            differences=[_with(row, worst) for row in compare(ours, base, self.setting)],
            estimator=main,
            looks=looks,
        )

    @property
    def _sample(self) -> Sample:
        """The part of the sample at which it was asked."""
        whole, kept = self.job.sample, self.rows
        return replace(
            whole, rows=whole.rows[kept], reward=whole.reward[kept], silent=whole.silent[kept]
        )

    def _ours(self, failed: Bools) -> Judged:
        """Where it failed, what was served stands with the lowest reward in the place of its own.

        Weights are then 1 there, and the estimate is that of the reward which no tip is
        taken to have.
        """
        log, sample = self.job.log, self._sample
        low, pmf = log.reward_range[0], self.shadow.pmf.copy()
        reward, model = sample.reward.copy(), self.job.model
        reward[failed] = low
        gone = np.zeros(len(log), np.bool_)
        gone[sample.rows[failed]] = True
        where = np.repeat(gone, np.diff(log.offsets))
        pmf[where] = _served(log, self.job)[where]
        if not isinstance(model, str):
            model = np.where(where, low, model)
        job = replace(self.job, sample=replace(sample, reward=reward), model=model)
        return job.judged(Evaluated(self.shadow.policy, LEARNED, pmf, None), self.setting)

    def _base(self) -> Judged:
        """What was served: by its pmfs, so that two alike differ by nothing; else its rewards."""
        job = replace(self.job, sample=self._sample)
        pmf = job.log.pmf
        inside = np.repeat(job.inside, np.diff(job.log.offsets))
        if pmf is None or np.isnan(pmf[inside]).any():
            return replace(job.logged(), name=SERVED)
        return job.judged(Evaluated(SERVED, LEARNED, pmf, None), self.setting)

    def _failures(self, failed: Bools) -> tuple[Verdict, str] | None:
        """What failures make of a verdict, and in words."""
        if not failed.any():
            return None
        low = self.job.log.reward_range[0]
        said = f"it failed at {failed.mean():.2%} of its decisions: each counts as {low:g}"
        return "unreliable" if failed.all() else "caution", said

    def _agreement(self, failed: Bools) -> float | None:
        """Share of decisions whose most probable candidate is the one shown, ties shared."""
        log, pmf = self.job.log, self.shadow.pmf
        rows = self._sample.rows[~failed]
        if not len(rows):
            return None
        most = np.maximum.reduceat(pmf, log.offsets[:-1])
        best = pmf == np.repeat(most, np.diff(log.offsets))
        ties = np.add.reduceat(best, log.offsets[:-1], dtype=np.int64)
        return float((best[log.chosen[rows]] / ties[rows]).mean())

    def _truth(self, failed: Bools) -> float | None:
        """Simulated logs only: the exact value on these contexts."""
        log, sample = self.job.log, self._sample
        if log.expected_reward is None:
            return None
        means = np.add.reduceat(self.shadow.pmf * log.expected_reward, log.offsets[:-1])
        truth = float(np.where(failed, log.reward_range[0], means[sample.rows]).mean())
        return truth if np.isfinite(truth) else None


def _served(log: Log, job: Job) -> Floats:
    """`(N,)` what was served; without a pmf the propensity, the rest shared by the others."""
    k = np.diff(log.offsets)
    pscore = np.where(np.isnan(job.logger.pscore), 1.0, job.logger.pscore)
    rest = np.divide(1.0 - pscore, k - 1, out=np.zeros(len(k)), where=k > 1)
    pmf = np.repeat(rest, k)
    pmf[log.chosen] = pscore
    return pmf if log.pmf is None else np.where(np.isnan(log.pmf), pmf, log.pmf)


def _looks(ours: Judged, base: Judged, setting: Setting, progress: Progress) -> Iterator[Look]:
    """The difference as each daily look from the first allowed one on would have shown it."""
    days = ours.rounds.days
    assert days is not None  # a job's rounds have them
    last = int(np.floor(days.max())) + 1
    ends = range(FIRST_LOOK, last + 1)
    for end in progress(ends, len(ends)):
        kept = days < end
        row = compare(_until(ours, kept), _until(base, kept), setting)[0]
        yield Look(end, int(kept.sum()), row.value, row.low, row.high)


def _until(judged: Judged, kept: Bools) -> Judged:
    r = judged.rounds
    rounds = Rounds(
        r.reward[kept],
        _cut(r.pscore, kept),
        r.pi_e[kept],
        _cut(r.q_hat, kept),
        _cut(r.q_pi, kept),
        None if r.user is None else r.user[kept],
        r.reward_range,
        r.weight_bound,
        days=_cut(r.days, kept),
        spread=_cut(r.spread, kept),
    )
    return replace(judged, rounds=rounds)


def _cut(column: Floats | None, kept: Bools) -> Floats | None:
    return None if column is None else column[kept]


def _with(row: T, worst: tuple[Verdict, str] | None) -> T:
    """The row with what failures make of it."""
    if worst is None:
        return row
    ranks: list[Verdict] = ["reliable", "caution", "unreliable"]
    verdict = max(row.verdict, worst[0], key=ranks.index)
    return replace(row, verdict=verdict, reasons=[*row.reasons, worst[1]])


def _weighed(estimators: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in estimators))
    for name in names:
        estimator_of(name)
        if name == AUTO:
            rule = "its interval holds at one look: `evaluate` has it, here are daily ones"
            raise BadInput("--estimators auto", rule)
    return names


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise BadInput("--level", "must be between 0 and 1", level)
    return level


def _micros(moment: str | int | None, name: str) -> int | None:
    return micros(parse_instant(moment, name)) if isinstance(moment, str) else moment
