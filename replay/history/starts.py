"""The states that a log's feedbacks go on from, where its first records were pruned."""

from journal.log import Log
from policies.errors import BadInput
from policies.state import UserState


def starts_of(log: Log) -> dict[str, UserState]:
    """By user; of a log that holds all from zero there are none. Raises `BadInput`."""
    for base in log.bases.values():
        if not base.holds:
            raise BadInput(f"{log.path} base state of {base.user_id}", "is not what was written")
    return {user: base.state() for user, base in log.bases.items()}
