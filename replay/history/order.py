"""In which order a log's decisions were made and its feedbacks folded: the stages of each user."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from journal.log import NO_TIME, NONE, Log
from policies.arrays import Bools, Ints
from policies.state import SKETCH, UserState, decision_hash

NEVER = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Order:
    """Per decision of a log, `(n,)`."""

    seen: Ints  # feedbacks of its user folded before it: its stage
    folded: Ints  # the user's state_seq after folding its feedback; NONE = not folded
    logged: bool  # as logged, or derived from the times of a foreign log


def order_of(log: Log, known: Bools) -> Order:
    """The order of a log of which the feedbacks of the rows `known (n,)` had arrived.

    Our logs say it: a decision saw the feedbacks with feedback_seq <= state_seq. In
    foreign logs it saw those of its user with feedback_at < decided_at; a feedback
    without a time arrived at once.
    """
    if (log.state_seq != NONE).all():
        return Order(log.state_seq, np.where(known, log.feedback_seq, NONE), True)
    n = len(log)
    arrived = arrivals(log)
    rows = np.flatnonzero(known)
    user = np.concatenate([log.user, log.user[rows]])
    at = np.concatenate([log.decided_at, arrived[rows]])
    is_feedback = np.concatenate([np.zeros(n, np.int64), np.ones(len(rows), np.int64)])
    index = np.concatenate([np.arange(n), rows])
    sort = np.lexsort((index, is_feedback, at, user))
    so_far = np.cumsum(is_feedback[sort])
    starts = np.flatnonzero(np.diff(user[sort], prepend=-1))
    before_user = (so_far - is_feedback[sort])[starts]
    count = so_far - np.repeat(before_user, np.diff(np.append(starts, len(sort))))
    seen = np.empty(n, np.int64)
    folded = np.full(n, NONE)
    mine = is_feedback[sort] == 0
    seen[index[sort][mine]] = count[mine]
    folded[index[sort][~mine]] = count[~mine]
    return Order(seen, folded, False)


def arrivals(log: Log) -> Ints:
    """(n,) when the feedback arrived, in microseconds; without a time it arrived at once."""
    return np.where(log.feedback_at == NO_TIME, log.decided_at, log.feedback_at)


def folded_before(log: Log, order: Order, states: Mapping[str, UserState]) -> Bools:
    """(n,) the feedbacks that the users' own states have folded already.

    A state that has learned from this log goes on behind what it folded: by the logged
    numbers, or in foreign logs, whose order is that of time, by its last moment.
    """
    moment = arrivals(log)
    last = np.full(len(log.user_names), NEVER)
    knows = np.zeros(len(log.user_names), np.bool_)
    for code, name in enumerate(log.user_names):
        state = states.get(name)
        if state is not None and state.learned.last is not None:
            last[code] = state.learned.last
            knows[code] = bool(log.hashes[code].intersection(state.learned.sketch))
    for i in np.flatnonzero(log.answered & (moment == last[log.user])):
        knows[log.user[i]] |= _may_have_folded(states[log.user_names[log.user[i]]], log, int(i))
    seq = [states[u].seq if u in states else 0 for u in log.user_names]
    end = np.where(knows, np.array(seq) if order.logged else last, NEVER)
    at = order.folded if order.logged else moment
    before: Bools = (order.folded != NONE) & (at <= end[log.user])
    return before


def _may_have_folded(state: UserState, log: Log, i: int) -> bool:
    """Whether row i, at the state's last moment, was one too many for its sketch."""
    sketch = state.learned.sketch
    return len(sketch) == SKETCH and decision_hash(log.decision_id[i]) > max(sketch)
