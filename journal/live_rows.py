"""The live journal's file: opening it, writing its rows, reading them back as records."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from journal.live_calls import Shadowed, Told
from journal.schema_sql import COLUMNS, SCHEMA, SINCE_2, SINCE_3, VERSION
from policies.arrays import Floats
from policies.errors import BadInput
from policies.prior import know, priors_in
from policies.records import Decision, Feedback, decision_digest, feedback_digest

LOG_KEPT = 16 << 20  # bytes of a write-ahead log that grew: the rest is given back
BUSY_S = 2.0  # how long another program may keep the file locked, or a server its turn

INSERT_DECISION = (
    f"INSERT INTO decisions ({COLUMNS}, request_id, body, scores, digest, n)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
    " 1 + max((SELECT coalesce(max(n), 0) FROM decisions),"
    " (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'last_row')))"
)

_F8 = np.dtype("<f8")
_write = json.JSONEncoder(ensure_ascii=False).encode


def version_of(db: sqlite3.Connection, user_id: str) -> tuple[int, int]:
    """Grows with every record of the user: a loop is current if it was kept at this version.

    What was pruned counts on: the base state holds it.
    """
    decisions = db.execute("SELECT max(n) FROM decisions WHERE user_id = ?", (user_id,)).fetchone()
    folded = db.execute("SELECT max(seq) FROM feedback WHERE user_id = ?", (user_id,)).fetchone()
    base = db.execute("SELECT n, seq FROM bases WHERE user_id = ?", (user_id,)).fetchone() or (0, 0)
    return max(decisions[0] or 0, base[0]), max(folded[0] or 0, base[1])


def keep_last_row(db: sqlite3.Connection) -> None:
    """Call it before rows are deleted: the number of a row is never given twice."""
    db.execute(
        "INSERT OR REPLACE INTO meta SELECT 'last_row', max("
        "(SELECT coalesce(max(n), 0) FROM decisions),"
        " (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'last_row'))"
    )


def forgotten_of(db: sqlite3.Connection) -> int:
    """How many times a user was forgotten: what memory holds of before is of nobody."""
    row = db.execute("SELECT value FROM meta WHERE key = 'forgotten'").fetchone()
    return 0 if row is None else int(row[0])


def latest_of(db: sqlite3.Connection, user_id: str) -> int:
    """When the user's last record was written: no clock may go behind it."""
    rows = db.execute(
        "SELECT * FROM"
        " (SELECT decided_at FROM decisions WHERE user_id = ?1 ORDER BY n DESC LIMIT 1)"
        " UNION ALL SELECT * FROM"
        " (SELECT feedback_at FROM feedback WHERE user_id = ?1 ORDER BY seq DESC LIMIT 1)"
        " UNION ALL SELECT latest FROM bases WHERE user_id = ?1",
        (user_id,),
    )
    return max((row[0] for row in rows), default=0)


def open_journal(path: Path, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """A journal's connection: WAL, every commit on disk. Raises `BadInput` for another file.

    Call it with the writers' lock held: it may create the tables, or bring them up to date.
    """
    fresh = is_fresh(path)
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=busy_s)
        try:
            # before anything is changed: it may be another's file
            found = VERSION if fresh else _check_version(db, path)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
            if fresh:
                db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            elif found < VERSION:
                told = f"UPDATE meta SET value = '{VERSION}' WHERE key = 'schema';"
                db.executescript(f"BEGIN IMMEDIATE; {SINCE_2} {SINCE_3} {told} COMMIT;")
        except BaseException:
            db.close()
            raise
    except sqlite3.DatabaseError as error:
        raise BadInput(str(path), f"cannot be opened as a live journal ({error})") from None
    return db


def is_fresh(path: Path) -> bool:
    """Whether there is nothing yet: no file, or an empty one."""
    return not path.exists() or path.stat().st_size == 0


