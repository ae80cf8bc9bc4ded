"""The states that a log's feedbacks go on from, where its first records were pruned."""

import numpy as np

from journal.log import Log
from policies.arrays import Bools, Ints
from policies.errors import BadInput
from policies.state import UserState


def starts_of(log: Log) -> dict[str, UserState]:
    """By user; of a log that holds all from zero there are none. Raises `BadInput`."""
    for base in log.bases.values():
        if not base.holds:
            raise BadInput(f"{log.path} base state of {base.user_id}", "is not what was written")
    return {user: base.state() for user, base in log.bases.items()}


def seqs_of_bases(log: Log) -> Ints:
    """Per user code, the feedbacks that the base state holds; 0 where all of them are there."""
    seqs = [log.bases[u].seq if u in log.bases else 0 for u in log.user_names]
    return np.array(seqs, np.int64)


def made_before_base(log: Log) -> Bools:
    """(n,) decisions awaited while older ones were pruned: the state that made them is gone."""
    before: Bools = log.state_seq < seqs_of_bases(log)[log.user]
    return before
