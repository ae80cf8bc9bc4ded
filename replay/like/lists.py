"""What each person has on their list at each moment, had the log's answers been others."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Bools, Floats, Ints
from replay.like.effects import blocks

LONGEST = 5.0  # mean lives after which a task that the log got done is surely gone
ROOM = 4  # times the longest logged list: candidates kept at a moment, the rest never fit


@dataclass(frozen=True)
class Lists:
    """Candidates of n moments, ragged; `source` is the logged candidate each was taken from."""

    offsets: Ints  # (n+1,)
    source: Ints  # (M,) index into the log's N candidates
    task: Ints  # (M,) codes, a user's tasks side by side


@dataclass(frozen=True)
class Tasks:
    """The tasks of all people; T codes, a user's side by side."""

    edges: Ints  # (g+1,) user u has the tasks edges[u]:edges[u+1]
    done_at: Ints  # (T,) microseconds, where the log got it done and it left; else NEVER
    stays: Floats  # (T,) probability that it stays when it is done: 1 seen to, 0 seen to leave
    hazard: float  # tasks that leave unprompted, a microsecond
    share_staying: float | None  # of those seen done; None: none was
    persist: bool  # some task is a candidate in more than one decision


NEVER = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Appearances:
    """Logged candidates by task; rows by (user, time)."""

    user: Ints  # (n,)
    at: Ints  # (n,) decided_at, microseconds
    moment: Ints  # (N,) its decision
    task: Ints  # (N,) codes, a user's side by side


def tasks_of(seen: Appearances, chosen: Ints, done: Bools, done_at: Ints, users: int) -> Tasks:
    """What the log shows of its tasks' lives.

    `chosen (n,)` candidates, `done (n,)` whether each got done, `done_at (n,)` when that
    arrived. A task that is a candidate again after it was done is one that stays.
    """
    owner, first, last = spans(seen)
    t = len(owner)
    when = np.full(t, NEVER)
    np.minimum.at(when, seen.task[chosen[done]], done_at[done])
    ends = np.full(users, np.iinfo(np.int64).min)
    np.maximum.at(ends, seen.user, seen.at)
    came_back = (when != NEVER) & (seen.at[last] > when)
    left = (when != NEVER) & ~came_back & (ends[owner] > when)
    told = int(came_back.sum() + left.sum())
    share = float(came_back.sum()) / told if told else None
    stays = np.where(came_back, 1.0, np.where(left, 0.0, share or 0.0))
    gone = np.where((when != NEVER) & ~came_back, when, NEVER)
    alone = (gone == NEVER) & (seen.at[last] < ends[owner])  # left before its user's last moment
    after = seen.at[np.minimum(last + 1, len(seen.at) - 1)]
    until = np.where(alone, (seen.at[last] + after) // 2, np.minimum(gone, seen.at[last]))
    exposure = float(np.maximum(until - seen.at[first], 0).sum())
    hazard = float(alone.sum()) / exposure if exposure else 0.0
    edges = np.searchsorted(owner, np.arange(users + 1))
    return Tasks(edges, gone, stays, hazard, share, t < len(seen.task))


def spans(seen: Appearances) -> tuple[Ints, Ints, Ints]:
    """(user, first moment, last moment) of each task, `(T,)`; moments are by (user, time)."""
    t = int(seen.task.max()) + 1
    first = np.full(t, len(seen.user))
    np.minimum.at(first, seen.task, seen.moment)
    last = np.zeros(t, np.int64)
    np.maximum.at(last, seen.task, seen.moment)
    return seen.user[first], first, last


def lists_of(seen: Appearances, tasks: Tasks, longest: int) -> Lists:
    """Every task that could be on a list at each moment, the surest first.

    From its first to its last appearance; one that the log got done could have stayed until
    its user's last moment. Ordered by the time to its nearest logged appearance, which is also
    where its features come from. `longest`: candidates of the longest logged list.
    """
    owner, first, last = spans(seen)
    n = len(seen.user)
    final = np.searchsorted(seen.user, owner, "right") - 1
    limit = LONGEST / tasks.hazard if tasks.hazard > 0 else float(NEVER)
    until = np.minimum(tasks.done_at.astype(float) + limit, float(NEVER) / 2)
    stop = last.copy()
    extended = np.flatnonzero(tasks.done_at != NEVER)
    for k in extended.tolist():  # few, and each a search in its user's moments
        begin = last[k]
        here = seen.at[begin : final[k] + 1]
        stop[k] = begin + np.searchsorted(here, until[k], "right") - 1
    stop = np.maximum(stop, last)
    edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(stop + 1 - first)])
    task = np.repeat(np.arange(len(first)), stop + 1 - first)
    moment = np.arange(edges[-1]) - edges[task] + first[task]
    source, away = _nearest(seen, task, moment)
    order = np.lexsort((source, away, moment))
    moment, task, source = moment[order], task[order], source[order]
    offsets = np.searchsorted(moment, np.arange(n + 1))
    fits = np.arange(len(moment)) - offsets[moment] < ROOM * longest
    moment, task, source = moment[fits], task[fits], source[fits]
    return Lists(np.searchsorted(moment, np.arange(n + 1)), source, task)


def _nearest(seen: Appearances, task: Ints, moment: Ints) -> tuple[Ints, Ints]:
    """(logged candidate, microseconds away) nearest to each (task, moment); the earlier of two."""
    n = len(seen.user)
    order = np.argsort(seen.task * n + seen.moment, kind="stable")
    keys = (seen.task * n + seen.moment)[order]
    wanted = task * n + moment
    before = np.searchsorted(keys, wanted, "right") - 1
    after = np.minimum(np.searchsorted(keys, wanted, "left"), len(keys) - 1)
    same = seen.task[order[after]] == task
    back = seen.at[moment] - seen.at[seen.moment[order[before]]]
    ahead = np.where(same, seen.at[seen.moment[order[after]]] - seen.at[moment], NEVER)
    nearer = ahead < back
    return order[np.where(nearer, after, before)], np.where(nearer, ahead, back)


def lives(tasks: Tasks, rng: np.random.Generator, people: Ints) -> tuple[Ints, Bools, Ints]:
    """One fate of every task of `people (P,)`: (leaves_at, stays when done, starts `(P+1,)`)."""
    at, _, starts = blocks(tasks.edges, people)
    rest = rng.exponential(size=len(at))
    stays = rng.random(len(at)) < tasks.stays[at]
    done = tasks.done_at[at]
    leaves = np.full(len(at), NEVER)
    if tasks.hazard > 0:
        left = np.minimum(done.astype(float) + rest / tasks.hazard, float(NEVER) / 2)
        leaves = np.where(done == NEVER, NEVER, left.astype(np.int64))
    return leaves, stays, starts