def check_journal(path: Path) -> None:
    """Raises `BadInput` when `path` is a file of another kind, and leaves it as it is."""
    if is_fresh(path):
        return
    try:
        db = sqlite3.connect(path, timeout=BUSY_S)
    except sqlite3.DatabaseError as error:
        raise BadInput(str(path), f"cannot be opened as a live journal ({error})") from None
    with closing(db):
        _check_version(db, path)


def _check_version(db: sqlite3.Connection, path: str | Path) -> int:
    try:
        row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    except sqlite3.DatabaseError as error:
        raise BadInput(str(path), f"is not a live journal ({error})") from None
    known = [str(version) for version in range(1, VERSION + 1)]
    if row is None or row[0] not in known:
        raise BadInput(
            str(path), f"journal schema must be one of {', '.join(known)}", row and row[0]
        )
    return int(row[0])


Source = str | Path | sqlite3.Connection
"""A journal to read: its path, or what `snapshot` gives to read several things as of one time."""


@contextmanager
def reading(source: Source) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, or the one given. Raises `BadInput` for no journal."""
    if isinstance(source, sqlite3.Connection):
        yield source
        return
    uri = f"{Path(source).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
        _check_version(db, source)
        yield db


@contextmanager
def snapshot(path: str | Path) -> Iterator[sqlite3.Connection]:
    """All that is read of it is as of one time: between two times a prune may delete."""
    with reading(path) as db:
        db.execute("BEGIN")
        yield db


def records(source: Source) -> Iterator[tuple[Decision, Feedback | None, bytes]]:
    """All (decision, feedback, digest) of a journal by time, as of now, while it is written.

    Without the decisions that were voided: they were never shown. The digest is the stored
    one. Raises `BadInput` for a file that is no journal.
    """
    with reading(source) as db:
        kept = " WHERE d.decision_id NOT IN (SELECT decision_id FROM voided)"
        if _check_version(db, "journal") < 2:
            kept = ""
        yield from (
            (decision_of(row[6:]), feedback_of(row[:5], row[6]), bytes(row[5]))
            for row in db.execute(
                "SELECT f.feedback, f.reward, f.feedback_at, f.seq, f.digest IS NOT NULL,"
                f" coalesce(f.digest, d.digest), {columns_of('d')} FROM decisions d"
                f" LEFT JOIN feedback f USING (decision_id){kept} ORDER BY d.decided_at, d.n"
            )
        )


def rows_of(source: Source, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query of what schema 3 brought; none of a journal that is older."""
    with reading(source) as db:
        if _check_version(db, "journal") >= 3:
            yield from db.execute(query)


def pruned_in(source: Source) -> frozenset[str]:
    """The decision_ids of what was shown and pruned."""
    rows = rows_of(source, "SELECT decision_id FROM pruned WHERE seq IS NOT NULL")
    return frozenset(name for (name,) in rows)


def shadows_in(source: Source) -> dict[str, list[tuple[str, Floats | None]]]:
    """By decision_id, the policies that were asked in shadow, sorted, each with its pmf `(K,)`.

    None in the place of a pmf: the policy failed. Empty for a journal that asked none.
    """
    out: dict[str, list[tuple[str, Floats | None]]] = {}
    query = "SELECT decision_id, policy, pmf FROM shadows ORDER BY 1, 2"
    for name, policy, pmf in rows_of(source, query):
        given = None if pmf is None else np.frombuffer(pmf, dtype="<f8")
        out.setdefault(name, []).append((policy, given))
    return out


def know_kept_priors(db: sqlite3.Connection, path: str) -> None:
    """Makes known the priors that the journal's decisions started from; `path` is for errors."""
    for key, text in db.execute("SELECT key, value FROM meta WHERE key GLOB 'prior *'"):
        know(str(text), f"{path}: {key}")


def _keep_priors(db: sqlite3.Connection, policy: str) -> None:
    """Keeps the text of each prior that a spec names: its hash alone rebuilds nothing."""
    for prior in priors_in([policy]):
        row = f"prior {prior.name}", prior.text
        db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", row)


