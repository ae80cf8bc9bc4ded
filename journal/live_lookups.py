"""What the live journal holds already of a request or an answer, and what must agree with it."""

import sqlite3
from dataclasses import dataclass

import numpy as np

from journal.live_calls import Asked, Elsewhere
from journal.live_rows import decision_of
from journal.schema_sql import COLUMNS
from policies.arrays import Floats
from policies.errors import BadInput
from policies.loop import UserLoop
from policies.records import Decision, Feedback
from policies.state import UserState

ELSEWHERE = "elsewhere"  # how the name of every policy that decided elsewhere begins


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """The decision of a request_id, its scores `(K,)` and the digest of what was asked."""

    decision: Decision
    scores: Floats
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A decision that an answer is to, and the feedback that it has."""

    user_id: str
    digest: bytes
    voided: bool
    feedback: Feedback | None


def stored_request(db: sqlite3.Connection, asked: Asked) -> StoredRequest | None:
    """By user and request_id."""
    if asked.request_id is None:
        return None
    row = db.execute(
        f"SELECT body, scores, {COLUMNS} FROM decisions WHERE user_id = ? AND request_id = ?",
        (asked.user_id, asked.request_id),
    ).fetchone()
    if row is None:
        return _pruned_request(db, asked)
    scores = np.frombuffer(row[1], dtype="<f8").copy()
    return StoredRequest(decision_of(row[2:]), scores, bytes(row[0]))


def _pruned_request(db: sqlite3.Connection, asked: Asked) -> StoredRequest | None:
    """What was pruned keeps no candidates: a retry, which is the same request, brings them."""
    row = db.execute(
        "SELECT body, scores, decision_id, decided_at, policy, features, state_seq, pmf, action,"
        " reward_window_s FROM pruned WHERE user_id = ? AND request_id = ?",
        (asked.user_id, asked.request_id),
    ).fetchone()
    if row is None:
        return None
    body, scores, decision_id, decided_at, policy, features, state_seq, pmf, action, window = row
    decision = Decision(
        decision_id,
        asked.user_id,
        decided_at,
        policy,
        features,
        state_seq,
        tuple(asked.candidate_ids),
        tuple(asked.arms),
        asked.context,
        np.frombuffer(pmf, dtype="<f8").copy(),
        action,
        window,
    )
    return StoredRequest(decision, np.frombuffer(scores, dtype="<f8").copy(), bytes(body))


def stored_answer(db: sqlite3.Connection, decision_id: str) -> StoredAnswer | None:
    """By decision_id; None when there is no such decision."""
    row = db.execute(
        "SELECT d.user_id, d.digest, v.decision_id, f.decision_id, f.feedback, f.reward,"
        " f.feedback_at, f.seq FROM decisions d LEFT JOIN feedback f USING (decision_id)"
        " LEFT JOIN voided v USING (decision_id) WHERE d.decision_id = ?",
        (decision_id,),
    ).fetchone()
    if row is None:
        return _pruned_answer(db, decision_id)
    feedback = None if row[3] is None else Feedback(decision_id, *row[4:])
    return StoredAnswer(row[0], bytes(row[1]), row[2] is not None, feedback)


def _pruned_answer(db: sqlite3.Connection, decision_id: str) -> StoredAnswer | None:
    row = db.execute(
        "SELECT user_id, feedback, reward, feedback_at, seq FROM pruned WHERE decision_id = ?",
        (decision_id,),
    ).fetchone()
    if row is None:
        return None
    voided = row[4] is None
    return StoredAnswer(row[0], b"", voided, None if voided else Feedback(decision_id, *row[1:]))


def is_elsewhere(decision: Decision) -> bool:
    """Whether a caller decided it: no policy of ours has such a name."""
    return is_elsewhere_name(decision.policy)


def is_elsewhere_name(policy: str) -> bool:
    """Whether a logged policy's name is of one that decided elsewhere."""
    return policy.partition(":")[0] == ELSEWHERE


def made_elsewhere(
    call: Elsewhere, state: UserState, decision_id: str, now: int, window_s: int | None
) -> Decision:
    """The record of a decision made elsewhere, as of the user's `state` at `now`."""
    asked = call.asked
    return Decision(
        decision_id,
        asked.user_id,
        now,
        call.policy,
        asked.features,
        state.seq,
        tuple(asked.candidate_ids),
        tuple(asked.arms),
        asked.context,
        call.pmf,
        call.action,
        window_s,
    )


def check_same_features(loop: UserLoop, asked: Asked) -> None:
    """Raises `BadInput` when the user's state is over other features than the request."""
    state = loop.state
    if state.seq == 0 and not loop.open:
        loop.state = UserState.empty(asked.user_id, asked.features, asked.context.shape[1])
    elif (state.features, state.sums.width) != (asked.features, asked.context.shape[1]):
        raise BadInput("features", f"this user's state has {state.features}", asked.features)
