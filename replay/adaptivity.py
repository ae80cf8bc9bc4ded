"""Did the logger learn across users while it logged? Then rounds depend on each other."""

import re
from dataclasses import replace

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Floats, Ints
from policies.spec import is_ours
from replay.verdict import Circumstances

DRIFT = 4.0  # standard errors between the halves of a period
LEAST_DRIFT = 1e-9  # of a probability: less is rounding
FEWEST = 20  # decisions that a drift is looked for in
VALID = ("martingale", "anytime")  # intervals of `adaptive` that allow for it
ADVICE = "the estimator `adaptive` with the interval `martingale` or `anytime` is valid there"


def shared_state(log: Log, pscore: Floats, rows: Ints) -> str | None:
    """Why the evaluated `rows` may depend on each other through the logger; None: nothing shows.

    `pscore (n,)`, NaN = unknown. Three things can be seen: policies that differ only in their
    prior; rows without users whose propensities drift; and, where the state that decided is
    not known, users whose *first* decisions drift, which no state of their own explains. Arms
    shared by everybody from the log's first day on, or a prior that a name does not tell,
    leave no such trace.
    """
    if _priors_change(log, rows):
        return f"adaptive logger: its prior was updated during the log; {ADVICE}"
    if len(log.user_names) == len(log):
        if drifts(log, pscore, rows):
            return (
                "adaptive logger without users: its propensities drift, so rounds may depend on "
                f"each other; {ADVICE}"
            )
        return None
    if (log.state_seq != NONE).all() and all(is_ours(name) for name in log.policy_names):
        return None  # a state for each user, as an audit can show
    first = np.intersect1d(_firsts(log), rows)
    for code in range(len(log.policy_names)):
        if drifts(log, pscore, first[log.policy[first] == code]):
            return (
                "adaptive logger: the propensities of users' first decisions drift, so users may "
                f"depend on each other through a shared state; {ADVICE}"
            )
    return None


def drifts(log: Log, pscore: Floats, rows: Ints) -> bool:
    """Welch's t of the propensities' excess over 1/K between the halves of the period."""
    if len(rows) < FEWEST:
        return False
    order = rows[np.argsort(log.decided_at[rows], kind="stable")]
    excess = (pscore - 1 / np.diff(log.offsets))[order]
    early, late = excess[: len(order) // 2], excess[len(order) // 2 :]
    error = float(np.sqrt(early.var() / len(early) + late.var() / len(late)))
    return bool(abs(early.mean() - late.mean()) > max(DRIFT * error, LEAST_DRIFT))


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
