"""Reading and writing logs: Parquet or Arrow IPC by magic bytes, live journals, importers."""

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from journal import schema
from journal.checks import check_shape, width_of
from journal.live_bases import Base, bases_in
from journal.log import Log, log_of_table
from journal.records import log_of
from policies.errors import BadInput
from policies.rewards import REWARD_RANGE

IMPORTERS = {"obd": "journal.importers.obd", "vw": "journal.importers.vw"}
"""Prefix of a LOG argument -> module with `read(path) -> Log` (docs/extending.md)."""

EXPORTERS = {"vw": "journal.exporters.vw"}
"""Prefix of a file to be written -> module with `write(log, file)`."""

_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
_SQLITE = b"SQLite format 3\0"


def read_log(path: str | os.PathLike[str], *, values: bool = True) -> Log:
    """The log at `path`: a file, a directory of files, a live journal, or an
    importer's prefix, `obd:DIR` or `vw:FILE`.

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
        return _directory(where, values)
    if not where.exists():
        raise BadInput(name, "no such file or directory")
    if is_journal(where):
        table, bases, pruned = _journal(name)
        notes = _of_pruning(table, bases)
        log = log_of_table(table, name, values=values, notes=notes, bases=bases)
        return replace(log, pruned=pruned)
    return log_of_table(_table(where), name, source=_sha256(where).hex(), values=values)


def read_columns(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns that a log's Parquet or Arrow files hold beside the schema's, in the log's order.

    Raises `BadInput` where a file lacks one, or the log is no such file.
    """
    where = Path(path)
    if not where.exists() or (where.is_file() and _magic(where).startswith(_SQLITE)):
        rule = "has no columns but the log's: it is no Parquet or Arrow file"
        raise BadInput(str(path), rule, ", ".join(names))
    files = [where]
    if where.is_dir():
        files = sorted(p for p in where.iterdir() if p.is_file() and not p.name.startswith("."))
    out: dict[str, list[Any]] = {name: [] for name in names}
    for file in files:
        table = _table(file)
        for name in names:
            if table.column_names.count(name) != 1:
                held = ", ".join(table.column_names)
                raise BadInput(f"{file} column {name}", f"must be there once; it has {held}")
            out[name] += table[name].to_pylist()
    return out


def _directory(where: Path, values: bool) -> Log:
    """The files of a directory, by name, one after the other; each must be a log by itself."""
    name = str(where)
    files = sorted(p for p in where.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files:
        raise BadInput(name, "the directory holds no files")
    tables = [check_shape(_table(p), str(p)) for p in files]
    digest = hashlib.sha256(b"".join(_sha256(p) for p in files)).hexdigest()
    return log_of_table(together(tables, name), name, source=digest, values=values)


def together(tables: Sequence[Any], name: str) -> Any:
    """One table of several; it is of a simulated world when all of them are of the same."""
    widths = sorted({width_of(t, name) for t in tables})
    if len(widths) > 1:
        rule = f"must be list<fixed_size_list<double, {widths[0]}>> in all files or in none"
        raise BadInput(f"{name} column context", rule, widths)
    said = [schema.about(t.schema, REWARD_RANGE, name) for t in tables]
    ranges = sorted({span for span, _ in said})
    if len(ranges) > 1:
        raise BadInput(f"{name}: reward_range", "must be the same in all files", ranges)
    world = said[0][1] if all(w == said[0][1] for _, w in said) else None
    priors = dict.fromkeys(p for t in tables for p in schema.know_priors(t.schema, name))
    kept = dict.fromkeys(e.text for t in tables for e in schema.experiments(t.schema, name))
    table = pa.concat_tables([t.replace_schema_metadata(None) for t in tables])
    about = schema.metadata(ranges[0], world, tuple(priors), tuple(kept))
    return table.replace_schema_metadata(about)


def write_log(log: Log, path: str | os.PathLike[str]) -> None:
    """Writes the log whole or not at all.

    Arrow IPC where the name ends in .arrow or .feather, dsjson where it is `vw:FILE`, else
    Parquet. Raises `BadInput` where the directory is missing or the format cannot hold the log.
    """
    name = os.fspath(path)
    prefix, colon, rest = name.partition(":")
    exporter = import_module(EXPORTERS[prefix]) if colon and prefix in EXPORTERS else None
    if exporter is not None:
        name = rest
    directory = os.path.dirname(name) or "."
    if not os.path.isdir(directory):
        raise BadInput(name, "the directory does not exist", directory)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".", suffix=".part")
    os.close(handle)
    try:
        if exporter is not None:
            exporter.write(log, temporary)
        elif name.endswith((".arrow", ".feather")):
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


