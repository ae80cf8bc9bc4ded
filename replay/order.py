"""In which order a log's decisions were made and its feedbacks folded: the stages of each user."""

from dataclasses import dataclass

import numpy as np

from journal.log import NO_TIME, NONE, Log
from policies.arrays import Bools, Ints


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
    arrived = np.where(log.feedback_at == NO_TIME, log.decided_at, log.feedback_at)
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
