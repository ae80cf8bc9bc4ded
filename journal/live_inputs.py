"""What the encoder read of raw tasks: kept beside the decision, so that skew can be seen.

Nothing else of a task is kept: no content, no description, no labels.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from journal.live_rows import Source, rows_of
from policies.features import read_of

_write = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def inputs_of(now: str, timezone: str, tasks: Sequence[Mapping[str, Any] | None]) -> str:
    """The JSON of a decision's inputs; a task per candidate, None: its features were given."""
    read = [None if task is None else read_of(task) for task in tasks]
    return _write({"now": now, "timezone": timezone, "tasks": read})


def insert_inputs(db: sqlite3.Connection, decision_id: str, inputs: str | None) -> None:
    """Writes what was read for a decision, where anything was."""
    if inputs is not None:
        db.execute("INSERT INTO tasks VALUES (?, ?)", (decision_id, inputs))


def task_inputs(source: Source) -> Iterator[tuple[str, list[str | None]]]:
    """(decision_id, one JSON text a candidate) of a journal: `{"now", "timezone", "task"}`."""
    for decision_id, text in rows_of(source, "SELECT decision_id, inputs FROM tasks"):
        told = json.loads(text)
        about = {"now": told["now"], "timezone": told["timezone"]}
        yield (
            decision_id,
            [None if task is None else _write({**about, "task": task}) for task in told["tasks"]],
        )
