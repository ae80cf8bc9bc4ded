"""Did the logger learn across users while it logged? Then rounds depend on each other."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Floats, Ints
from policies.spec import is_ours
from replay.verdict import Circumstances

DRIFT = 4.5  # standard errors between early and late: about 100 comparisons are made
LEAST_DRIFT = 1e-9  # of a probability: less is rounding
EARLY = (0.1, 0.25, 0.5)  # shares of a period: a learner may be done early
FEWEST = 100  # decisions that a drift is looked for in
ENOUGH = 200_000  # candidates, of decisions evenly spaced, are enough to look at
MOST = 8  # features, and arms: the most frequent
VALID = ("martingale", "anytime")  # intervals of `adaptive` that allow for it
ADVICE = "the estimator `adaptive` with the interval `martingale` or `anytime` is valid there"


def shared_state(log: Log, pscore: Floats, rows: Ints) -> str | None:
    """Why the evaluated `rows` may depend on each other through the logger; None: nothing shows.

    `pscore (n,)`, NaN = unknown. Three things can be seen: policies that differ only in their
    prior; rows without users whose choices drift; and, where the state that decided is not known,
    users whose *first* decisions drift, which no state of their own explains. A learner that
    was done before the log began, or that learns among few people who were all there on the
    first day, leaves no such trace; contexts that drift can look like one.
    """
    if _priors_change(log, rows):
        return f"adaptive logger: its prior was updated during the log; {ADVICE}"
    if len(log.user_names) == len(log):
        if drifts(log, pscore, rows):
            return (
                "adaptive logger without users: what it chooses drifts, so rounds may depend "
                f"on each other; {ADVICE}"
            )
        return None
    if (log.state_seq != NONE).all() and all(is_ours(name) for name in log.policy_names):
        return None  # a state for each user, as an audit can show
    first = np.intersect1d(_firsts(log), rows)
    for code in range(len(log.policy_names)):
        if drifts(log, pscore, first[log.policy[first] == code]):
            return (
                "adaptive logger: its choices in users' first decisions drift, so users may depend "
                f"on each other through a shared state; {ADVICE}"
            )
    return None


def drifts(log: Log, pscore: Floats, rows: Ints) -> bool:
    """Whether how the logger chose changed over time, by Welch's t between early and late rows.

    Looked at: the propensities' excess over 1/K; and what is favoured, the mean of each
    feature, the share of each arm, and each feature within each arm, under the pmf (else: of
    the action) less those of a uniform choice. A learner with a fixed floor shows in these
    alone.
    """
    if len(rows) < FEWEST or np.isnan(pscore[rows]).any():
        return False
    order = rows[np.argsort(log.decided_at[rows], kind="stable")]
    candidates = int(np.diff(log.offsets)[order].sum())
    order = order[:: -(-candidates // ENOUGH)]
    cuts = [int(len(order) * share) for share in EARLY if len(order) * share >= FEWEST / 2]
    for column in _choices(log, pscore, order):
        for cut in cuts:
            early, late = column[:cut], column[cut:]
            error = float(np.sqrt(early.var() / len(early) + late.var() / len(late)))
            if abs(early.mean() - late.mean()) > max(DRIFT * error, LEAST_DRIFT):
                return True
    return False


def _choices(log: Log, pscore: Floats, rows: Ints) -> Iterator[Floats]:
    """What the logger chose in each of `rows`, `(m,)` a column."""
    sizes = np.diff(log.offsets)[rows]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    at = np.repeat(log.offsets[rows] - starts[:-1], sizes) + np.arange(starts[-1])
    yield pscore[rows] - 1 / sizes
    tilt = -1 / np.repeat(sizes, sizes)
    if log.pmf is None or np.isnan(log.pmf[at]).any():
        tilt[starts[:-1] + log.action[rows]] += 1
    else:
        tilt += log.pmf[at]
    context = log.context[at].T[:MOST]
    for feature in context:
        yield np.add.reduceat(tilt * feature, starts[:-1])
    arms = log.arm[at]
    for arm in np.argsort(-np.bincount(arms), kind="stable")[:MOST]:
        ours = tilt * (arms == arm)
        yield np.add.reduceat(ours, starts[:-1])
        for feature in context:
            yield np.add.reduceat(ours * feature, starts[:-1])


def settled(about: Circumstances, estimator: str, interval: str) -> Circumstances:
    """What is left to doubt where an estimate and its interval allow for a learning logger."""
    if estimator == "adaptive" and interval in VALID:
        return replace(about, shared_learner=None)
    return about


def _priors_change(log: Log, rows: Ints) -> bool:
    names = {log.policy_names[code] for code in np.unique(log.policy[rows]).tolist()}
    stems = {re.sub(r"\bprior=[^,]*", "prior", name) for name in names}
    return len(stems) < len(names)


def _firsts(log: Log) -> Ints:
    """The row of each user's earliest decision."""
    order = np.lexsort((np.arange(len(log)), log.decided_at))
    return order[np.unique(log.user[order], return_index=True)[1]]