def columns_of(table: str) -> str:
    """The columns of a decision, of a table's alias."""
    return ", ".join(f"{table}.{name.strip()}" for name in COLUMNS.split(","))


def feedback_of(row: Sequence[Any], decision_id: str) -> Feedback | None:
    """(feedback, reward, feedback_at, seq, whether there is one) as a record."""
    word, reward, at, seq, there = row
    return Feedback(decision_id, word, reward, at, seq) if there else None


def decision_of(row: Sequence[Any]) -> Decision:
    """The columns `COLUMNS` as a record."""
    candidates = json.loads(row[6])
    context = np.frombuffer(row[8], dtype="<f8").reshape(-1, row[7]).copy()
    return Decision(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        tuple(candidates["ids"]),
        tuple(candidates["arms"]),
        context,
        np.frombuffer(row[9], dtype="<f8").copy(),
        row[10],
        row[11],
    )


def insert_decision(
    db: sqlite3.Connection, d: Decision, scores: Floats, request_id: str | None, body: bytes
) -> int:
    """Writes a decision with its scores `(K,)` and the request that asked for it; its row."""
    _keep_priors(db, d.policy)
    candidates = _write({"ids": d.candidate_ids, "arms": d.arms})
    written = db.execute(
        INSERT_DECISION,
        (
            d.decision_id,
            d.user_id,
            d.decided_at,
            d.policy,
            d.features,
            d.state_seq,
            candidates,
            d.context.shape[1],
            d.context.astype(_F8, copy=False).tobytes(),
            d.pmf.astype(_F8, copy=False).tobytes(),
            d.action,
            d.reward_window_s,
            request_id,
            body,
            scores.astype(_F8, copy=False).tobytes(),
            decision_digest(d),
        ),
    )
    assert written.lastrowid is not None
    return written.lastrowid


def insert_shadows(
    db: sqlite3.Connection, shadows: Iterable[tuple[str, Sequence[Shadowed]]]
) -> None:
    """Writes, by decision_id, what challengers would have done at decisions that are there."""
    rows = [(name, s) for name, said in shadows for s in said]
    for policy in {s.policy for _, s in rows}:
        _keep_priors(db, policy)
    db.executemany(
        "INSERT INTO shadows VALUES (?, ?, ?, ?)",
        [
            (name, s.policy, None if s.pmf is None else s.pmf.astype("<f8").tobytes(), s.failure)
            for name, s in rows
        ],
    )


def insert_feedback(
    db: sqlite3.Connection,
    user_id: str,
    f: Feedback,
    answered_at: int | None,
    digest: bytes | None = None,
) -> None:
    """Writes a feedback whose decision is there; `answered_at` is the person's own word.

    `digest` is the decision's, looked up when it is not at hand.
    """
    if digest is None:
        digest = db.execute(
            "SELECT digest FROM decisions WHERE decision_id = ?", (f.decision_id,)
        ).fetchone()[0]
    db.execute(
        "INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            f.decision_id,
            user_id,
            f.feedback,
            f.reward,
            f.feedback_at,
            f.seq,
            answered_at,
            feedback_digest(digest, f),
        ),
    )


def insert_late(db: sqlite3.Connection, told: Told, at: int) -> None:
    """Writes an answer that came at `at` (microseconds), after its window: kept, not folded."""
    db.execute(
        "INSERT INTO late VALUES (?, ?, ?, ?, ?)",
        (told.decision_id, told.feedback, told.reward, at, told.answered_at),
    )


def void(db: sqlite3.Connection, user_id: str, decision_id: str, by: str) -> None:
    """Writes that a decision was never shown; its request is the other's now."""
    db.execute("INSERT INTO voided VALUES (?, ?, ?)", (decision_id, user_id, by))
    db.execute("UPDATE decisions SET request_id = NULL WHERE decision_id = ?", (decision_id,))
