"""`export`: the journal as a columnar log, noted so that what it holds may be pruned."""

import os
import secrets
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from journal.files import read_log, write_log
from journal.log import NONE, Log
from journal.upkeep.access import keeping, reading, sync_directory
from journal.upkeep.exports import Export, exports_of, note_export, sha256_of
from policies.arrays import Ints
from policies.errors import BadInput


@dataclass(frozen=True)
class Exported:
    """What was written, and what was left."""

    file: str | None  # None: there was nothing new
    decisions: int
    upto: int  # the last decision row of the snapshot
    open: int  # decisions whose record is not final yet
    sha256: str | None


def export(journal: Path, out: Path, since_last: bool = False) -> Exported:
    """Writes `out` (.parquet), whole or not at all, from one snapshot; no server waits for it.

    Without `since_last` all decisions, open ones too. With it those that are closed and in no
    increment before: increments are disjoint, and together they are a log from its start.
    Raises `BadInput`.
    """
    if out.suffix != ".parquet":
        raise BadInput("OUT", "must end in .parquet", str(out))
    place = str(out.absolute())
    with keeping(journal) as keeper:
        noted = exports_of(keeper.db)
        any_shown = _any_shown(keeper.db)
    # no connection is open while the log is read: that opens and closes the file beside SQLite,
    # and with any close a process loses all of its POSIX locks of a file
    _check_free(out, noted)
    last = _last(noted) if since_last else None
    if since_last and not any_shown:
        return Exported(None, 0, last.upto if last else 0, 0, None)
    log = read_log(journal)
    n = _rows_of(journal, log)
    closed = log.feedback_seq != NONE
    wanted = np.ones(len(log), np.bool_)
    if since_last:
        wanted = closed.copy()
        if last is not None:
            wanted &= (n > last.upto) | np.isin(n, last.open)
    upto = max(int(n.max()), last.upto if last else 0)
    still_open = np.sort(n[~closed])
    if not wanted.any():
        return Exported(None, 0, upto, len(still_open), None)
    part = out.with_name(f".{out.name}-{secrets.token_hex(4)}.part")
    try:
        write_log(log.take(wanted), part)
        now, count = time.time_ns() // 1000, int(wanted.sum())
        made = Export(now, place, sha256_of(part), count, upto, still_open, since_last)
        with keeping(journal) as keeper, keeper.turn(), keeper.transaction() as db:
            noted = exports_of(db)
            if since_last and _last(noted) != last:
                raise BadInput(str(journal), "another export was made meanwhile: export again")
            _check_free(out, noted)
            os.replace(part, out)  # in the turn: no other export can have it noted meanwhile
            sync_directory(out.absolute().parent)  # the name, too: what relies on it deletes
            note_export(db, made)
    finally:
        part.unlink(missing_ok=True)
    return Exported(str(out), made.decisions, upto, len(still_open), made.sha256)


def _check_free(out: Path, noted: list[Export]) -> None:
    """Raises `BadInput` for a noted file, by whatever path: it may be all that is left."""
    if out.exists() and any(_is(out, e.file) for e in noted):
        raise BadInput(str(out), "is an export of this journal already, kept for prune")


def _is(out: Path, file: str) -> bool:
    try:
        return out.samefile(file)
    except OSError:  # the noted one is gone
        return False


def _last(noted: list[Export]) -> Export | None:
    """The last increment."""
    return next((e for e in reversed(noted) if e.increment), None)


def _any_shown(db: sqlite3.Connection) -> bool:
    """Whether there is any decision that was not voided."""
    query = "SELECT 1 FROM decisions WHERE decision_id NOT IN (SELECT decision_id FROM voided)"
    return db.execute(f"{query} LIMIT 1").fetchone() is not None


def _rows_of(journal: Path, log: Log) -> Ints:
    """(n,) the row of each decision; the journal may have gone on since `log` was read."""
    with reading(journal) as db:
        rows = dict(db.execute("SELECT decision_id, n FROM decisions"))
    missing = [name for name in log.decision_id if name not in rows]
    if missing:
        rule = "a user was forgotten or records were pruned meanwhile: export again"
        raise BadInput(str(journal), rule)
    return np.array([rows[name] for name in log.decision_id], np.int64)
