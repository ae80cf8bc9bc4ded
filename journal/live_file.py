"""The live journal's file among its writers: one transaction at a time, reopened after damage."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from journal.live_calls import Busy, Unavailable
from journal.live_copying import Copying
from journal.live_rows import BUSY_S, check_journal, open_journal
from journal.live_turn import Turn
from policies.errors import BadInput

PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)  # errors that leave a connection usable
STILL_BUSY_S = 0.05  # a wait after one in vain: a server's loop must not stand still for each
# What the write-ahead log grows to before a commit copies it in its turn: rows are counted by each
# process for itself, pages are of all, known from the last copying beside the commits.
ROWS_LIMIT, PAGES_LIMIT = 1_000, 4_000
OPENING_S = 30.0  # nobody is served yet who could be told to come back


class JournalFile:
    """A connection that comes back, and a place in the queue of those who write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed = False  # the last transaction was not written
        self.epoch = (0, 0)  # moves when another writer's commit is seen for the first time
        self._opened = 0
        self._db: sqlite3.Connection | None = None
        self.copying = Copying(path)
        self._rows = 0  # written since all of the log was last copied in a turn
        check_journal(path)
        self._turn = Turn(path)
        self._patience = OPENING_S
        try:
            with self.alone():
                self._db = self._connected()
        except Busy as error:
            self._turn.close()
            raise BadInput(str(path), f"{error}: process {error.holder}") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The writers' queue; SQLite's own waiting would let a second writer starve.

        Raises `Busy` when who is before it does not come to an end.
        """
        try:
            self._turn.take(self._patience)
        except Busy:
            self._patience = STILL_BUSY_S
            raise
        self._patience = BUSY_S
        try:
            yield
        finally:
            self._turn.give()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it on disk when this ends, or none. Raises `Unavailable` with the reason."""
        try:
            db = self._begin()
            before = db.total_changes
            yield db
            db.execute("COMMIT")
        except BaseException as error:
            self.failed = True
            self._roll_back(error)
            reason = _reason(error)
            if reason is not None:
                raise Unavailable(reason) from error
            raise
        self.failed = False
        self._committed(db, db.total_changes - before)

    def close(self) -> None:
        """Ends it; what was written stays."""
        self.copying.close()
        if self._db is not None:
            self._db.close()
            self._db = None
        self._turn.close()

    def _connected(self) -> sqlite3.Connection:
        db = open_journal(self.path)
        db.execute("PRAGMA wal_autocheckpoint = 0")  # it would copy within a COMMIT, unseen
        return db

    def _committed(self, db: sqlite3.Connection, rows: int) -> None:
        """In the turn of a commit of so many rows: the log is copied, if nobody did for long.

        What copies beside the commits leaves something under a load without pause, and the log
        would grow. A disk that fails now, the next commit will tell of.
        """
        self._rows += rows
        if self._rows >= ROWS_LIMIT or self.copying.pages >= PAGES_LIMIT:
            with suppress(sqlite3.Error):
                busy, pages, copied = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if not busy and copied == pages:
                    self._rows = self.copying.pages = 0
        elif rows:
            self.copying.behind_commit()

    def _begin(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = self._connected()
            self._opened += 1
        self._db.execute("BEGIN IMMEDIATE")
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        self.epoch = (self._opened, version)
        return self._db

    def _roll_back(self, error: BaseException) -> None:
        if self._db is None:
            return
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as second:
            error = second
        if isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF not in PASSING:
            self._db.close()
            self._db = None
            self.copying.renew()


def _reason(error: BaseException) -> str | None:
    """Why nothing could be written, without paths; None for what is no matter of the journal."""
    if isinstance(error, sqlite3.Error):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "the journal cannot be opened" if isinstance(error, BadInput) else None
