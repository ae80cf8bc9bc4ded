"""What can be asked of the live journal, and what comes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies.arrays import Floats
from policies.records import Decision


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to decide."""

    user_id: str
    candidate_ids: Sequence[str]
    arms: Sequence[str]
    context: Floats  # (K, d)
    features: str
    request_id: str | None = None
    body: bytes = b""  # a digest of the request, to tell a retry from another request
    inputs: str | None = None  # JSON of what the encoder read of raw tasks, live_inputs.py
    earlier: Callable[[], bytes] | None = None  # the digest that versions before made of it

    def is_retry_of(self, body: bytes) -> bool:
        """Whether the request whose digest is `body` was this one."""
        return self.body == body or (self.earlier is not None and self.earlier() == body)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer; `answered_at` (microseconds) is the person's word, the window is our clock's."""

    decision_id: str
    feedback: str | None
    reward: float
    answered_at: int | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A decision that a caller made by itself, `pmf (K,)`, under the request_id it had tried."""

    asked: Asked  # its request_id is given
    policy: str  # as it is logged
    pmf: Floats
    action: int


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a challenger in shadow would have done: its pmf `(K,)`, or what it raised."""

    policy: str
    pmf: Floats | None
    failure: str | None = None  # the name of the exception's class


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and its scores `(K,)`; `again`: a retry, nothing was written."""

    decision: Decision
    scores: Floats
    again: bool = False
    shadows: tuple[Shadowed, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an answer: applied | duplicate | conflict | unknown | closed | voided."""

    outcome: str
    state_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision made elsewhere; `voided` is the scorer's own of the same request."""

    decision: Decision
    voided: str | None = None
    again: bool = False


class Conflict(Exception):
    """What was asked contradicts what is written: `code` says how, the message about what."""

    def __init__(self, message: str, code: str = "conflict"):
        super().__init__(message)
        self.code = code


class Unavailable(Exception):
    """The journal cannot be written now, for the reason given; nothing of the batch was."""


class Busy(Unavailable):
    """Another process has kept the writers' lock for too long; `holder` is its id, if known."""

    def __init__(self, message: str, holder: int | None = None):
        super().__init__(message)
        self.holder = holder


Call = Asked | Told | Elsewhere
Outcome = Decided | Answered | Recorded | Exception
