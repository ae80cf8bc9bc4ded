"""Rows of the sums for a whole log: one row a user and arm, a user's rows side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Ints
from policies.errors import BadInput
from policies.state import MAX_ARMS, OTHER, Learned, UserState
from policies.sums import Sums
from replay.history.order import Order


@dataclass(frozen=True)
class Arms:
    """Where each user's arms are in the sums, sorted by (user, name of the arm)."""

    names: list[str]  # sorted
    pair: Ints  # (S,) user * len(names) + arm, ascending; row s+1 of the sums
    read: Ints  # (N,) the row a candidate is scored with
    write: Ints  # (n,) the row the action's feedback is folded into
    first: Ints  # (n,) rows first:last of the sums are all arms of the decision's user
    last: Ints  # (n,)

    def rows_of(self, user: int) -> tuple[int, int]:
        """first:last, the rows of a user's arms."""
        low, high = np.searchsorted(self.pair, [user, user + 1] * np.array(len(self.names)))
        return int(low) + 1, int(high) + 1


def arms_of(log: Log, order: Order, states: Mapping[str, UserState]) -> Arms:
    """The rows for a log that starts from `states`."""
    held = {arm for name in log.user_names if name in states for arm in states[name].arms}
    names = sorted({*log.arm_names, *held, OTHER})
    rank = {name: i for i, name in enumerate(names)}
    a = len(names)
    arm = np.array([rank[name] for name in log.arm_names], np.int64)[log.arm]  # (N,)
    user = np.repeat(log.user, np.diff(log.offsets))
    wanted = user * a + arm  # (N,)
    known = [
        code * a + rank[arm_name]
        for code, name in enumerate(log.user_names)
        if name in states
        for arm_name in states[name].arms
    ]
    crowded = _crowded(log, wanted // a, wanted, states)
    others = [code * a + rank[OTHER] for code in crowded]
    pair = np.unique(np.concatenate([wanted, np.array(known + others, np.int64)]))
    read = np.searchsorted(pair, wanted) + 1
    write = read[log.chosen].copy()
    for code in crowded:
        _crowd(log, order, states, code, names, rank, pair, read, write)
    bounds = np.searchsorted(pair, np.arange(len(log.user_names) + 1) * a) + 1
    return Arms(names, pair, read, write, bounds[log.user], bounds[log.user + 1])


def _crowded(log: Log, user: Ints, wanted: Ints, states: Mapping[str, UserState]) -> list[int]:
    """Users who may have more than `MAX_ARMS` arms."""
    pairs = np.unique(wanted)
    owners = np.searchsorted(pairs, wanted)
    one_each = np.zeros(len(pairs), np.int64)
    one_each[owners] = user
    count = np.bincount(one_each, minlength=len(log.user_names))
    for code, name in enumerate(log.user_names):
        if name in states:
            count[code] += len(states[name].arms)
    return [int(code) for code in np.flatnonzero(count > MAX_ARMS)]


def _crowd(
    log: Log,
    order: Order,
    states: Mapping[str, UserState],
    code: int,
    names: list[str],
    rank: Mapping[str, int],
    pair: Ints,
    read: Ints,
    write: Ints,
) -> None:
    """Sends a crowded user's further arms to `OTHER`, by the rule of `UserState.fold`.

    The order of arms is that of the logged feedbacks, also under `--learn replay`.
    """
    a = len(names)
    start = states.get(log.user_names[code])
    named = set(start.arms if start else ()) - {OTHER}
    rows = np.flatnonzero((log.user == code) & (order.folded != NONE))
    full_at = 0 if len(named) >= MAX_ARMS else np.iinfo(np.int64).max
    for i in rows[np.argsort(order.folded[rows], kind="stable")]:
        name = log.arm_names[log.arm[log.chosen[i]]]
        if name != OTHER and name not in named and len(named) < MAX_ARMS:
            named.add(name)
            if len(named) == MAX_ARMS:
                full_at = int(order.folded[i])
    other = int(np.searchsorted(pair, code * a + rank[OTHER])) + 1
    for i in np.flatnonzero(log.user == code):
        for c in range(log.offsets[i], log.offsets[i + 1]):
            name = log.arm_names[log.arm[c]]
            if name != OTHER and name not in named:
                read[c] = other if order.seen[i] >= full_at else 0
                if c == log.chosen[i]:
                    write[i] = other


def sums_of(arms: Arms, log: Log, states: Mapping[str, UserState]) -> Sums:
    """The sums at the start of the log: those of `states`, zero elsewhere."""
    sums = Sums.zeros(len(arms.pair) + 1, log.context.shape[1])
    rank = {name: i for i, name in enumerate(arms.names)}
    for code, name in enumerate(log.user_names):
        state = states.get(name)
        if state is None:
            continue
        if state.features != log.features or state.sums.width != sums.width:
            rule = f"must have learned from features {log.features} as the log"
            raise BadInput(f"state of {name}", rule, state.features)
        for i, arm in enumerate(state.arms, start=1):
            row = int(np.searchsorted(arms.pair, code * len(arms.names) + rank[arm])) + 1
            sums.gram[row] = state.sums.gram[i]
            sums.moment[row] = state.sums.moment[i]
            sums.count[row] = state.sums.count[i]
            sums.total[row] = state.sums.total[i]
    return sums


def states_of(
    arms: Arms,
    sums: Sums,
    log: Log,
    start: Mapping[str, UserState],
    learned: Mapping[str, Learned],
    seq: Ints,
) -> dict[str, UserState]:
    """The users' states `sums` hold after a walk; an arm that was never folded is not kept."""
    out = {}
    for code, name in enumerate(log.user_names):
        first, last = arms.rows_of(code)
        rows = [s for s in range(first, last) if sums.count[s] > 0]
        index = np.array([0, *rows])
        kept = Sums(sums.gram[index], sums.moment[index], sums.count[index], sums.total[index])
        kept_names = [arms.names[arms.pair[s - 1] % len(arms.names)] for s in rows]
        before = start.get(name)
        source = learned.get(name, before.learned if before else Learned())
        out[name] = UserState(name, log.features, kept, int(seq[code]), kept_names, source)
    return {**start, **out}
