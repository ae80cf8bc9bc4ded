"""Which tables of a live journal hold what of whom: read from the file, whatever it has."""

import sqlite3
from collections.abc import Sequence

OUTLIVE_A_DECISION = ("late", "pruned", "voided")
"""Tables whose rows stay when their decision is pruned: a retry must be told the same, and an
answer that came late was never exported."""


def tables_with(db: sqlite3.Connection, column: str) -> list[str]:
    """The tables that have a column, by name."""
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return sorted(
        name
        for name in names
        if any(row[1] == column for row in db.execute(f'PRAGMA table_info("{name}")'))
    )


def drop_decisions(db: sqlite3.Connection, decision_ids: Sequence[str]) -> None:
    """Deletes decisions and what hangs on them, but for what outlives them."""
    rows = [(name,) for name in decision_ids]
    for table in tables_with(db, "decision_id"):
        if table not in OUTLIVE_A_DECISION:
            db.executemany(f'DELETE FROM "{table}" WHERE decision_id = ?', rows)


def drop_user(db: sqlite3.Connection, user_id: str) -> dict[str, int]:
    """Deletes every row of a user; how many of each table."""
    theirs = tables_with(db, "user_id")
    of_theirs = " UNION ".join(
        f'SELECT decision_id FROM "{table}" WHERE user_id = ?1'
        for table in tables_with(db, "decision_id")
        if table in theirs
    )
    gone = {}
    for table in tables_with(db, "decision_id"):
        if table not in theirs:
            found = db.execute(
                f'DELETE FROM "{table}" WHERE decision_id IN ({of_theirs})', (user_id,)
            )
            gone[table] = found.rowcount
    for table in theirs:
        found = db.execute(f'DELETE FROM "{table}" WHERE user_id = ?', (user_id,))
        gone[table] = found.rowcount
    return gone
