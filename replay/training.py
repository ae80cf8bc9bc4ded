"""`train`: folds a log into the users' states, what a server would have learned by then."""

from collections.abc import Mapping

import numpy as np

from journal.log import NO_TIME, NONE, Log
from policies.errors import BadInput
from policies.state import UserState, decision_hash
from replay.arms import states_of
from replay.walk import walk


def train(
    log: Log, until: int | None = None, states: Mapping[str, UserState] | None = None
) -> dict[str, UserState]:
    """The states after folding every feedback that arrived before `until` (microseconds).

    Whatever policy decided: every feedback is folded, `random`'s included, so the states
    serve any policy over the same features. Starts from `states` (default: empty).
    """
    start = states or {}
    known = log.answered.copy()
    if until is not None:
        known &= (log.feedback_at < until) & (log.feedback_at != NO_TIME)
    if not known.any():
        raise BadInput(log.path, "holds no feedback to learn from before the given time")
    done = walk(log, None, states=start, known=known)
    folded = np.where(known, done.order.folded, NONE)
    learned = {}
    count = np.zeros(len(log.user_names), np.int64)
    for code, name in enumerate(log.user_names):
        rows = np.flatnonzero((log.user == code) & (folded != NONE))
        before = start.get(name)
        begun = before.seq if before is not None else 0
        fresh = (
            rows[folded[rows] > begun]
            if before and log.hashes[code] & set(before.learned.sketch)
            else rows
        )
        count[code] = begun + len(fresh)
        if not len(fresh):
            continue
        at = np.where(log.feedback_at == NO_TIME, log.decided_at, log.feedback_at)[fresh]
        source = before.learned if before is not None else UserState.empty(name, "", 1).learned
        hashes = [decision_hash(log.decision_id[i]) for i in fresh]
        learned[name] = source.add(hashes, int(at.min()), int(at.max()))
    return states_of(done.arms, done.sums, log, start, learned, count)
