"""The live journal: every decision and answer in SQLite, durable before anyone is told.

One transaction a batch: expire what is due, decide or fold, insert, commit. What the server
knows of a user is a fold of these records; a state file is a checkpoint that may lag.
"""

import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from journal.live_calls import (
    Answered,
    Asked,
    Call,
    Conflict,
    Decided,
    Elsewhere,
    Outcome,
    Recorded,
    Told,
    Unavailable,
)
from journal.live_experiment import check_kept, insert_assignment, kept_text
from journal.live_file import JournalFile
from journal.live_ids import new_id
from journal.live_inputs import insert_inputs
from journal.live_lookups import (
    check_same_features,
    is_elsewhere,
    made_elsewhere,
    stored_answer,
    stored_request,
)
from journal.live_notes import note
from journal.live_rows import (
    forgotten_of,
    insert_decision,
    insert_feedback,
    insert_late,
    insert_shadows,
    version_of,
    void,
)
from journal.live_shadows import Shadows
from journal.live_users import User, checkpoint, follow, rebuilt
from journal.states import write_state
from policies.arrays import Floats
from policies.experiment import Experiment, policy_of
from policies.moments import Moment, moment_of
from policies.policy import Policy
from policies.records import Decision, Feedback
from policies.state import UserState

__all__ = ["Answered", "Asked", "Conflict", "LiveJournal", "Unavailable"]

CHECKPOINT_EVERY = 16  # folds of a user between two writes of the state file
CACHED_USERS = 10_000


def _microseconds() -> int:
    return time.time_ns() // 1000


