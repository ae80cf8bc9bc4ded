"""Opening a live journal beside the servers that write it: to read, or to write in turn."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from journal.live_rows import check_journal, is_fresh, open_journal
from journal.live_turn import turnstile
from journal.schema_sql import VERSION
from policies.errors import BadInput

LOG_PAGES = 250  # of the write-ahead log before a commit copies it: servers wait for that
BUSY_S = 10.0  # how long a program that holds the file without queueing is waited for


def version_in(path: Path) -> int:
    """The schema's version. Raises `BadInput` for what is no live journal."""
    if is_fresh(path):
        raise BadInput(str(path), "no such live journal")
    check_journal(path)
    with reading(path) as db:
        return int(db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write; no server waits for it. Raises `BadInput`."""
    with refusing(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)
        try:
            yield db
        finally:
            db.close()


def sync_directory(directory: Path) -> None:
    """The names in it are on disk when this returns."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """SQLite's reason as `BadInput` that names the journal."""
    try:
        yield
    except sqlite3.Error as error:
        raise BadInput(str(path), f"the journal cannot be used ({error})") from None


class Keeper:
    """A journal to be written beside its servers; each transaction waits for its turn.

    Raises `BadInput` for a journal of an older schema: a server of before may still write it.
    """

    def __init__(self, path: Path) -> None:
        found = version_in(path)
        if found != VERSION:
            rule = f"journal schema must be {VERSION}; serve.py brings it up to date at its start"
            raise BadInput(str(path), rule, found)
        self.path = path
        self._turn = turnstile(path)
        self.db = open_journal(path, BUSY_S)
        self.db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The servers wait meanwhile."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it on disk when this ends, or none; within a turn."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def rewrite(self) -> None:
        """VACUUM: the file has no page and no byte of what was deleted; within a turn."""
        self.db.execute("VACUUM")

    def empty_wal(self) -> bool:
        """Copies the write-ahead log into the file and cuts it; False while others read it."""
        self.db.execute("PRAGMA busy_timeout = 50")  # servers wait for this turn
        with self.turn():
            busy, _, _ = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Ends it; what was written stays."""
        self.db.close()
        os.close(self._turn)


@contextmanager
def keeping(path: Path) -> Iterator[Keeper]:
    """A `Keeper`, closed at the end. Raises `BadInput`, also for SQLite's errors."""
    with refusing(path):
        keeper = Keeper(path)
        try:
            yield keeper
        finally:
            keeper.close()
