"""The live journal: every decision and answer in SQLite, durable before anyone is told.

One transaction a request: expire what is due, decide or fold, insert, commit. What the
server knows of a user is a fold of these records; a state file is a checkpoint that may lag.
"""

import secrets
import sqlite3
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from journal.live_rows import (
    columns_of,
    decision_of,
    feedback_of,
    insert_decision,
    insert_feedback,
    latest_of,
    open_journal,
    version_of,
)
from journal.schema_sql import COLUMNS
from journal.states import read_state, write_state
from policies.arrays import Floats
from policies.errors import BadInput
from policies.loop import UserLoop
from policies.policy import Policy
from policies.records import Decision, Feedback
from policies.state import UserState

CHECKPOINT_EVERY = 16  # folds of a user between two writes of the state file
CACHED_USERS = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request to decide holds."""

    user_id: str
    candidate_ids: Sequence[str]
    arms: Sequence[str]
    context: Floats  # (K, d)
    features: str
    request_id: str | None = None
    body: bytes = b""  # a digest of the request, to tell a retry from another request


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an answer: applied | duplicate | conflict | unknown | closed."""

    outcome: str
    state_seq: int | None = None


class Conflict(Exception):
    """Another request under a request_id that was used before."""


def _microseconds() -> int:
    return time.time_ns() // 1000


class LiveJournal:
    """Decides and folds through `policies.loop.UserLoop`, and writes what came of it.

    Times are this machine's clock, never going backwards. Thread-safe: one request at a
    time; another process writing the same file is noticed and its records are read.
    """

    def __init__(
        self,
        path: str | Path,
        state_dir: str | Path,
        reward_window_s: int | None = 86_400,
        clock: Callable[[], int] = _microseconds,
    ) -> None:
        self._states = Path(state_dir)
        self._states.mkdir(parents=True, exist_ok=True)
        self._window = reward_window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._loops: OrderedDict[str, tuple[tuple[int, int], UserLoop]] = OrderedDict()
        self._unsaved: dict[str, int] = {}  # folds since the user's last checkpoint
        self._db = open_journal(Path(path))

    def decide(self, policy: Policy, asked: Asked) -> tuple[Decision, Floats]:
        """A tip for a user: the decision and its scores `(K,)`; a retry gets the same.

        Raises `Conflict` when the request_id was used for another request.
        """
        with self._transaction(asked.user_id) as (loop, now):
            stored = self._request(asked)
            if stored is not None:
                return stored
            _check_features(loop, asked)
            decision, scores = loop.decide(
                policy,
                _new_id(),
                now,
                asked.candidate_ids,
                asked.arms,
                asked.context,
                self._window,
            )
            insert_decision(self._db, decision, scores, asked.request_id, asked.body)
        return decision, scores

    def answer(
        self, decision_id: str, feedback: str | None, reward: float, answered_at: int | None = None
    ) -> Answered:
        """A person's answer; `answered_at` is their word and kept, the window is our clock's."""
        found = self._db_user(decision_id)
        if found is None:
            return Answered("unknown")
        with self._transaction(found) as (loop, now):
            row = self._db.execute(
                "SELECT feedback, reward, seq FROM feedback WHERE decision_id = ?", (decision_id,)
            ).fetchone()
            if row is None:
                record = loop.answer(decision_id, feedback, reward, now)
                self._insert_feedback(found, record, answered_at)
                return Answered("applied", record.seq)
            if row[0] == "expired":
                self._db.execute(
                    "INSERT INTO late VALUES (?, ?, ?, ?, ?)",
                    (decision_id, feedback, reward, now, answered_at),
                )
                return Answered("closed", row[2])
            same = (row[0], row[1]) == (feedback, reward)
            return Answered("duplicate" if same else "conflict", row[2])

    def check(self) -> None:
        """Raises sqlite3.Error when the journal cannot be written now."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Writes the checkpoints that are due and closes the file."""
        with self._lock:
            for user_id in list(self._unsaved):
                self._checkpoint(user_id)
            self._db.close()

    # ---- inside

    def _db_user(self, decision_id: str) -> str | None:
        with self._lock:
            row = self._db.execute(
                "SELECT user_id FROM decisions WHERE decision_id = ?", (decision_id,)
            ).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def _transaction(self, user_id: str) -> Iterator[tuple[UserLoop, int]]:
        """The user's loop as of now, what was due expired; all of it written, or none."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                now = max(latest_of(self._db, user_id), self._clock())
                loop = self._loop(user_id)
                for record in loop.expire(now):
                    self._insert_feedback(user_id, record, None)
                yield loop, now
                version = version_of(self._db, user_id)
                self._db.execute("COMMIT")
            except BaseException:
                self._loops.pop(user_id, None)  # it may hold what was not written
                self._unsaved.pop(user_id, None)
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._loops[user_id] = (version, loop)
            self._loops.move_to_end(user_id)
            if self._unsaved.get(user_id, 0) >= CHECKPOINT_EVERY:
                self._checkpoint(user_id)
            while len(self._loops) > CACHED_USERS:
                oldest = next(iter(self._loops))
                self._checkpoint(oldest)
                del self._loops[oldest]

    def _loop(self, user_id: str) -> UserLoop:
        kept = self._loops.get(user_id)
        if kept is not None and kept[0] == version_of(self._db, user_id):
            return kept[1]
        return _rebuild(self._db, self._states, user_id)

    def _request(self, asked: Asked) -> tuple[Decision, Floats] | None:
        if asked.request_id is None:
            return None
        row = self._db.execute(
            f"SELECT body, scores, {COLUMNS} FROM decisions WHERE user_id = ? AND request_id = ?",
            (asked.user_id, asked.request_id),
        ).fetchone()
        if row is None:
            return None
        if row[0] != asked.body:
            raise Conflict(asked.request_id)
        return decision_of(row[2:]), np.frombuffer(row[1], dtype="<f8").copy()

    def _insert_feedback(self, user_id: str, f: Feedback, answered_at: int | None) -> None:
        insert_feedback(self._db, user_id, f, answered_at)
        self._unsaved[user_id] = self._unsaved.get(user_id, 0) + 1

    def _checkpoint(self, user_id: str) -> None:
        """A checkpoint that cannot be written is no loss: the journal has it all."""
        if not self._unsaved.pop(user_id, 0):
            return
        try:
            write_state(self._states, self._loops[user_id][1].state)
        except OSError as error:
            print(f"checkpoint of {user_id} not written: {error}", file=sys.stderr)


def _new_id() -> str:
    """128 random bits: nobody can guess, and so answer, another's decision."""
    return secrets.token_hex(16)