def _journal(name: str) -> tuple[Any, dict[str, Base], frozenset[str]]:
    """A journal's table, base states and pruned decision_ids, all from one snapshot."""
    from journal.live_experiment import kept_experiments
    from journal.live_rows import know_kept_priors, pruned_in, records, shadows_in, snapshot

    try:
        with snapshot(name) as db:
            know_kept_priors(db, name)
            rows = list(records(db))
            pairs = [(decision, feedback) for decision, feedback, _ in rows]
            ids = [decision.decision_id for decision, _ in pairs]
            said = shadows_in(db)
            further, experiments = beside(db, ids), kept_experiments(db)
            bases, pruned = bases_in(db), pruned_in(db)
        log = log_of(
            pairs,
            digests=[digest for _, _, digest in rows],
            shadows=[said.get(decision_id, ()) for decision_id in ids],
            further=further,
            experiments=experiments,
            path=name,
        )
        return log.table, bases, pruned
    except sqlite3.DatabaseError as error:
        raise BadInput(name, f"cannot be read as a live journal ({error})") from None
    except BadInput:
        raise
    except (pa.ArrowException, KeyError, OverflowError, TypeError, ValueError) as error:
        raise BadInput(name, f"holds a record that cannot be read ({error})") from None


def beside(db: sqlite3.Connection, decision_ids: Sequence[str]) -> dict[str, list[Any]]:
    """The columns of what a journal keeps beside its decisions, null where it has nothing."""
    from journal.live_experiment import assignments
    from journal.live_inputs import task_inputs

    of = {decision_id: rest for decision_id, *rest in assignments(db)}
    rows = [of.get(decision_id, (None, None, None)) for decision_id in decision_ids]
    read = dict(task_inputs(db))
    return {
        "experiment": [row[0] for row in rows],
        "variant": [row[1] for row in rows],
        "variant_probability": [row[2] for row in rows],
        "task_inputs": [read.get(decision_id) for decision_id in decision_ids],
    }


def _table(path: Path) -> Any:
    """The file's table, every offset and text of it checked: what follows trusts them."""
    try:
        table = _open(path)
        table.validate(full=True)
        table.schema.names  # noqa: B018 (raises where a name is no UTF-8)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(str(path), f"is truncated or damaged ({reason})") from None
    return table


def _open(path: Path) -> Any:
    magic = _magic(path)
    if magic.startswith(_PARQUET):
        # ParquetFile, not read_table: the name of the directory must not add columns
        return pq.ParquetFile(path).read()
    if magic.startswith(_ARROW_FILE):
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    if magic.startswith(_ARROW_STREAM):
        return pa.ipc.open_stream(path.read_bytes()).read_all()
    raise BadInput(
        str(path), "must be Parquet, Arrow IPC or a live journal by its first bytes", magic
    )


def _of_pruning(table: Any, bases: Mapping[str, Base]) -> tuple[str, ...]:
    """What a reader of a pruned journal must know."""
    if not bases:
        return ()
    users, seen = table["user_id"].to_pylist(), table["state_seq"].to_pylist()
    early = sum(u in bases and s < bases[u].seq for u, s in zip(users, seen, strict=True))
    said = f"older records of {len(bases)} users were pruned: what learns goes on from base states"
    if early:
        said += f", which hold feedback that {early} decisions had not seen"
    return (said,)


def is_journal(path: Path) -> bool:
    """Whether a file is one of SQLite by its first bytes."""
    return _magic(path).startswith(_SQLITE)


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
