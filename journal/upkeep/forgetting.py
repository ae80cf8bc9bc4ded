"""`forget`: nothing of a user is left in the journal, its write-ahead log and the states."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from journal.live_rows import forgotten_of, keep_last_row
from journal.upkeep.access import keeping
from journal.upkeep.exports import exports_of
from journal.upkeep.tables import drop_user
from policies.errors import BadInput
from policies.records import check_user_id
from policies.state import file_name

ATTEMPTS = 20  # to cut the write-ahead log while others read
PAUSE_S = 0.25


@dataclass(frozen=True)
class Forgotten:
    """Rows that went of each table, and what is the caller's to see to."""

    rows: dict[str, int]
    states: int  # state files that went
    exports: list[str] = field(default_factory=list)  # noted files that may hold the user
    clean: bool = True  # False: a program that reads holds the write-ahead log


def forget(journal: Path, user_id: str, states: Path | None = None) -> Forgotten:
    """Deletes all records of a user and rewrites the file, so that their bytes are gone.

    Servers wait while the file is rewritten. Their memory drops the user with their next
    batch. May be repeated, after a kill say: what is gone already is no error.
    Raises `BadInput`.
    """
    check_user_id(user_id, "USER")
    if states is not None and not states.is_dir():
        raise BadInput(str(states), "no such directory of states")
    with keeping(journal) as keeper:
        with keeper.turn():
            with keeper.transaction() as db:
                keep_last_row(db)
                rows = drop_user(db, user_id)
                count = str(forgotten_of(db) + 1)
                db.execute("INSERT OR REPLACE INTO meta VALUES ('forgotten', ?)", (count,))
                files = 0 if states is None else _unlink(states, user_id)
            keeper.rewrite()  # page splits leave copies of rows that no deletion overwrites
        clean = any(_waited(keeper.empty_wal()) for _ in range(ATTEMPTS))
        exports = [e.file for e in exports_of(keeper.db)]
    return Forgotten(rows, files, exports, clean)


def _waited(done: bool) -> bool:
    if not done:
        time.sleep(PAUSE_S)
    return done


def _unlink(states: Path, user_id: str) -> int:
    """The state file and what a killed process left of one."""
    name = Path(file_name(user_id)).stem
    found = [states / f"{name}.json", *states.glob(f"{name}.*.part")]
    gone = [file for file in found if file.exists()]
    for file in gone:
        file.unlink()
    return len(gone)