class LiveJournal:
    """Decides and folds through `policies.loop.UserLoop`, and writes what came of it.

    Times are this machine's clock, never going backwards for a user. Thread-safe; other
    processes of this machine may write the same file: one batch at a time, in one order.
    `count(event)` is told of what only the journal knows: expired, rebuilds. `shadows` are
    asked about each decision made here; what they say is written and does nothing.
    """

    def __init__(
        self,
        path: str | Path,
        state_dir: str | Path,
        reward_window_s: int | None = 86_400,
        clock: Callable[[], int] = _microseconds,
        count: Callable[[str], None] = lambda _event: None,
        shadows: Sequence[Policy] = (),
    ) -> None:
        self._states = Path(state_dir)
        self._file = JournalFile(Path(path))
        self.copying = self._file.copying  # of the write-ahead log, beside the commits
        self._states.mkdir(parents=True, exist_ok=True)
        self._window, self._clock, self._count = reward_window_s, clock, count
        self._shadows = Shadows(shadows)
        self._lock = threading.Lock()
        self._users: OrderedDict[str, User] = OrderedDict()
        self._touched: dict[str, User] = {}  # of the batch under way
        self._events: list[str] = []
        self._moments: list[Moment] = []
        self._epoch, self._forgotten = (-1, -1), 0
        self._closed = False

    def commit(self, policy: Policy | Experiment, batch: Sequence[Call]) -> list[Outcome]:
        """All of a batch in its order and one transaction; on disk when this returns.

        The outcome of a call is an exception when it alone was refused. Raises
        `Unavailable` when nothing of the batch could be written; what memory held of it is
        forgotten, and read again from the journal. An experiment decides with the policy of
        each user's variant, and every decision's variant is written.
        """
        with self._transaction() as db:
            return self._shadowed(db, [self._one(db, policy, call) for call in batch])

    def decide(self, policy: Policy | Experiment, asked: Asked) -> tuple[Decision, Floats]:
        """A tip for a user: the decision and its scores `(K,)`; a retry gets the same.

        Raises `Conflict` when the request_id was used for another request.
        """
        (outcome,) = self.commit(policy, [asked])
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Decided)
        return outcome.decision, outcome.scores

    def answer(
        self, decision_id: str, feedback: str | None, reward: float, answered_at: int | None = None
    ) -> Answered:
        """A person's answer; `answered_at` is their word and kept, the window is our clock's."""
        told = Told(decision_id, feedback, reward, answered_at)
        with self._transaction() as db:
            return self._answer(db, told)

    def keep(self, experiment: Experiment) -> None:
        """Keeps the content of an experiment. Raises `BadInput` for another one of its name."""
        with self._transaction() as db:
            text = kept_text(db, experiment)
        check_kept(experiment, text)

    def check(self) -> None:
        """Raises `Unavailable` when the journal cannot be written now."""
        with self._transaction() as db:
            if self._file.failed:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('checked', 'written')")

    def size(self) -> int:
        """Bytes of the journal and its write-ahead log."""
        path = self._file.path
        files = (path, path.with_name(f"{path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Writes the checkpoints that are due and closes the file."""
        if self._closed:
            return
        self._closed = True
        try:
            with self._transaction(1) as db:
                for user_id in [u for u, kept in self._users.items() if kept.unsaved]:
                    self._user(db, user_id)
        except Unavailable as error:
            note("checkpoints_not_written", message=str(error))
        self._file.close()

    # ---- inside

    @contextmanager
    def _transaction(self, every: int = CHECKPOINT_EVERY) -> Iterator[sqlite3.Connection]:
        """All of it written, or none; in memory too."""
        with self._lock, self._file.alone():
            self._touched, self._events, self._moments = {}, [], []
            try:
                with self._file.transaction() as db:
                    self._heed(db)
                    yield db
                    texts = self._save(db, every)
            except BaseException:
                for user_id in self._touched:  # memory may hold of them what was not written
                    self._users.pop(user_id, None)
                raise
            self._write(texts)
            for event in self._events:  # what was rolled back did not happen
                self._count(event)
        while len(self._users) > CACHED_USERS:
            self._users.popitem(last=False)

    def _heed(self, db: sqlite3.Connection) -> None:
        """Another process may have forgotten a user: what memory holds must not come back."""
        if self._epoch != self._file.epoch:
            forgotten = forgotten_of(db)
            if forgotten != self._forgotten:
                self._users.clear()
            self._epoch, self._forgotten = self._file.epoch, forgotten

    def _one(self, db: sqlite3.Connection, policy: Policy | Experiment, call: Call) -> Outcome:
        """What one call of a batch comes to. It computes first and writes then."""
        try:
            if isinstance(call, Asked):
                return self._decide(db, policy, call)
            if isinstance(call, Told):
                return self._answer(db, call)
            return self._record(db, call)
        except sqlite3.Error:
            raise
        except Exception as error:
            # its loop may have gone further than the records
            if isinstance(call, Asked):
                self._lose(call.user_id)
            elif isinstance(call, Elsewhere):
                self._lose(call.asked.user_id)
            return error

    def _lose(self, user_id: str) -> None:
        self._users.pop(user_id, None)
        self._touched.pop(user_id, None)

    def _decide(self, db: sqlite3.Connection, policy: Policy | Experiment, asked: Asked) -> Decided:
        stored = stored_request(db, asked)
        user = self._user(db, asked.user_id)
        now = self._now(user)
        expired = user.loop.expire(now)
        if stored is not None:
            self._insert(db, user, now, expired)
            if is_elsewhere(stored.decision):
                raise Conflict("the request was decided elsewhere", "decided_elsewhere")
            if not asked.is_retry_of(stored.body):
                raise Conflict(f"request_id {asked.request_id} was used for another request")
            return Decided(stored.decision, stored.scores, again=True)
        check_same_features(user.loop, asked)
        if isinstance(policy, Experiment):
            check_kept(policy, kept_text(db, policy))
        served = policy_of(policy, asked.user_id)
        decision, scores = user.loop.decide(
            served, new_id(now), now, asked.candidate_ids, asked.arms, asked.context, self._window
        )
        self._insert(db, user, now, expired)
        user.n = insert_decision(db, decision, scores, asked.request_id, asked.body)
        insert_inputs(db, decision.decision_id, asked.inputs)
        if isinstance(policy, Experiment):
            insert_assignment(db, policy, decision)
        if self._shadows:
            self._moments.append(moment_of(user.loop.state, decision))
        return Decided(decision, scores)

    def _shadowed(self, db: sqlite3.Connection, outcomes: list[Outcome]) -> list[Outcome]:
        """Asks the challengers about what the batch decided, once all of it is decided."""
        if not self._moments:
            return outcomes
        names = [moment.decision.decision_id for moment in self._moments]
        said = dict(zip(names, self._shadows.at(self._moments), strict=True))
        insert_shadows(db, said.items())
        return [
            replace(o, shadows=said[o.decision.decision_id])
            if isinstance(o, Decided) and not o.again
            else o
            for o in outcomes
        ]

    def _answer(self, db: sqlite3.Connection, told: Told) -> Answered:
        found = stored_answer(db, told.decision_id)
        if found is None:
            return Answered("unknown")
        if found.voided:
            return Answered("voided")
        user = self._user(db, found.user_id)
        now = self._now(user)
        expired = user.loop.expire(now)
        self._insert(db, user, now, expired)
        silence = next((f for f in expired if f.decision_id == told.decision_id), found.feedback)
        if silence is None:
            record = user.loop.answer(told.decision_id, told.feedback, told.reward, now)
            insert_feedback(db, found.user_id, record, told.answered_at, found.digest)
            return Answered("applied", record.seq)
        if silence.feedback == "expired":
            insert_late(db, told, now)
            return Answered("closed", silence.seq)
        same = (silence.feedback, silence.reward) == (told.feedback, told.reward)
        return Answered("duplicate" if same else "conflict", silence.seq)

    def _record(self, db: sqlite3.Connection, call: Elsewhere) -> Recorded:
        asked = call.asked
        stored, voided = stored_request(db, asked), None
        user = self._user(db, asked.user_id)
        now = self._now(user)
        if stored is not None:
            if is_elsewhere(stored.decision):
                if not asked.is_retry_of(stored.body):
                    raise Conflict(f"request_id {asked.request_id} was used for another decision")
                return Recorded(stored.decision, again=True)
            voided = stored.decision.decision_id
            if voided not in user.loop.open:
                raise Conflict("the scorer's decision of this request has its feedback", "answered")
            user.loop.void(voided)
        expired = user.loop.expire(now)
        check_same_features(user.loop, asked)
        decision = made_elsewhere(call, user.loop.state, new_id(now), now, self._window)
        user.loop.record(decision)
        if voided is not None:
            void(db, asked.user_id, voided, decision.decision_id)
        self._insert(db, user, now, expired)
        scores = np.zeros(0)
        user.n = insert_decision(db, decision, scores, asked.request_id, asked.body)
        insert_inputs(db, decision.decision_id, asked.inputs)
        return Recorded(decision, voided)

    def _now(self, user: User) -> int:
        """A clock that is put back does not unmake the order of a user's records."""
        return max(user.latest, self._clock())

    def _user(self, db: sqlite3.Connection, user_id: str) -> User:
        """The user as the journal has it, whoever wrote last."""
        user = self._users.get(user_id)
        if user is None or user.epoch != self._file.epoch:
            version = version_of(db, user_id)
            if user is not None and user.version < version:
                follow(db, user)
            if user is None or user.version != version:
                user = rebuilt(db, self._states, user_id)
                self._events.append("rebuilds")
            user.epoch = self._file.epoch
            self._users[user_id] = user
        self._users.move_to_end(user_id)
        self._touched[user_id] = user
        return user

    def _insert(
        self, db: sqlite3.Connection, user: User, now: int, expired: Sequence[Feedback]
    ) -> None:
        """Writes the silences that were due at `now`."""
        for record in expired:
            insert_feedback(db, user.loop.state.user_id, record, None)
            self._events.append("expired")
        user.latest = now

    def _save(self, db: sqlite3.Connection, every: int) -> list[tuple[UserState, str]]:
        """The checkpoints that are due of the users of this batch, noted in the journal."""
        due = [u for u in self._touched.values() if u.unsaved >= every]
        return [(user.loop.state, checkpoint(db, user)) for user in due]

    def _write(self, texts: list[tuple[UserState, str]]) -> None:
        """A checkpoint that cannot be written is no loss: the journal has it all."""
        for state, text in texts:
            try:
                write_state(self._states, state, text)
            except OSError as error:
                note("checkpoint_not_written", user=state.user_id, message=error.strerror)
