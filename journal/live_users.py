"""A user as the live journal's records tell: read from a checkpoint on, or followed further."""

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from journal.live_bases import base_of
from journal.live_notes import note
from journal.live_rows import columns_of, decision_of, latest_of, version_of
from journal.states import read_state
from policies.loop import UserLoop
from policies.state import UserState, file_name, to_json


@dataclass(slots=True)
class User:
    """A user's loop, and up to which record of the journal it is true."""

    loop: UserLoop
    n: int  # the last decision row read
    latest: int  # when the last record was written: no clock may go behind it
    saved: int  # feedbacks in the last checkpoint
    epoch: tuple[int, int]  # the file's data version at which it was true

    @property
    def version(self) -> tuple[int, int]:
        """What `version_of` the user is if nobody wrote since."""
        return self.n, self.loop.state.seq

    @property
    def unsaved(self) -> int:
        """Feedbacks that the last checkpoint lacks."""
        return self.loop.state.seq - self.saved


def rebuilt(db: sqlite3.Connection, states: Path, user_id: str) -> User:
    """From the checkpoint and the records behind it; without a checkpoint, from all.

    All begin at the base state where records were pruned; an older checkpoint is of no use.
    """
    row = db.execute(
        "SELECT seq, open_from, digest FROM checkpoints WHERE user_id = ?", (user_id,)
    ).fetchone()
    base = base_of(db, user_id)
    state, open_from = None, 1
    least = 0 if base is None else base.seq
    if row is not None and least <= row[0] <= version_of(db, user_id)[1]:
        state, open_from = read_state(states, user_id, row[2]), row[1]
    elif (states / file_name(user_id)).exists():
        note("checkpoint_not_used", message=f"state of {user_id} is not of this journal")
    saved = 0 if state is None else state.seq
    if state is None:
        state = _empty(db, user_id) if base is None else base.state()
    user = User(UserLoop(state), open_from - 1, 0, saved, (-1, -1))
    follow(db, user)
    user.saved = saved  # a file that could not be used is to be written anew
    return user


def follow(db: sqlite3.Connection, user: User) -> None:
    """Folds and opens what others wrote of the user since `user` was true.

    Where some of that was pruned since, it leaves `user` as it was, at its old version.
    """
    state, open_ = user.loop.state, user.loop.open
    if (base := base_of(db, state.user_id)) is not None and base.seq > state.seq:
        return
    if not state.seq and not open_:
        state = user.loop.state = _empty(db, state.user_id)
    folded = db.execute(
        f"SELECT f.reward, f.feedback_at, {columns_of('d')} FROM feedback f"
        " JOIN decisions d USING (decision_id) WHERE f.user_id = ? AND f.seq > ? ORDER BY f.seq",
        (state.user_id, state.seq),
    ).fetchall()
    for reward, at, *row in folded:
        d = decision_of(row)
        state.fold(d.arms[d.action], d.context[d.action], reward, d.decision_id, at)
        open_.pop(d.decision_id, None)
    for row in db.execute(
        f"SELECT {columns_of('d')} FROM decisions d"
        " LEFT JOIN feedback f USING (decision_id) LEFT JOIN voided v USING (decision_id)"
        " WHERE d.user_id = ? AND d.n > ? AND f.decision_id IS NULL AND v.decision_id IS NULL"
        " ORDER BY d.n",
        (state.user_id, user.n),
    ):
        user.loop.record(decision_of(row))
    for (name,) in db.execute("SELECT decision_id FROM voided WHERE user_id = ?", (state.user_id,)):
        open_.pop(name, None)
    user.n = version_of(db, state.user_id)[0]
    user.latest = max(user.latest, latest_of(db, state.user_id))
    saved = db.execute("SELECT seq FROM checkpoints WHERE user_id = ?", (state.user_id,)).fetchone()
    user.saved = min(user.saved, state.seq) if saved is None else saved[0]


def checkpoint(db: sqlite3.Connection, user: User) -> str:
    """Notes in the journal that a checkpoint is to be written; its text."""
    state = user.loop.state
    text = to_json(state)
    (open_from,) = db.execute(
        "SELECT coalesce(min(d.n), ?2 + 1) FROM decisions d"
        " LEFT JOIN feedback f USING (decision_id) LEFT JOIN voided v USING (decision_id)"
        " WHERE d.user_id = ?1 AND f.decision_id IS NULL AND v.decision_id IS NULL AND d.n >="
        " coalesce((SELECT open_from FROM checkpoints WHERE user_id = ?1), 1)",
        (state.user_id, user.n),
    ).fetchone()
    db.execute(
        "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)",
        (state.user_id, state.seq, open_from, hashlib.sha256(text.encode()).digest()),
    )
    user.saved = state.seq
    return text


def _empty(db: sqlite3.Connection, user_id: str) -> UserState:
    """A state that has seen nothing, over the features of the user's first decision."""
    row = db.execute(
        "SELECT features, width FROM decisions WHERE user_id = ? ORDER BY n LIMIT 1", (user_id,)
    ).fetchone()
    return UserState.empty(user_id, *(row or ("", 0)))