def _check_features(loop: UserLoop, asked: Asked) -> None:
    state = loop.state
    if state.seq == 0 and not loop.open:
        loop.state = UserState.empty(asked.user_id, asked.features, asked.context.shape[1])
    elif (state.features, state.sums.width) != (asked.features, asked.context.shape[1]):
        raise BadInput("features", f"this user's state has {state.features}", asked.features)


def _fits(db: sqlite3.Connection, state: UserState) -> bool:
    """Whether the user's decisions are over the features that the state has learned."""
    found = db.execute(
        "SELECT DISTINCT features, width FROM decisions WHERE user_id = ?", (state.user_id,)
    ).fetchall()
    return found == [(state.features, state.sums.width)]


def _rebuild(db: sqlite3.Connection, states: Path, user_id: str) -> UserLoop:
    """A user's loop from the checkpoint and the records behind it; without it, from all."""
    last = version_of(db, user_id)[1]
    state = read_state(states, user_id)
    if state is not None and (state.seq > last or not _fits(db, state)):
        print(f"state of {user_id} is not of this journal: rebuilt from it", file=sys.stderr)
        state = None
    rows = db.execute(
        f"SELECT f.feedback, f.reward, f.feedback_at, f.seq, 1, {columns_of('d')} FROM feedback f"
        " JOIN decisions d USING (decision_id) WHERE f.user_id = ? AND f.seq > ? ORDER BY f.seq",
        (user_id, 0 if state is None else state.seq),
    ).fetchall()
    awaited = [
        decision_of(row)
        for row in db.execute(
            f"SELECT {columns_of('d')} FROM decisions d LEFT JOIN feedback f USING (decision_id)"
            " WHERE d.user_id = ? AND f.decision_id IS NULL ORDER BY d.n",
            (user_id,),
        )
    ]
    folded = [(decision_of(row[5:]), feedback_of(row[:5], row[5])) for row in rows]
    if state is None:
        first = next(iter([d for d, _ in folded] + awaited), None)
        width = 0 if first is None else first.context.shape[1]
        state = UserState.empty(user_id, "" if first is None else first.features, width)
    for d, f in folded:
        assert f is not None
        state.fold(d.arms[d.action], d.context[d.action], f.reward, d.decision_id, f.feedback_at)
    return UserLoop(state, {d.decision_id: d for d in awaited})
