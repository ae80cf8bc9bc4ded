"""Which tables of a live journal hold what of whom: read from the file, whatever it has."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

OUTLIVE_A_DECISION = ("late", "pruned", "voided")
"""Tables whose rows stay when their decision is pruned: a retry must be told the same, and an
answer that came late was never exported."""

SWEPT = ("shadows",)
"""Tables without an index by decision: `sweep` takes what pruned decisions left in them, a piece
at a time. To look a decision up would read all of the table, while the servers wait."""

PIECE = 2_000  # rows of a swept table looked at in one transaction


def tables_with(db: sqlite3.Connection, column: str) -> list[str]:
    """The tables that have a column, by name."""
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return sorted(
        name
        for name in names
        if any(row[1] == column for row in db.execute(f'PRAGMA table_info("{name}")'))
    )


def drop_decisions(db: sqlite3.Connection, decision_ids: Sequence[str]) -> None:
    """Deletes decisions and what hangs on them, but for what outlives them or is swept."""
    rows = [(name,) for name in decision_ids]
    for table in tables_with(db, "decision_id"):
        if table not in OUTLIVE_A_DECISION + SWEPT:
            db.executemany(f'DELETE FROM "{table}" WHERE decision_id = ?', rows)


def sweep(
    db: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[object]]
) -> None:
    """Deletes what pruned decisions left in the swept tables, each piece in a `transaction`.

    May be repeated, after a kill say. Rows that another rewriting of the file renumbers
    meanwhile stay for the next sweep.
    """
    for table in SWEPT:
        at = -1
        while True:
            piece = f"SELECT rowid AS r FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {PIECE}"
            (end,) = db.execute(f"SELECT max(r) FROM ({piece})", (at,)).fetchone()
            if end is None:
                break
            theirs = "rowid > ? AND rowid <= ? AND decision_id IN (SELECT decision_id FROM pruned)"
            if db.execute(f"SELECT 1 FROM {table} WHERE {theirs} LIMIT 1", (at, end)).fetchone():
                with transaction():
                    db.execute(f"DELETE FROM {table} WHERE {theirs}", (at, end))
            at = end


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
