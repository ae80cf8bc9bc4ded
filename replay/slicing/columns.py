"""Columns of one's own: what a log's file or DataFrame holds beside the schema, to slice by."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from journal.files import read_columns
from journal.log import Log
from policies.errors import BadInput
from replay.given import GivenLog
from replay.slicing.splits import BUILT_IN

AFTERWARDS = (
    "action",
    "pscore",
    "feedback",
    "reward",
    "feedback_at",
    "feedback_seq",
    "digest",
)
"""Known only once the policy had chosen: in groups by these, weights would be wrong."""


def columns_of(given: GivenLog, read: Log, names: Sequence[str]) -> dict[str, list[Any]]:
    """The values of further columns, one a decision: of the file or frame, or of the log itself.

    Raises `BadInput` for a column that is not there, or was known only after the action.
    """
    out: dict[str, list[Any]] = {}
    for name in dict.fromkeys(names):
        if name in AFTERWARDS:
            rule = "is known only after the action: groups by it would be no situations"
            raise BadInput(f"--column {name}", rule)
        if name in BUILT_IN:
            raise BadInput(f"--column {name}", "is the name of a split of ours, rename it")
        out[name] = _values(given, read, name)
    return out


def _values(given: GivenLog, read: Log, name: str) -> list[Any]:
    if name in read.table.column_names:
        return list(read.table[name].to_pylist())
    if isinstance(given, pd.DataFrame):
        if (given.columns == name).sum() != 1:
            rule = f"must be a column, once; there are {', '.join(map(str, given.columns))}"
            raise BadInput(f"--column {name}", rule)
        return [None if _is_null(v) else v for v in given[name].tolist()]
    if isinstance(given, Log):
        raise BadInput(f"--column {name}", "must be a column of the log's table",
                       ", ".join(read.table.column_names))  # fmt: skip
    return read_columns(given, [name])[name]


def _is_null(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT
