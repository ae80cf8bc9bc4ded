"""Comparing many policies: intervals that hold for all together, and whether one is the best."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from policies.arrays import Floats
from replay.estimators.calibrated import calibrated
from replay.intervals.difference import difference
from replay.intervals.simultaneous import best_levels, joint_level, widened
from replay.judged import AUTO, Difference, Judged, Row, Setting, compare, estimate
from replay.rounds import NotComputable
from replay.verdict import Verdict, says_nothing

METHOD = "max-t over users: each interval at the level of the joint quantile, at most Bonferroni's"

RANKS: Sequence[Verdict] = ("reliable", "caution", "unreliable")


@dataclass(frozen=True)
class Joint:
    """One of several intervals that hold together."""

    policy: str
    against: str | None
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """All policies that were tried, together."""

    tried: int
    estimator: str
    method: str
    level: float  # of all intervals together
    each_level: float  # of each interval, for that
    intervals: Sequence[Joint]
    best: str | None  # None: no estimate is to be believed
    best_is_clear: bool
    best_over: Sequence[Joint]  # best - each other: above 0 is what `best_is_clear` needs
    differences: Sequence[Joint]  # to what all were compared against

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def compared(judged: Sequence[Judged], base: Judged | None, setting: Setting) -> Comparison | None:
    """The comparison of two policies or more; None for one.

    By the estimator and interval `auto`, whatever else was asked for: what is asymptotic
    alone fails far in the tails. `intervals` hold for all policies together at
    `setting.level`; `differences` to `base` likewise. `best` has the highest value that
    is not refused; it `is_clear` where it beats every other by more than chance gives the
    best of so many.
    """
    if len(judged) < 2:
        return None
    setting = replace(setting, estimators=(AUTO,))
    each, over = _levels(judged, setting)
    rows = [_row(p, replace(setting, level=each)) for p in judged]
    at = _best(rows)
    against_others: list[Joint] = []
    if at is not None:
        against_others = [
            _lead(judged[at], rows[at], other, rows[k], over[k])
            for k, other in enumerate(judged)
            if k != at
        ]
    return Comparison(
        tried=len(judged),
        estimator=AUTO,
        method=METHOD,
        level=setting.level,
        each_level=each,
        intervals=[_joint(p, row) for p, row in zip(judged, rows, strict=True)],
        best=None if at is None else judged[at].name,
        best_is_clear=at is not None
        and all(d.low is not None and d.low > 0 for d in against_others),
        best_over=against_others,
        differences=[] if base is None else _differences(judged, base, setting),
    )


def _levels(judged: Sequence[Judged], setting: Setting) -> tuple[float, list[float]]:
    """The level of each interval, and for each policy that of best - it.

    A policy whose estimate cannot be computed has no influence, and takes part in nothing.
    """
    sums = [_sums(p) for p in judged]
    known = [k for k, s in enumerate(sums) if s is not None]
    over = [setting.level] * len(judged)
    if not known:
        return setting.level, over
    found = np.column_stack([s for s in sums if s is not None])
    dof = judged[0].rounds.equal_users - 1
    for k, one in zip(known, best_levels(found, setting.level, dof, setting.seed), strict=True):
        over[k] = float(one)
    return joint_level(found, setting.level, dof, setting.seed), over


def _differences(judged: Sequence[Judged], base: Judged, setting: Setting) -> list[Joint]:
    """To one policy, at a level that holds for all of them together."""
    theirs = _sums(base)
    others = [p for p in judged if p.name != base.name]
    apart = [s - theirs for p in others if theirs is not None and (s := _sums(p)) is not None]
    level = setting.level
    if apart:
        dof = base.rounds.equal_users - 1
        level = joint_level(np.column_stack(apart), setting.level, dof, setting.seed)
    return [_difference(p, base, replace(setting, level=level)) for p in others]


def _lead(best: Judged, ours: Row, other: Judged, theirs: Row, level: float) -> Joint:
    """How far the best is ahead of another policy."""
    verdict: Verdict = max(ours.verdict, theirs.verdict, key=RANKS.index)
    if ours.value is None or theirs.value is None:
        return Joint(best.name, other.name, None, None, None, verdict)
    low, high = difference(best.rounds, other.rounds, level)
    value = min(max(ours.value - theirs.value, low), high)
    return Joint(best.name, other.name, value, low, high, verdict)


def _sums(judged: Judged) -> Floats | None:
    """The estimate's influence within each user `(g,)`; None where it cannot be computed."""
    try:
        return judged.rounds.by_user(calibrated(judged.rounds).influence)
    except NotComputable:
        return None


def _row(policy: Judged, setting: Setting) -> Row:
    """The estimate with its interval at the level that holds for all."""
    row = estimate(AUTO, policy.rounds, policy.about, setting)
    if row.low is None or row.high is None:
        return row
    low, high = widened(policy.rounds, (row.low, row.high), setting.level)
    empty = says_nothing(low, high, policy.rounds)
    return replace(row, low=low, high=high, verdict="unreliable" if empty else row.verdict)


def _best(rows: Sequence[Row]) -> int | None:
    able = [k for k, row in enumerate(rows) if row.value is not None and row.low is not None]
    able = [k for k in able if rows[k].verdict != "unreliable"]
    return max(able, key=lambda k: rows[k].value or 0.0) if able else None


def _joint(policy: Judged, row: Row) -> Joint:
    return Joint(policy.name, None, row.value, row.low, row.high, row.verdict)


def _difference(policy: Judged, base: Judged, setting: Setting) -> Joint:
    found: Difference = compare(policy, base, setting)[0]
    return Joint(found.policy, found.against, found.value, found.low, found.high, found.verdict)
