"""Reading and writing logs: Parquet or Arrow IPC by magic bytes, live journals, importers."""

import hashlib
import os
import sqlite3
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from journal.log import Log, log_of, log_of_table
from policies.errors import BadInput

IMPORTERS = {"obd": "journal.importers.obd"}
"""Prefix of a LOG argument -> module with `read(path) -> Log` (docs/extending.md)."""

_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
_SQLITE = b"SQLite format 3\0"


def read_log(path: str | os.PathLike[str], *, values: bool = True) -> Log:
    """The log at `path`: a file, a directory of files, a live journal, or `obd:DIR`.

    The kind of a file is told by its magic bytes, not its name. `values=False` checks
    the shape alone (for the audit). Raises `BadInput` for anything that is not a log.
    """
    name = os.fspath(path)
    prefix, colon, rest = name.partition(":")
    if colon and prefix in IMPORTERS:
        log: Log = import_module(IMPORTERS[prefix]).read(rest)
        return log
    where = Path(name)
    if where.is_dir():
        files = sorted(p for p in where.iterdir() if p.is_file() and not p.name.startswith("."))
        if not files:
            raise BadInput(name, "the directory holds no files")
        tables = [_table(p) for p in files]
        digest = hashlib.sha256(b"".join(_sha256(p) for p in files)).hexdigest()
        try:
            table = pa.concat_tables(tables, promote_options="default")
        except pa.ArrowInvalid as error:
            raise BadInput(name, f"its files do not fit together ({error})") from None
        return log_of_table(table, name, source=digest, values=values)
    if not where.exists():
        raise BadInput(name, "no such file or directory")
    if _magic(where).startswith(_SQLITE):
        return _journal(name)
    return log_of_table(_table(where), name, source=_sha256(where).hex(), values=values)


def write_log(log: Log, path: str | os.PathLike[str]) -> None:
    """Writes Arrow IPC where the name ends in .arrow or .feather, else Parquet; whole or not."""
    name = os.fspath(path)
    directory = os.path.dirname(name) or "."
    if not os.path.isdir(directory):
        raise BadInput(name, "the directory does not exist", directory)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".", suffix=".part")
    os.close(handle)
    try:
        if name.endswith((".arrow", ".feather")):
            feather.write_feather(log.table, temporary, compression="uncompressed")
        else:
            pq.write_table(log.table, temporary, compression="zstd")
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise


def _journal(name: str) -> Log:
    from journal.live_rows import records

    try:
        rows = list(records(name))
    except sqlite3.DatabaseError as error:
        raise BadInput(name, f"cannot be read as a live journal ({error})") from None
    return log_of(
        [(decision, feedback) for decision, feedback, _ in rows],
        digests=[digest for _, _, digest in rows],
        path=name,
    )


def _table(path: Path) -> Any:
    magic = _magic(path)
    try:
        if magic.startswith(_PARQUET):
            # ParquetFile, not read_table: the name of the directory must not add columns
            return pq.ParquetFile(path).read()
        if magic.startswith(_ARROW_FILE):
            return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        if magic.startswith(_ARROW_STREAM):
            return pa.ipc.open_stream(path.read_bytes()).read_all()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(str(path), f"is truncated or damaged ({reason})") from None
    raise BadInput(
        str(path), "must be Parquet, Arrow IPC or a live journal by its first bytes", magic
    )


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
