"""`inspect`: what a live journal holds, in figures."""

import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from journal.upkeep.access import reading, version_in
from journal.upkeep.exports import exports_of, rows_not_in
from policies.errors import BadInput
from policies.records import check_user_id


@dataclass(frozen=True)
class Inspection:
    """Counts, of one user or of all; times are RFC 3339, None where there is nothing."""

    schema: int
    bytes: int  # of the file and its write-ahead log
    integrity: str  # what SQLite's quick check says: ok
    decisions: int
    users: int
    policies: dict[str, int]
    feedback: dict[str, int]  # folded, by kind; `number` where it was a bare reward
    open: int  # shown, without feedback
    overdue: int  # of them: the window is over, the user's next request folds the silence
    late: int  # answers behind their window, kept and not folded
    voided: int  # never shown
    first: str | None
    last: str | None
    pruned: int  # decisions
    bases: int  # users who start from a base state
    exports: int
    oldest_unexported: str | None  # the oldest decision that is in no export as it is for good
    unexported: int
    checkpoint_lag: int  # feedbacks that the users' checkpoints lack, all together


def inspect(journal: Path, user_id: str | None = None) -> Inspection:
    """Looks at a snapshot; changes nothing. Raises `BadInput`, also for a user it does not hold."""
    schema = version_in(journal)
    with reading(journal) as db:
        db.execute("BEGIN")
        return _looked_at(db, journal, schema, user_id)


def _looked_at(
    db: sqlite3.Connection, journal: Path, schema: int, user_id: str | None
) -> Inspection:
    mine, given = ("1", ()) if user_id is None else ("d.user_id = ?", (user_id,))
    have = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def one(query: str) -> int:
        return int(db.execute(query, given).fetchone()[0] or 0)

    def by(query: str) -> dict[str, int]:
        return {str(row[0]): int(row[1]) for row in db.execute(query, given)}

    def if_there(table: str, query: str) -> int:
        return one(query) if table in have else 0

    decisions = one(f"SELECT count(*) FROM decisions d WHERE {mine}")
    pruned = if_there("pruned", f"SELECT count(*) FROM pruned d WHERE {mine}")
    if user_id is not None and not decisions and not pruned:
        raise BadInput("--user", "no record of this user", check_user_id(user_id, "--user"))
    shown = " AND d.decision_id NOT IN (SELECT decision_id FROM voided)"
    shown = shown if "voided" in have else ""
    awaited = (
        "FROM decisions d LEFT JOIN feedback f USING (decision_id)"
        f" WHERE {mine} AND f.decision_id IS NULL{shown}"
    )
    now = time.time_ns() // 1000
    closed = f"d.decided_at + d.reward_window_s * 1000000 <= {now}"
    first, last = db.execute(
        f"SELECT min(d.decided_at), max(d.decided_at) FROM decisions d WHERE {mine}", given
    ).fetchone()
    noted = exports_of(db) if "exports" in have else []
    if "voided" in have:
        missing = list(rows_not_in(db, noted[-1] if noted else None, user_id))
    else:  # of schema 1, which knew no exports
        query = f"SELECT d.n, d.decided_at FROM decisions d WHERE {mine}"
        missing = db.execute(query, given).fetchall()
    files = (journal, journal.with_name(f"{journal.name}-wal"))
    return Inspection(
        schema=schema,
        bytes=sum(file.stat().st_size for file in files if file.exists()),
        integrity=str(db.execute("PRAGMA quick_check(1)").fetchone()[0]),
        decisions=decisions,
        users=one(f"SELECT count(DISTINCT user_id) FROM decisions d WHERE {mine}"),
        policies=by(f"SELECT policy, count(*) FROM decisions d WHERE {mine} GROUP BY 1 ORDER BY 1"),
        feedback=by(
            f"SELECT coalesce(feedback, 'number'), count(*) FROM feedback d WHERE {mine}"
            " GROUP BY 1 ORDER BY 1"
        ),
        open=one(f"SELECT count(*) {awaited}"),
        overdue=one(f"SELECT count(*) {awaited} AND {closed}"),
        late=one(f"SELECT count(*) FROM late JOIN decisions d USING (decision_id) WHERE {mine}")
        + if_there(
            "pruned", f"SELECT count(*) FROM late JOIN pruned d USING (decision_id) WHERE {mine}"
        ),
        voided=if_there("voided", f"SELECT count(*) FROM voided d WHERE {mine}"),
        first=rfc3339(first),
        last=rfc3339(last),
        pruned=pruned,
        bases=if_there("bases", f"SELECT count(*) FROM bases d WHERE {mine}"),
        exports=len(noted),
        oldest_unexported=rfc3339(min((at for _, at in missing), default=None)),
        unexported=len(missing),
        checkpoint_lag=if_there("checkpoints", _lag(mine, "bases" in have)),
    )


def _lag(mine: str, bases: bool) -> str:
    """Feedbacks behind the checkpoint or, without one, behind the base."""
    base = "(SELECT seq FROM bases b WHERE b.user_id = d.user_id)" if bases else "0"
    saved = "max(coalesce((SELECT c.seq FROM checkpoints c WHERE c.user_id = d.user_id), 0),"
    return f"SELECT count(*) FROM feedback d WHERE {mine} AND d.seq > {saved} coalesce({base}, 0))"


def rfc3339(micros: int | None) -> str | None:
    """Microseconds as a time in UTC."""
    if micros is None:
        return None
    whole, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest).isoformat()
