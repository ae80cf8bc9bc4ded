"""How decisions came to their loggers: at random, or by something that a weight must not ignore."""

from collections.abc import Mapping

import numpy as np

from journal.log import Log
from policies.arrays import Bools, Floats, Ints
from replay.behavior.loggers import Loggers
from replay.intervals.cluster import t_value
from replay.verdict import FEW_USERS

CHANCE = 0.05  # of finding a difference where there is none, over all that is compared


def ranks(log: Log) -> Ints:
    """(n,) how many decisions of its user were made before each; ties in the log's order."""
    order = np.lexsort((np.arange(len(log)), log.decided_at, log.user))
    start = np.flatnonzero(np.diff(log.user[order], prepend=-1))
    rank = np.empty(len(log), np.int64)
    rank[order] = np.arange(len(log)) - np.repeat(start, np.diff(np.append(start, len(log))))
    return rank


def by_user(log: Log) -> bool:
    """Whether each user met one behavior policy only."""
    first = np.full(len(log.user_names), -1)
    first[log.user[::-1]] = log.policy[::-1]
    return bool((log.policy == first[log.user]).all())


def situation(log: Log) -> dict[str, Floats]:
    """What a logger is faced with, `(n,)` each: the mean candidate's features, and how many."""
    sizes = np.diff(log.offsets)
    means = np.add.reduceat(log.context, log.offsets[:-1], axis=0) / sizes[:, None]
    named = {f"context[{j}]": means[:, j] for j in range(means.shape[1])}
    return {**named, "the number of candidates": sizes.astype(float)}


def moment(log: Log) -> dict[str, Floats]:
    """When: the rank of each decision in time, `(n,)` in [0, 1]."""
    place = np.searchsorted(np.sort(log.decided_at), log.decided_at)
    return {"the time": place / max(len(log) - 1, 1)}


def history(log: Log, loggers: Loggers, reward: Floats) -> dict[str, Floats]:
    """What had happened to the user before, `(n,)` each; `reward (n,)`, 0 where there is none."""
    rank = ranks(log)
    order = np.lexsort((rank, log.user))
    before = np.full(len(log), -1)
    before[order[1:]] = np.where(np.diff(log.user[order]) == 0, order[:-1], -1)
    found = before >= 0
    out = {
        "the length of the history": rank.astype(float),
        "the reward before": np.where(found, reward[before], 0.0),
    }
    for j, name in enumerate(loggers.names):
        was = loggers.code == j
        out[f"{name} before"] = np.where(found, was[before].astype(float), was.mean())
    return out


def uniform_reward(log: Log, loggers: Loggers, pscore: Floats, reward: Floats) -> dict[str, Floats]:
    """The reward weighted to the uniform policy `(n,)`: alike for loggers of one world.

    Nothing where some logger does not try everything.
    """
    if not (loggers.pmf > 0).all():
        return {}
    return {"the uniform policy's reward": reward / np.diff(log.offsets) / pscore}


def unlike(columns: Mapping[str, Floats], loggers: Loggers, user: Ints, rows: Bools) -> str | None:
    """What differs between the loggers in some `rows (n,)`, in words; None = nothing.

    Each column's covariance with who decided, summed by `user (n,)`, over its standard
    error by user; t at `CHANCE` shared over all columns and loggers (Bonferroni).
    """
    rows = rows & (loggers.code >= 0)
    code, user = loggers.code[rows], np.unique(user[rows], return_inverse=True)[1]
    g = int(user.max()) + 1
    if g < FEW_USERS:
        return f"{g} users are too few to tell whether the loggers met the same situations"
    tried = range(len(loggers.names) if len(loggers.names) > 2 else 1)
    limit = t_value(1 - CHANCE / (len(columns) * len(tried)), g - 1)
    worst, said = limit, None
    for name, column in columns.items():
        values = column[rows] - column[rows].mean()
        for j in tried:
            who = (code == j) - (code == j).mean()
            sums = np.bincount(user, who * values, g)
            size = float(np.abs(who * values).sum()) / g
            if size == 0.0:
                continue
            error = max(float(sums.std(ddof=1)) / np.sqrt(g), 1e-9 * size)
            away = abs(float(sums.mean())) / error
            if away > worst:
                worst, said = away, f"{name} differs by {away:.1f} standard errors"
    return said
