"""The live journal's file among its writers: one transaction at a time, reopened after damage."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journal.live_calls import Unavailable
from journal.live_rows import check_journal, open_journal
from policies.errors import BadInput

PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)  # errors that leave a connection usable


class JournalFile:
    """A connection that comes back, and a place in the queue of those who write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed = False  # the last transaction was not written
        self.epoch = (0, 0)  # moves when another writer's commit is seen for the first time
        self._opened = 0
        self._db: sqlite3.Connection | None = None
        check_journal(path)
        self._turn = turnstile(path)
        with self.alone():
            self._db = open_journal(path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The writers' queue; SQLite's own waiting would let a second writer starve."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it on disk when this ends, or none. Raises `Unavailable` with the reason."""
        try:
            db = self._begin()
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

    def close(self) -> None:
        """Ends it; what was written stays."""
        if self._db is not None:
            self._db.close()
            self._db = None
        os.close(self._turn)

    def _begin(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = open_journal(self.path)
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


def turnstile(path: Path) -> int:
    """The open file whose lock the writers queue for; not the journal: SQLite locks that itself."""
    beside = path.with_name(f"{path.name}-lock")
    try:
        return os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        said = f"cannot be opened as a live journal ({error.strerror})"
        raise BadInput(str(path), said) from None


def _reason(error: BaseException) -> str | None:
    """Why nothing could be written, without paths; None for what is no matter of the journal."""
    if isinstance(error, sqlite3.Error):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "the journal cannot be opened" if isinstance(error, BadInput) else None
