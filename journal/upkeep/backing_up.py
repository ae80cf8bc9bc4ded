"""`backup`: a verified copy of a journal while servers write it, whole or not at all."""

import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from journal.live_bases import bases_in
from journal.live_rows import records
from journal.upkeep.access import reading, refusing, sync_directory, version_in
from policies.errors import BadInput
from policies.records import decision_digest, feedback_digest


@dataclass(frozen=True)
class Backup:
    """The copy, and what of it was verified."""

    file: str
    bytes: int
    decisions: int  # whose digests hold
    bases: int  # base states whose digests hold


def backup(journal: Path, out: Path) -> Backup:
    """Copies one snapshot to a new file `out`; servers go on meanwhile.

    Before it gets its name, SQLite's quick check and every digest must hold. Raises
    `BadInput`, also when `out` is there already.
    """
    version_in(journal)
    if out.exists():
        raise BadInput(str(out), "is there already: a backup takes no file's place")
    if not out.absolute().parent.is_dir():
        raise BadInput(str(out), "the directory does not exist", str(out.parent))
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".backup-") as directory:
        part = Path(directory) / "part.db"
        with reading(journal) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)  # in one step: one snapshot, however long it takes
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, no companions
            (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise BadInput(str(journal), f"is damaged, SQLite says: {said}")
        with refusing(journal):
            decisions, bases = _verified(journal, part)
        with part.open("rb") as copied:
            os.fsync(copied.fileno())
        size = part.stat().st_size
        _name(part, out)
    return Backup(str(out), size, decisions, bases)


def _name(part: Path, out: Path) -> None:
    """Its name, on disk; unlike a rename a link cannot take a file's place."""
    try:
        os.link(part, out)
    except FileExistsError:
        raise BadInput(str(out), "is there already: a backup takes no file's place") from None
    except OSError:  # a file system without links, of a removable disk say
        os.replace(part, out)
    sync_directory(out.absolute().parent)


def _verified(journal: Path, part: Path) -> tuple[int, int]:
    count = 0
    for decision, feedback, digest in records(part):
        found = decision_digest(decision)
        if feedback is not None:
            found = feedback_digest(found, feedback)
        if found != digest:
            raise BadInput(
                f"{journal} decision {decision.decision_id}", "its digest does not match"
            )
        count += 1
    bases = bases_in(part)
    for base in bases.values():
        if not base.holds:
            raise BadInput(f"{journal} base state of {base.user_id}", "its digest does not match")
    return count, len(bases)
