"""Ways to split decisions by what was known before the action, so that weights stay valid."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Bools, Floats, Ints
from policies.errors import BadInput
from policies.features import FEATURES, NAME
from replay.sample import Sample
from replay.slicing.bands import bands, categories

BUILT_IN = ("overdue", "priority", "arm", "hour", "candidates", "activity", "new")
FIRST_TIPS = 20  # of a person, while they count as new
DAY = 86_400_000_000  # microseconds
ACTIVE_DAYS = 7
HOURS = ("00-06", "06-12", "12-18", "18-24")
MOST_ARMS = 12  # with slices of their own, those offered most; the others share one
CLOCKED = ("tip-v1", "obd-v1")  # feature sets that begin with hour_sin, hour_cos


@dataclass(frozen=True)
class Split:
    """Groups of the m evaluated decisions; those by arm overlap."""

    by: str
    values: tuple[str, ...]
    member: Bools  # (k, m) the decisions in each
    label: Ints | None = None  # (N,) each candidate's group, -1: none; None: not a candidate's


class Unknown(Exception):
    """A split that this log cannot give, and why."""


@dataclass(frozen=True)
class Place:
    """What a split reads: a log, and which of its decisions are evaluated."""

    log: Log
    sample: Sample

    def any_candidate(self, mark: Bools) -> Bools:
        """(m,) whether a candidate of the decision has the mark `(N,)`."""
        return np.asarray(np.logical_or.reduceat(mark, self.log.offsets[:-1])[self.sample.rows])

    def first(self, column: Floats) -> Floats:
        """(m,) of the decision's first candidate: for features that all candidates share."""
        return column[self.log.offsets[:-1]][self.sample.rows]


def splits(
    place: Place, columns: Mapping[str, Sequence[Any]], by: Sequence[str] | None, notes: list[str]
) -> Iterator[Split]:
    """Every split that was asked for, by default all; why one is missing goes to `notes`.

    `columns`: one value a decision of the log, `(n,)`, known before the action. Raises
    `BadInput` for a name that is neither a split nor a column, or that this log cannot give.
    """
    known = (*BUILT_IN, *columns)
    wanted = list(dict.fromkeys(known if by is None else by))
    for name in wanted:
        if name not in known:
            raise BadInput("--by", f"must be of {', '.join(known)}", name)
        try:
            found = _column(place, name, columns[name]) if name in columns else _SPLITS[name](place)
        except Unknown as reason:
            if by is not None:
                raise BadInput(f"--by {name}", str(reason)) from None
            notes.append(f"not sliced by {name}: {reason}")
            continue
        if len(found.values) < 2:
            notes.append(f"not sliced by {name}: it is {found.values[0]} in every decision")
            continue
        yield found


def _overdue(place: Place) -> Split:
    label = np.where(_feature(place, "is_overdue") > 0.5, 0, 1)  # a log may hold any number
    some = place.any_candidate(label == 0)
    return _of("overdue", ("yes", "no"), np.where(some, 0, 1), label)


def _priority(place: Place) -> Split:
    given = np.clip(_feature(place, "priority"), 0.0, 1.0)  # a log may hold any number
    level = np.rint(given * 3).astype(np.int64)  # 3: urgent
    most = np.maximum.reduceat(level, place.log.offsets[:-1])[place.sample.rows]
    return _of("priority", ("p4 urgent", "p3", "p2", "p1"), 3 - most, 3 - level)


def _arm(place: Place) -> Split:
    log = place.log
    if len(log.arm_names) < 2:
        raise Unknown("the log has one arm")
    inside = np.repeat(np.isin(np.arange(len(log)), place.sample.rows), np.diff(log.offsets))
    count = np.bincount(log.arm[inside], minlength=len(log.arm_names))
    ranked = sorted(np.flatnonzero(count), key=lambda a: (-count[a], log.arm_names[a]))
    names = [log.arm_names[a] for a in ranked]
    code = np.full(len(log.arm_names), -1)
    code[ranked] = np.minimum(np.arange(len(ranked)), MOST_ARMS)
    if len(names) > MOST_ARMS:
        names = [*names[:MOST_ARMS], f"{len(names) - MOST_ARMS} others"]
    label = code[log.arm]
    member = np.stack([place.any_candidate(label == a) for a in range(len(names))])
    return Split("arm", tuple(names), member, label)


def _hour(place: Place) -> Split:
    if place.log.features not in CLOCKED:
        raise Unknown(f"the feature set {place.log.features} has no hour_sin and hour_cos")
    sin, cos = (place.first(place.log.context[:, j]) for j in (0, 1))
    hour = np.arctan2(sin, cos) / (2 * np.pi) * 24 + 1e-6  # whole minutes, rounding aside
    return _of("hour", HOURS, np.floor(hour % 24 / 6).astype(np.int64))


def _candidates(place: Place) -> Split:
    names, code = bands(np.diff(place.log.offsets)[place.sample.rows].astype(np.float64))
    return _of("candidates", names, code)


def _activity(place: Place) -> Split:
    at = place.log.decided_at
    before = np.empty(len(at), np.int64)
    for rows in _people(place.log):
        times = at[rows]
        before[rows] = np.searchsorted(times, times, "left") - np.searchsorted(
            times, times - ACTIVE_DAYS * DAY, "left"
        )
    names, code = bands(before[place.sample.rows].astype(np.float64))
    return _of("activity", names, code)


def _new(place: Place) -> Split:
    so_far = np.empty(len(place.log), np.int64)
    for rows in _people(place.log):
        so_far[rows] = np.arange(len(rows))
    folded = place.log.state_seq
    so_far = np.maximum(so_far, np.where(folded == NONE, 0, folded))  # the log may begin later
    late = (so_far >= FIRST_TIPS).astype(np.int64)[place.sample.rows]
    return _of("new", (f"first {FIRST_TIPS} tips", "later"), late)


_SPLITS: dict[str, Callable[[Place], Split]] = dict(
    zip(BUILT_IN, (_overdue, _priority, _arm, _hour, _candidates, _activity, _new), strict=True)
)


def _people(log: Log) -> list[Ints]:
    """Each person's rows in the order of time."""
    if len(log.user_names) == len(log):
        raise Unknown("no user has two decisions")
    order = np.lexsort((log.decided_at, log.user))
    return np.split(order, np.flatnonzero(np.diff(log.user[order])) + 1)


def _column(place: Place, name: str, values: Sequence[Any]) -> Split:
    if len(values) != len(place.log):
        raise BadInput(f"column {name}", f"needs one value a decision, {len(place.log)}",
                       len(values))  # fmt: skip
    names, code = categories(name, [values[i] for i in place.sample.rows])
    return _of(name, names, code)


def _feature(place: Place, name: str) -> Floats:
    if place.log.features != NAME:
        raise Unknown(f"the feature set is {place.log.features}, not {NAME}")
    return place.log.context[:, [f.name for f in FEATURES].index(name)]


def _of(by: str, names: Sequence[str], code: Ints, label: Ints | None = None) -> Split:
    """The groups of a code `(m,)` that have a decision, or whose candidates have one."""
    kept = [v for v in range(len(names)) if (code == v).any()]
    if label is not None:
        new = np.full(len(names), -1)
        new[kept] = np.arange(len(kept))
        label = new[label]
    member = np.stack([code == v for v in kept])
    return Split(by, tuple(names[v] for v in kept), member, label)
