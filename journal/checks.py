"""The door of the columnar log: every rule a row must keep, checked once when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journal import schema
from policies.arrays import Bools
from policies.errors import BadInput
from policies.records import USER_ID, first_duplicate

if TYPE_CHECKING:
    from journal.log import Log

SUM_TOLERANCE = 1e-6  # of a pmf's sum: loggers in single precision are not wrong
PSCORE_TOLERANCE = 1e-9  # between pscore and pmf[action]


def check_shape(table: Any, path: str) -> Any:
    """The table with exactly the columns and types of the schema, lists of equal length.

    Raises `BadInput` for a missing column, a type that cannot be read, a null where there
    must be a value, no candidates, lists of different length or an action out of range.
    """
    for name in schema.REQUIRED:
        if name not in table.column_names:
            raise BadInput(path, f"needs a column {name}", ", ".join(table.column_names))
    if table.num_rows == 0:
        raise BadInput(path, "a log has at least one decision", 0)
    fields = schema.columns(_width(table["context"].type, path))
    arrays = []
    for wanted in fields:
        if wanted.name not in table.column_names:
            arrays.append(_missing(table, wanted))
            continue
        column = table[wanted.name]
        try:
            if wanted.type != column.type:
                column = _cast(column, wanted.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            raise BadInput(
                f"{path} column {wanted.name}",
                f"must be {wanted.type}",
                str(table.schema.field(wanted.name).type),
            ) from None
        if wanted.name in schema.REQUIRED and column.null_count:
            at = int(np.flatnonzero(np.asarray(column.is_null()))[0])
            raise BadInput(f"{path} row {at}, column {wanted.name}", "must not be null")
        if wanted.name in ("policy", "features") and column.null_count:
            column = column.fill_null(_WHEN_MISSING[wanted.name])
        arrays.append(column)
    shaped = pa.Table.from_arrays(
        arrays, schema=fields.with_metadata(table.schema.metadata)
    ).combine_chunks()
    _check_lengths(shaped, path)
    return shaped


_WHEN_MISSING = {"policy": "unknown", "features": "custom"}


def _width(kind: Any, path: str) -> int:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_type
        if pa.types.is_fixed_size_list(inner):
            return int(inner.list_size)
    raise BadInput(f"{path} column context", "must be list<fixed_size_list<double, d>>", str(kind))


def _cast(column: Any, kind: Any) -> Any:
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column.type):
        return column.cast(kind, safe=False)  # nanoseconds are cut to microseconds
    return column.cast(kind)


def _missing(table: Any, wanted: Any) -> Any:
    rows = table.num_rows
    if wanted.name in _WHEN_MISSING:
        return pa.array([_WHEN_MISSING[wanted.name]] * rows, wanted.type)
    if wanted.name == "arms":  # a candidate that names no arm belongs to OTHER
        lengths = pc.list_value_length(table["candidate_ids"]).to_numpy()
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(
            pa.array(offsets), pa.array(["*"] * int(offsets[-1]), pa.string())
        )
    return pa.nulls(rows, wanted.type)


def _check_lengths(table: Any, path: str) -> None:
    lengths = pc.list_value_length(table["candidate_ids"]).to_numpy()
    _first(path, "candidate_ids", lengths < 1, lengths, "needs at least one candidate")
    for name in ("arms", "context", "pmf", "expected_reward"):
        column = table[name]
        if column.null_count == len(column):
            continue
        own = pc.fill_null(pc.list_value_length(column), -1).to_numpy()
        bad = (own != lengths) & (own >= 0)
        _first(path, name, bad, own, "must have one entry a candidate")
        flat = column.combine_chunks().flatten()
        if flat.null_count or (name == "context" and flat.flatten().null_count):
            raise BadInput(f"{path} column {name}", "must hold no nulls inside its lists")
    action = table["action"].to_numpy()
    bad = (action < 0) | (action >= lengths)
    _first(path, "action", bad, action, "must be an index into the candidates")


def check_values(log: Log) -> None:
    """Raises `BadInput` for the first value that breaks a rule of docs/log-schema.md."""
    path, n = log.path, len(log)
    rows = np.repeat(np.arange(n), np.diff(log.offsets))
    low, high = log.reward_range
    if not (np.isfinite([low, high]).all() and low < high):
        raise BadInput(f"{path}: reward_range", "must be finite and ordered", [low, high])
    duplicate = first_duplicate(log.decision_id)
    if duplicate is not None:
        found = log.decision_id[duplicate]
        raise BadInput(f"{path} row {duplicate}, column decision_id", "must be unique", found)
    for code, name in enumerate(log.user_names):
        if not USER_ID.fullmatch(name):
            at = int(np.flatnonzero(log.user == code)[0])
            rule = "must be 1-256 characters of [A-Za-z0-9._:@+-]"
            raise BadInput(f"{path} row {at}, column user_id", rule, name)
    for j in range(log.context.shape[1]):
        bad = ~np.isfinite(log.context[:, j])
        _first(path, f"context[{j}]", bad, log.context[:, j], "must be finite", rows)
    _check_probabilities(log, rows)
    reward = log.reward
    raw = log.table["reward"].combine_chunks()
    given = np.asarray(raw.is_valid())
    bad = given & ~((reward >= low) & (reward <= high))
    _first(path, "reward", bad, reward, f"must be finite and in [{low:g}, {high:g}]")
    if log.expected_reward is not None:
        truth = log.expected_reward
        bad = ~((truth >= low) & (truth <= high)) & ~np.isnan(truth)
        _first(path, "expected_reward", bad, truth, f"must be in [{low:g}, {high:g}]", rows)
    given_at = np.asarray(log.table["feedback_at"].combine_chunks().is_valid())
    early = given_at & (log.feedback_at < log.decided_at)
    _first(path, "feedback_at", early, log.feedback_at, "must not be before decided_at")
    bad = (log.feedback_seq >= 0) & ~given
    _first(path, "feedback_seq", bad, log.feedback_seq, "needs a reward")
    raw_window = log.table["reward_window_s"].combine_chunks()
    bad = np.asarray(raw_window.is_valid()) & (log.reward_window_s <= 0)
    _first(path, "reward_window_s", bad, log.reward_window_s, "must be positive")


def _check_probabilities(log: Log, rows: Any) -> None:
    path = log.path
    raw = _optional(log, "pscore")
    if raw is not None:
        given, pscore = raw
        bad = given & ~((pscore > 0) & (pscore <= 1))
        _first(path, "pscore", bad, pscore, "must be in (0, 1]")
    if log.pmf is None:
        return
    pmf = log.pmf
    present = np.asarray(log.table["pmf"].combine_chunks().is_valid())
    bad = ~((pmf >= 0) & (pmf <= 1 + SUM_TOLERANCE)) & present[rows]
    _first(path, "pmf", bad, pmf, "must be in [0, 1]", rows)
    sums = np.add.reduceat(pmf, log.offsets[:-1])
    bad = (np.abs(sums - 1) > SUM_TOLERANCE) & present
    _first(path, "pmf", bad, sums, f"must sum to 1 within {SUM_TOLERANCE:g}")
    taken = pmf[log.chosen]
    bad = present & ~(taken > 0)
    _first(path, "pmf", bad, taken, "the action taken must have positive probability")
    if raw is not None:
        bad = present & raw[0] & (np.abs(taken - raw[1]) > PSCORE_TOLERANCE)
        _first(path, "pscore", bad, raw[1], "must equal pmf[action]")


def _optional(log: Log, name: str) -> tuple[Bools, Any] | None:
    column = log.table[name].combine_chunks()
    if column.null_count == len(column):
        return None
    return np.asarray(column.is_valid()), column.to_numpy(zero_copy_only=False)


def _first(path: str, column: str, bad: Any, values: Any, rule: str, rows: Any = None) -> None:
    """Raises for the first bad entry; `rows` maps entries to rows where they are candidates."""
    if not bad.any():
        return
    at = int(np.flatnonzero(bad)[0])
    row = at if rows is None else int(rows[at])
    raise BadInput(f"{path} row {row}, column {column}", rule, values[at].item())
