"""`prune`: records that were exported and closed make place for a base state a user.

Of a user the first feedbacks go, so that the rest is a suffix. A tip that was awaited over the
cut stays, though it was made from a state before the base: its digest and its fold still hold, and
who rebuilds its pmf needs the exports.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np

from journal.cli import progress
from journal.live_bases import NO_CHAIN, base_of, chained, write_base
from journal.live_rows import columns_of, decision_of, keep_last_row
from journal.upkeep.access import Keeper, keeping
from journal.upkeep.tables import drop_decisions, sweep
from journal.upkeep.verified import keep_verified
from policies.features import NAME, WIDTH
from policies.state import OTHER, UserState, to_json

ROWS = 32  # decisions of one transaction, about: servers wait no longer than for these


@dataclass
class Pruning:
    """What went, or with a dry run would go, and what stayed."""

    decisions: int = 0
    voided: int = 0  # of them: never shown
    users: int = 0  # who have a new base state
    left: int = 0  # decisions that stay
    files: list[str] = field(default_factory=list)  # exports that vouch for what went
    unusable: list[str] = field(default_factory=list)  # exports that do not, and why
    freed: int = 0  # bytes of the file that are free for new records
    dry_run: bool = False


@dataclass(frozen=True)
class Step:
    """The records of a user behind `start` up to feedback `seq` go; voided ones with them."""

    user_id: str
    start: int
    seq: int
    voided: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many decisions go."""
        return self.seq - self.start + len(self.voided)


def prune(
    journal: Path,
    before: int | None = None,
    exports: Sequence[Path] = (),
    dry_run: bool = False,
    vacuum: bool = False,
) -> Pruning:
    """Prunes what was decided `before` (microseconds; None: whenever).

    The exports noted in the journal vouch for records if they are still what was written, and
    the files `exports` after every digest in them was verified. `vacuum` rewrites the file, and
    servers wait for it. Raises `BadInput`, also when no export vouches for anything.
    """
    found = Pruning(dry_run=dry_run)
    with keeping(journal) as keeper:
        db = keeper.db
        keep_verified(journal, db, exports, found.files, found.unusable)
        (newest,) = db.execute("SELECT max(n) FROM decisions").fetchone()
        users = [row[0] for row in db.execute("SELECT DISTINCT user_id FROM decisions")]
        _warm()
        touched = set()
        for steps in _batches(db, users, before, newest):
            if dry_run:
                gone = steps
            else:
                with _yielding(keeper):
                    gone = [step for step in steps if _apply(db, step)]
            touched |= {step.user_id for step in gone}
            found.decisions += sum(step.rows for step in gone)
            found.voided += sum(len(step.voided) for step in gone)
        found.users = len(touched)
        if not dry_run:
            sweep(db, lambda: _yielding(keeper))
        if vacuum and not dry_run:
            with keeper.turn():
                keeper.rewrite()
            keeper.empty_wal()
        found.left = db.execute("SELECT count(*) FROM decisions").fetchone()[0]
        found.left -= found.decisions if dry_run else 0
        found.freed = _free(keeper)
    return found


def _warm() -> None:
    """Loads the kernel of folding, which may take seconds, before servers wait for it."""
    UserState.empty("warm-up", NAME, WIDTH).fold(OTHER, np.zeros(WIDTH), 0.0, "warm-up", 0)


@contextmanager
def _yielding(keeper: Keeper) -> Iterator[None]:
    """A transaction, and as long a pause."""
    began = perf_counter()
    with keeper.turn(), keeper.transaction():
        yield
    # who lets go of a lock and takes it again overtakes those that are being woken
    time.sleep(perf_counter() - began)


def _free(keeper: Keeper) -> int:
    asked = ("freelist_count", "page_size")
    pages, size = (keeper.db.execute(f"PRAGMA {name}").fetchone()[0] for name in asked)
    return int(pages * size)


def _batches(
    db: sqlite3.Connection, users: Sequence[str], before: int | None, newest: int | None
) -> Iterator[list[Step]]:
    """The steps of all users, as many at once as make up a transaction."""
    batch: list[Step] = []
    for user_id in progress(users, len(users), "pruning"):
        for step in steps_of(db, user_id, before, newest):
            batch.append(step)
            if sum(s.rows for s in batch) >= ROWS:
                yield batch
                batch = []
    if batch:
        yield batch


