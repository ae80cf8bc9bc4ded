"""`train`: folds a log into the users' states, what a server would have learned by then."""

from collections.abc import Mapping

import numpy as np

from journal.log import NONE, Log
from policies.errors import BadInput
from policies.state import UserState, decision_hash
from replay.history.arms import states_of
from replay.history.order import arrivals, folded_before
from replay.history.starts import starts_of
from replay.history.walk import walk


def train(
    log: Log, until: int | None = None, states: Mapping[str, UserState] | None = None
) -> dict[str, UserState]:
    """The states after folding every feedback that arrived before `until` (microseconds).

    Whatever policy decided: every feedback is folded, `random`'s included, so the states
    serve any policy over the same features. Starts from `states` (default: empty, or
    the base states of what was pruned from a journal).
    """
    start = states or starts_of(log)
    arrived = arrivals(log)
    known = log.answered if until is None else log.answered & (arrived < until)
    if not known.any():
        raise BadInput(log.path, "holds no feedback to learn from before the given time")
    done = walk(log, None, states=start, known=known)
    fresh = (done.order.folded != NONE) & ~folded_before(log, done.order, start)
    rows = np.flatnonzero(fresh)
    rows = rows[np.argsort(log.user[rows], kind="stable")]
    edges = np.searchsorted(log.user[rows], np.arange(len(log.user_names) + 1))
    learned = {}
    count = np.diff(edges)
    for code, name in enumerate(log.user_names):
        mine = rows[edges[code] : edges[code + 1]]
        before = start.get(name) or UserState.empty(name, "", 1)
        count[code] += before.seq
        if len(mine):
            hashes = [decision_hash(log.decision_id[i]) for i in mine]
            span = int(arrived[mine].min()), int(arrived[mine].max())
            learned[name] = before.learned.add(hashes, *span)
    return states_of(done.arms, done.sums, log, start, learned, count)
