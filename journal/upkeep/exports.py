"""Which files were written of a journal, and whether they still are what was written."""

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from policies.arrays import Ints


@dataclass(frozen=True, slots=True)
class Export:
    """A file written at a time (microseconds); every record of rows up to `upto` that was
    final then is in it or, of an increment, in it or one before it.
    """

    exported_at: int
    file: str
    sha256: str
    decisions: int
    upto: int
    open: Ints = field(compare=False)  # rows up to there whose record was not final
    increment: bool = False

    def state(self) -> str | None:
        """What is wrong with the file now; None when it is what was written, and on disk."""
        try:
            return None if sha256_of(Path(self.file)) == self.sha256 else "was changed since"
        except FileNotFoundError:
            return "is gone"
        except OSError as error:
            return f"cannot be read ({error.strerror})"


def exports_of(db: sqlite3.Connection) -> list[Export]:
    """All that are noted, in their order."""
    query = "SELECT exported_at, file, sha256, decisions, upto, open, increment FROM exports"
    return [
        Export(
            at,
            file,
            sha256,
            decisions,
            upto,
            np.frombuffer(zlib.decompress(rows), dtype="<i8"),
            bool(increment),
        )
        for at, file, sha256, decisions, upto, rows, increment in db.execute(f"{query} ORDER BY n")
    ]


def note_export(db: sqlite3.Connection, export: Export) -> None:
    """Notes one that is on disk."""
    db.execute(
        "INSERT INTO exports (exported_at, file, sha256, decisions, upto, open, increment)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            export.exported_at,
            export.file,
            export.sha256,
            export.decisions,
            export.upto,
            zlib.compress(export.open.astype("<i8").tobytes()),
            export.increment,
        ),
    )


def sha256_of(file: Path) -> str:
    """Of a file's bytes, which are on disk when this returns: what relies on them deletes."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        return hashlib.file_digest(opened, "sha256").hexdigest()


def rows_not_in(
    db: sqlite3.Connection, last: Export | None, user_id: str | None
) -> Iterator[tuple[int, int]]:
    """(n, decided_at) of a user's decisions, or all, that no export holds as they are for good."""
    upto = 0 if last is None else last.upto
    awaited = frozenset(() if last is None else last.open.tolist())
    query = (
        "SELECT n, decided_at FROM decisions WHERE (?1 IS NULL OR user_id = ?1)"
        " AND decision_id NOT IN (SELECT decision_id FROM voided) ORDER BY n"
    )
    for n, decided_at in db.execute(query, (user_id,)):
        if n > upto or n in awaited:
            yield n, decided_at
