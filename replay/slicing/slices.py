"""Slices: every group of decisions judged as the whole log is, and all of them corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from journal.cli import progress
from journal.log import Log
from policies.arrays import Bools, Floats
from policies.errors import BadInput
from policies.state import UserState
from replay.estimators.calibrated import calibrated
from replay.estimators.weighting import snips
from replay.evaluation import evaluate
from replay.given import GivenLog, log_given
from replay.history.walk import Learn
from replay.intervals.cluster import cluster_t
from replay.job import LOGGED
from replay.judged import AUTO, Difference, Judged, Row, Setting, compare, estimate
from replay.result import Evaluation
from replay.rounds import NotComputable, Rounds
from replay.shift.distances import holm
from replay.slicing.chance import chance_of_equals, chance_of_none
from replay.slicing.columns import columns_of
from replay.slicing.parts import Side, sides
from replay.slicing.result import Gap, Slice, Slices
from replay.slicing.splits import Place, Split, splits

LEAST_USERS = 30
LEAST_ESS = 30.0
ALL = "all"
DISMISS = "dismiss"


def slices(
    log: GivenLog,
    policy: str,
    *,
    against: str | None = LOGGED,
    by: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    state: str | Mapping[str, UserState] | None = None,
    learn: Learn = "none",
    since: str | int | None = None,
    as_of: str | int | None = None,
    behavior: str | None = None,
    level: float = 0.95,
) -> Slices:
    """A policy's value, and its difference to `against`, in each group of decisions.

    `log`: a path, a `Log` or a DataFrame; `columns`: names of its further columns to slice by,
    known before the action. `against`: a spec, "logged" or None; the other words are those of
    `replay.evaluate`. Weights are each decision's own (`pool="own"`). Raises `BadInput`.
    """
    if policy == LOGGED:
        raise BadInput("policy", "must be a spec; `logged` can only be compared against", policy)
    read = log_given(log)
    values = columns_of(log, read, columns)
    found = evaluate(
        read,
        [policy] if against in (None, LOGGED) else list(dict.fromkeys([policy, str(against)])),
        state=state,
        learn=learn,
        since=since,
        as_of=as_of,
        behavior=behavior,
        pool="own",
        estimators=(AUTO,),
        level=level,
    )
    return slices_of(found, found.results[0].policy, against, by, level, values)


def slices_of(
    found: Evaluation,
    policy: str,
    against: str | None = None,
    by: Sequence[str] | None = None,
    level: float = 0.95,
    columns: Mapping[str, Sequence[Any]] | None = None,
) -> Slices:
    """The slices of an evaluation in which both policies took part; `against` may be "logged".

    `by`: names of splits (`splits.BUILT_IN`) and of `columns`, one value a decision of
    `found.log` each; default all. Raises `BadInput` for a name that is not known.
    """
    if not 0 < level < 1:
        raise BadInput("--level", "must be between 0 and 1", level)
    ours, theirs = sides(found, policy, against)
    log, sample = found.log, found.sample
    notes: list[str] = list(found.notices)
    one = _Slicer(found, ours, theirs, level)
    everything = np.ones(len(sample.rows), np.bool_)
    whole = one.row(ALL, ALL, everything)
    cut = list(splits(Place(log, sample), columns or {}, by, notes))
    rows: list[Slice] = []
    gaps: list[Gap] = []
    for split in progress(cut, len(cut), "slices"):
        part = [
            one.row(split.by, name, member, split.label, v)
            for v, (name, member) in enumerate(zip(split.values, split.member, strict=True))
        ]
        rows += part
        gap = one.gap(split, part)
        if gap is not None:
            gaps.append(gap)
    corrected = holm([row.p for row in rows])
    rows = [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]
    together = holm([gap.p for gap in gaps])
    gaps = [replace(g, p_holm=p or 0.0) for g, p in zip(gaps, together, strict=True)]
    return Slices(
        log.path,
        log.sha256,
        ours.judged.name,
        None if theirs is None else theirs.judged.name,
        found.learn,
        level,
        whole,
        rows,
        gaps,
        notes,
    )


class _Slicer:
    """An evaluation's two policies, ready to be looked at group by group."""

    def __init__(self, found: Evaluation, ours: Side, theirs: Side | None, level: float) -> None:
        self.log, self.sample = found.log, found.sample
        self.ours, self.theirs = ours, theirs
        self.setting = Setting((AUTO,), "cluster-t", level, found.setting.seed)
        self.sizes = np.diff(self.log.offsets)[self.sample.rows]
        self.dismissed = _dismissed(self.log, found)

    def row(self, by: str, name: str, member: Bools, label: Any = None, value: int = -1) -> Slice:
        """One group; `member (m,)` are its decisions."""
        us = self.ours.at(member, self.sizes, self.sample.silent)
        them = None
        if self.theirs is not None:
            them = self.theirs.at(member, self.sizes, self.sample.silent)
        ess = _ess(us.rounds) if them is None else _least(_ess(us.rounds), _ess(them.rounds))
        small = us.rounds.users < LEAST_USERS or (ess is not None and ess < LEAST_ESS)
        found = estimate(AUTO, us.rounds, us.about, self.setting)
        apart = None if them is None else compare(us, them, self.setting)[0]
        verdict, reasons = _verdict(found, apart)
        if small:
            reasons = [_why_small(us.rounds.users, ess), *reasons]
        repeats = by != ALL and bool(member.all())
        if repeats:
            reasons = ["every decision is in it: what is true of all is true of it", *reasons]
        p = None
        if them is not None and verdict != "unreliable" and not small and not repeats:
            p = chance_of_none(us.rounds, them.rounds)
        away = self._dismissals(us, member)
        return Slice(
            by,
            name,
            int(member.sum()),
            us.rounds.users,
            ess,
            small,
            repeats,
            found.value,
            found.low,
            found.high,
            None if apart is None else apart.value,
            None if apart is None else apart.low,
            None if apart is None else apart.high,
            p,
            None,
            None if label is None else self._exposure(self.ours, label == value),
            None
            if label is None or self.theirs is None
            else self._exposure(self.theirs, label == value),
            away[0],
            away[1],
            away[2],
            None if them is None else self._dismissals(them, member)[0],
            None if small or repeats else verdict,
            tuple(reasons),
        )

    def gap(self, split: Split, part: Sequence[Slice]) -> Gap | None:
        """Between the best and the worst judged group of a split; None: fewer than two."""
        kept = [v for v, row in enumerate(part) if row.judged]
        if len(kept) < 2:
            return None
        sums, values, dof = [], [], np.inf
        for v in kept:
            member = split.member[v]
            rounds = self.ours.at(member, self.sizes, self.sample.silent).rounds
            found = calibrated(rounds)
            moved = np.zeros(len(member))
            moved[member] = found.influence / member.sum()
            sums.append(self.ours.judged.rounds.by_user(moved))
            values.append(found.value)
            dof = min(dof, rounds.equal_users - 1, rounds.ess - 1)
        p = chance_of_equals(values, np.column_stack(sums), dof, self.setting.seed)
        top, bottom = kept[int(np.argmax(values))], kept[int(np.argmin(values))]
        high, low = part[top], part[bottom]
        assert high.value is not None
        assert low.value is not None
        before = None
        if high.difference is not None and low.difference is not None:
            before = high.value - high.difference - (low.value - low.difference)
        return Gap(split.by, high.value_name, low.value_name, high.value - low.value, before, p, p)

    def _exposure(self, side: Side, mark: Bools) -> float:
        """Share of a policy's tips, over all decisions, that are candidates with the mark."""
        log, rows = self.log, self.sample.rows
        if side.mass is None:
            return float(mark[log.chosen[rows]].mean())
        per = np.add.reduceat(np.where(mark, side.mass, 0.0), log.offsets[:-1])
        return float(per[rows].mean())

    def _dismissals(self, judged: Judged, member: Bools) -> tuple[float | None, ...]:
        """Share of tips that would be dismissed, low and high: snips, clustered by user."""
        if self.dismissed is None:
            return None, None, None
        rounds = replace(
            judged.rounds,
            reward=self.dismissed[member],
            reward_range=(0.0, 1.0),
            q_hat=None,
            q_pi=None,
        )
        try:
            found = snips(rounds)
            low, high = cluster_t(rounds, found, self.setting.level)
        except NotComputable:
            return None, None, None
        return found.value, max(0.0, low), min(1.0, high)


def _dismissed(log: Log, found: Evaluation) -> Floats | None:
    """(m,) 1 where the tip was dismissed; None where no feedback of the log is the word."""
    if DISMISS not in log.feedback_names:
        return None
    code = np.where(found.sample.known, log.feedback, -1)[found.sample.rows]
    away: Floats = (code == log.feedback_names.index(DISMISS)).astype(np.float64)
    return away


def _verdict(found: Row, apart: Difference | None) -> tuple[Any, list[str]]:
    ranks = ("reliable", "caution", "unreliable")
    if apart is None:
        return found.verdict, found.reasons
    worst = max(found.verdict, apart.verdict, key=ranks.index)
    return worst, list(dict.fromkeys([*found.reasons, *apart.reasons]))


def _why_small(users: int, ess: float | None) -> str:
    if users < LEAST_USERS:
        return f"small: {users} users, {LEAST_USERS} are needed"
    return f"small: ess {ess:.0f}, {LEAST_ESS:g} is needed"


def _ess(rounds: Rounds) -> float | None:
    return None if rounds.pscore is None else rounds.ess


def _least(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else min(a, b)
