"""The two records everything is made of: a decision, and the feedback that came of it.

Times are integer microseconds since 1970-01-01 UTC. Each record has a digest of its
canonical bytes; a feedback's digest covers its decision's, so the last one of a
decision vouches for all that is known about it.
"""

import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from policies.arrays import Floats
from policies.errors import BadInput

USER_ID = re.compile(r"[A-Za-z0-9._:@+-]{1,256}")
ID_LENGTH = 256  # characters of a candidate's, arm's or request's id
LONGEST_WINDOW_S = 100 * 365 * 86_400
_F8 = np.dtype("<f8")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Decision:
    """One tip: what could be shown, with which probabilities, and what was shown."""

    decision_id: str
    user_id: str
    decided_at: int
    policy: str
    features: str
    state_seq: int  # feedbacks of this user folded into the state that decided
    candidate_ids: tuple[str, ...]  # K >= 1
    arms: tuple[str, ...]  # (K,)
    context: Floats  # (K, d) what the policy saw
    pmf: Floats  # (K,)
    action: int  # index into the candidates
    reward_window_s: int | None = None  # None: the answer is awaited for ever

    @property
    def pscore(self) -> float:
        """The propensity: the probability with which the shown action was drawn."""
        return float(self.pmf[self.action])

    @property
    def deadline(self) -> int | None:
        """When the reward window closes, in microseconds."""
        if self.reward_window_s is None:
            return None
        return self.decided_at + self.reward_window_s * 1_000_000


@dataclass(frozen=True, slots=True)
class Feedback:
    """What came of a decision; `seq` is the user's state_seq after folding it, None = late."""

    decision_id: str
    feedback: str | None  # a word of policies.rewards, None for a bare number
    reward: float
    feedback_at: int
    seq: int | None


def check_user_id(user_id: object, field: str = "user_id") -> str:
    """`user_id` if it is one; ids end up in file names, URLs and reports."""
    if not isinstance(user_id, str) or not USER_ID.fullmatch(user_id):
        raise BadInput(field, "must be 1-256 characters of [A-Za-z0-9._:@+-]", user_id)
    return user_id


def decision_digest(decision: Decision) -> bytes:
    """SHA-256 (32 bytes) of a decision's canonical bytes: every field, every bit."""
    d = decision
    width = d.context.shape[1]
    window = -1 if d.reward_window_s is None else d.reward_window_s
    parts = [
        b"tipbandit decision 1",
        _text(d.decision_id),
        _text(d.user_id),
        _text(d.policy),
        _text(d.features),
        struct.pack("<qqqqq", d.decided_at, d.state_seq, len(d.arms), width, d.action),
        struct.pack("<qd", window, d.pscore),
        _texts(d.candidate_ids),
        _texts(d.arms),
        d.context.astype(_F8, copy=False).tobytes(),
        d.pmf.astype(_F8, copy=False).tobytes(),
    ]
    return hashlib.sha256(b"".join(parts)).digest()


def feedback_digest(of_decision: bytes, feedback: Feedback) -> bytes:
    """SHA-256 (32 bytes) of a decision's digest and its feedback's canonical bytes."""
    f = feedback
    seq = -1 if f.seq is None else f.seq
    parts = [
        b"tipbandit feedback 1",
        of_decision,
        _text(f.decision_id),
        b"\0" if f.feedback is None else b"\1" + _text(f.feedback),
        struct.pack("<dqq", f.reward, f.feedback_at, seq),
    ]
    return hashlib.sha256(b"".join(parts)).digest()


def record_digest(decision: Decision, feedback: Feedback | None) -> bytes:
    """The digest of all that is known of a decision: its row's digest in the log."""
    digest = decision_digest(decision)
    return digest if feedback is None else feedback_digest(digest, feedback)


def _text(text: str) -> bytes:
    raw = text.encode()
    return _length(len(raw)) + raw


def _texts(texts: Sequence[str]) -> bytes:
    try:  # short ASCII, as most are, encoded all at once: their lengths are characters too
        joined = "".join([_SHORT[len(text)] + text for text in texts])
        if joined.isascii():
            return joined.encode()
    except IndexError:
        pass
    return b"".join([_text(text) for text in texts])


_length = struct.Struct("<I").pack
_SHORT = [_length(n).decode() for n in range(128)]  # what is ASCII itself


def seconds(window: str) -> int | None:
    """A duration such as `24h`, `90m`, `30s`, `7d` or `never` in seconds."""
    if window == "never":
        return None
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", window)
    if not match or int(match[1]) == 0:
        raise BadInput("reward window", "must look like 30s, 90m, 24h, 7d or never", window)
    length = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
    if length > LONGEST_WINDOW_S:
        raise BadInput("reward window", "must be at most 100 years, or never", window)
    return length


def micros(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970, exactly: a float would lose some."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def first_duplicate(names: Sequence[str]) -> int | None:
    """The index of the first name that occurred before, or None."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            return i
        seen.add(name)
    return None
