"""Which records exported files hold, after it was verified that they do: what prune may delete."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from journal.cli import progress
from journal.files import beside, is_journal, read_log
from journal.live_rows import shadows_in
from journal.log import Log
from journal.shadow_columns import NAMES, PMFS
from journal.upkeep.exports import exports_of
from policies.errors import BadInput
from policies.records import record_digest

_KEEP = "INSERT OR REPLACE INTO temp.exported VALUES (?, ?)"


def keep_verified(
    journal: Path,
    db: sqlite3.Connection,
    given: Sequence[Path],
    files: list[str],
    unusable: list[str],
) -> None:
    """Fills `temp.exported (decision_id, digest)`, and the lists of files and of others' faults.

    A file noted in the journal counts if its bytes are those that were written; a given one if
    each of its digests is that of its record, for the records with which it holds their shadows,
    assignment and tasks, that no digest covers. Raises `BadInput` when none of them counts.
    """
    db.execute(
        "CREATE TEMP TABLE exported (decision_id TEXT PRIMARY KEY, digest BLOB) WITHOUT ROWID"
    )
    for export in exports_of(db):
        fault = export.state()
        if fault is not None:
            unusable.append(f"{export.file} {fault}")
            continue
        with pq.ParquetFile(export.file) as opened:
            for batch in opened.iter_batches(columns=["decision_id", "digest"]):
                _keep(db, zip(*(column.to_pylist() for column in batch.columns), strict=True))
        files.append(export.file)
    for file in given:
        if file.is_file() and is_journal(file):
            raise BadInput(str(file), "is a live journal, which vouches for nothing: export it")
        log = read_log(file, values=False)
        _check(file, log)
        lacking = _lacking(db, log)
        if lacking:
            unusable.append(
                f"{file} for {len(lacking)} decisions: it lacks what stands beside them"
            )
        rows = zip(log.decision_id, log.digest, strict=True)
        _keep(db, [row for row in rows if row[0] not in lacking])
        files.append(str(file))
    if not files:
        why = "; ".join(unusable) or "python -m journal export comes first"
        raise BadInput(str(journal), f"no export of it vouches for what would go: {why}")


def _keep(db: sqlite3.Connection, rows: Iterable[tuple[str, bytes | None]]) -> None:
    db.execute("BEGIN")  # of the temporary table alone: no server waits for it
    db.executemany(_KEEP, rows)
    db.execute("COMMIT")


def _lacking(db: sqlite3.Connection, log: Log) -> set[str]:
    """The decisions of the journal of which `log` holds the record, but not all beside it."""
    names, said = log.decision_id, shadows_in(db)
    here = {name for (name,) in db.execute("SELECT decision_id FROM decisions")}
    lacking = set()
    for column, kept in beside(db, names).items():
        given = log.table[column].to_pylist()
        lacking |= {name for name, one, two in zip(names, given, kept, strict=True) if one != two}
    policies, pmfs = (log.table[column].to_pylist() for column in (NAMES, PMFS))
    for name, asked, theirs in zip(names, policies, pmfs, strict=True):
        ours = {p: None if pmf is None else pmf.tolist() for p, pmf in said.get(name, ())}
        if dict(zip(asked or (), theirs or (), strict=True)) != ours:
            lacking.add(name)
    return lacking & here


def _check(file: Path, log: Log) -> None:
    if log.pmf is None:
        raise BadInput(str(file), "its digests cover the pmf, which it lacks")
    digests, names = log.digest, log.decision_id
    for i in progress(range(len(log)), len(log), "verifying digests"):
        try:
            holds = record_digest(log.decision(i), log.feedback_of(i)) == digests[i]
        except (BadInput, OverflowError, pa.ArrowException):
            holds = False
        if not holds:
            raise BadInput(f"{file} decision {names[i]}", "its digest does not match")
