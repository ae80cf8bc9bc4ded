"""The write-ahead log is copied into the file beside the commits, which would else wait for it.

A log of which all is copied begins anew with the next commit. SQLite before 3.51.3 may lose what is
committed then if a checkpoint starts at the same moment (https://sqlite.org/wal.html#walresetbug).
A log does not begin anew while somebody reads of it what is not copied yet, and nobody commits
out of turn. So a reader takes its place right behind a commit, in that commit's turn, and leaves
when the copying has ended.
"""

import sqlite3
from pathlib import Path

_LOOK = "SELECT * FROM meta LIMIT 1"


class Copying:
    """One copying at a time: `want` it around a commit, then `copy` if it `is_placed`.

    Whatever fails is no loss: what is not copied is just as durable where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted = False
        self._stale = False  # the connections are of a file that was opened anew since
        self._reader: sqlite3.Connection | None = None
        self._copier: sqlite3.Connection | None = None
        self.pages = 0  # of the log, when some of it was last copied

    @property
    def is_placed(self) -> bool:
        """Whether the reader has its place: whoever wanted it is to copy."""
        return self._reader is not None and self._reader.in_transaction

    def want(self) -> None:
        """Behind the next commit that writes; not while one is under way."""
        try:
            if self._stale:
                self.close()
            if self._copier is None:
                self._reader = self._connected()
                self._copier = self._connected()
        except sqlite3.Error:
            self.close()
        self._wanted = self._copier is not None

    def unwant(self) -> None:
        """That commit is over."""
        self._wanted = False

    def renew(self) -> None:
        """Other connections from the next time on."""
        self._stale = True

    def behind_commit(self) -> None:
        """Call it in the turn of a commit that wrote and copied nothing."""
        if not self._wanted or self._reader is None or self._reader.in_transaction:
            return
        self._wanted = False
        try:
            self._reader.execute("BEGIN")
            self._reader.execute(_LOOK).fetchall()
        except sqlite3.Error:
            self.close()

    def copy(self) -> None:
        """Copies what was committed up to there; in any thread, beside the commits."""
        if self._copier is None or self._reader is None or not self._reader.in_transaction:
            return
        try:
            _, pages, _ = self._copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self.pages = pages
            self._reader.execute("COMMIT")
        except sqlite3.Error:
            self.close()

    def close(self) -> None:
        """Ends it."""
        for db in (self._reader, self._copier):
            if db is not None:
                db.close()
        self._reader = self._copier = None
        self._wanted = self._stale = False

    def _connected(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=rw"  # it makes no file
        db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            db.execute(_LOOK).fetchall()  # all its files are open from here on
        except sqlite3.Error:
            db.close()
            raise
        return db