def steps_of(
    db: sqlite3.Connection, user_id: str, before: int | None, newest: int | None
) -> list[Step]:
    """What can go of a user, in parts. What is written meanwhile changes nothing of it.

    The journal's `newest` row stays, so that the file is a log.
    """
    base = base_of(db, user_id)
    start = 0 if base is None else base.seq
    folded: dict[int, tuple[bool, int]] = {}  # seq -> may go, n
    voided, first = [], _NEVER  # first: the oldest row that stays
    rows = db.execute(
        "SELECT d.n, d.decision_id, d.decided_at, f.seq, v.decision_id IS NOT NULL,"
        " e.digest IS NOT NULL AND e.digest = f.digest FROM decisions d"
        " LEFT JOIN feedback f USING (decision_id) LEFT JOIN voided v USING (decision_id)"
        " LEFT JOIN temp.exported e USING (decision_id) WHERE d.user_id = ? ORDER BY d.n",
        (user_id,),
    )
    for n, name, decided_at, seq, is_voided, exported in rows:
        early = n != newest and (before is None or decided_at < before)
        if is_voided:
            if early:
                voided.append((n, name))
        elif seq is None:
            first = min(first, n)
        else:
            folded[seq] = bool(exported) and early, n
    last = start
    while folded.get(last + 1, (False, 0))[0]:
        last += 1
    cuts = [*range(start, last, ROWS), last]
    steps = [Step(user_id, a, b, ()) for a, b in pairwise(cuts)]
    # no voided decision goes before an older one that stays: the base's row would pass it over
    first = min([first, *(n for seq, (_, n) in folded.items() if seq > last)])
    names = tuple(name for n, name in voided if n < first)
    if names and (steps or base is not None):
        steps.append(Step(user_id, last, last, names))
    return steps


_NEVER = 1 << 62


def _apply(db: sqlite3.Connection, step: Step) -> bool:
    """Writes the base state and what retries need, deletes the records; in a transaction.

    False when the user's records are no longer those that were planned for.
    """
    base = base_of(db, step.user_id)
    if (0 if base is None else base.seq) != step.start:
        return False
    rows = db.execute(
        f"SELECT d.n, f.digest, f.reward, f.feedback_at, {columns_of('d')} FROM feedback f"
        " JOIN decisions d USING (decision_id) JOIN temp.exported e USING (decision_id)"
        " WHERE f.user_id = ? AND f.seq > ? AND f.seq <= ? AND e.digest = f.digest"
        " ORDER BY f.seq",
        (step.user_id, step.start, step.seq),
    ).fetchall()
    if len(rows) != step.seq - step.start:
        return False
    state = base.state() if base is not None else None
    n, latest = (0, 0) if base is None else (base.n, base.latest)
    for row, _, reward, at, *columns in rows:
        d = decision_of(columns)
        if state is None:
            state = UserState.empty(step.user_id, d.features, d.context.shape[1])
        state.fold(d.arms[d.action], d.context[d.action], reward, d.decision_id, at)
        n, latest = max(n, row), max(latest, d.decided_at, at)
    assert state is not None, "voided decisions go behind a base state"
    keep_last_row(db)
    chain = chained(NO_CHAIN if base is None else base.chain, [bytes(row[1]) for row in rows])
    write_base(db, state, to_json(state), n, latest, chain)
    names = [*(row[4] for row in rows), *step.voided]
    for name in names:
        db.execute(_STUB, (name,))
    drop_decisions(db, names)
    db.execute("DELETE FROM checkpoints WHERE user_id = ? AND seq < ?", (step.user_id, step.seq))
    return True


_REPLY = "body, decided_at, policy, features, state_seq, pmf, action, reward_window_s, scores"
_STUB = (
    "INSERT INTO pruned (decision_id, user_id, feedback, reward, feedback_at, seq, request_id,"
    f" {_REPLY}) SELECT d.decision_id, d.user_id, f.feedback, f.reward, f.feedback_at, f.seq,"
    " d.request_id, "
    + ", ".join(
        f"CASE WHEN d.request_id IS NULL THEN NULL ELSE d.{name} END" for name in _REPLY.split(", ")
    )
    + " FROM decisions d LEFT JOIN feedback f USING (decision_id) WHERE d.decision_id = ?"
)
"""What is kept of a decision: without a request_id nobody can ask for it again."""
