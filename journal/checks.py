"""The door of the columnar log: every rule a row must keep, checked once when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journal import schema
from policies.arrays import Bools, Floats
from policies.errors import BadInput
from policies.records import LONGEST_WINDOW_S, USER_ID, first_duplicate

if TYPE_CHECKING:
    from journal.log import Log

SUM_TOLERANCE = 1e-6  # of a pmf's sum: loggers in single precision are not wrong
PSCORE_TOLERANCE = 1e-9  # between pscore and pmf[action]
LEAST_PSCORE = 1e-50  # the squares of weights are summed
YEAR_1, YEAR_10000 = -62_135_596_800_000_000, 253_402_300_800_000_000  # microseconds


def check_shape(table: Any, path: str) -> Any:
    """The table with exactly the columns and types of the schema, lists of equal length.

    Raises `BadInput` for a missing column, a type that cannot be read, a null where there
    must be a value, no candidates, lists of different length or an action out of range.
    """
    _check_columns(table, path)
    fields = schema.columns(width_of(table, path))
    shaped = pa.Table.from_arrays(
        [_column(table, wanted, path) for wanted in fields],
        schema=fields.with_metadata(table.schema.metadata),
    ).combine_chunks()
    _check_lengths(shaped, path)
    return shaped


def _check_columns(table: Any, path: str) -> None:
    for name in schema.REQUIRED:
        if name not in table.column_names:
            raise BadInput(path, f"needs a column {name}", ", ".join(table.column_names))
    for name in schema.NAMES:
        if table.column_names.count(name) > 1:
            raise BadInput(f"{path} column {name}", "must be there once")
    if table.num_rows == 0:
        raise BadInput(path, "a log has at least one decision", 0)


def width_of(table: Any, path: str) -> int:
    """d, the number of features, by the type of the column `context`."""
    kind = table.schema.field("context").type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_type
        if pa.types.is_fixed_size_list(inner) and inner.list_size > 0:
            return int(inner.list_size)
    raise BadInput(f"{path} column context", "must be list<fixed_size_list<double, d>>", str(kind))


def _column(table: Any, wanted: Any, path: str) -> Any:
    """The column of the schema's type, filled where it is missing and may be."""
    name = wanted.name
    if name not in table.column_names:
        return _missing(table, wanted)
    column = table[name]
    try:
        if wanted.type != column.type:
            column = _cast(column, wanted.type)
    except pa.ArrowException:
        found = str(table.schema.field(name).type)
        raise BadInput(f"{path} column {name}", f"must be {wanted.type}", found) from None
    if name == "arms" and column.null_count == len(column):
        return _missing(table, wanted)
    if name in (*schema.REQUIRED, "arms") and column.null_count:
        at = int(np.flatnonzero(np.asarray(column.is_null()))[0])
        raise BadInput(f"{path} row {at}, column {name}", "must not be null")
    if name in _WHEN_MISSING and column.null_count:
        column = column.fill_null(_WHEN_MISSING[name])
    return column


_WHEN_MISSING = {"policy": "unknown", "features": "custom"}


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
    for name in ("candidate_ids", "arms", "context", "pmf", "expected_reward", "task_inputs"):
        column = schema.one_array(table[name])
        if column.null_count == len(column):
            continue
        own = pc.fill_null(pc.list_value_length(column), -1).to_numpy()
        bad = (own != lengths) & (own >= 0)
        _first(path, name, bad, own, "must have one entry a candidate")
        if name != "task_inputs":  # null there: its features were given, not its task
            _check_no_nulls(column, name, path)
    action = table["action"].to_numpy()
    bad = (action < 0) | (action >= lengths)
    _first(path, "action", bad, action, "must be an index into the candidates")


def _check_no_nulls(lists: Any, name: str, path: str) -> None:
    entries = lists.flatten()
    null = entries.null_count
    if name == "context" and not null:
        null = entries.flatten().null_count
    if not null:
        return
    rows = pc.list_parent_indices(lists).to_numpy()
    gone: Any = np.asarray(entries.is_null())
    if name == "context" and not gone.any():
        gone = np.asarray(entries.flatten().is_null()).reshape(len(entries), -1).any(axis=1)
    row = int(rows[np.flatnonzero(gone)[0]])
    raise BadInput(f"{path} row {row}, column {name}", "must hold no nulls inside its lists")


def check_values(log: Log) -> None:
    """Raises `BadInput` for the first value that breaks a rule of docs/log-schema.md."""
    rows = np.repeat(np.arange(len(log)), np.diff(log.offsets))
    _check_names(log)
    for j in range(log.context.shape[1]):
        column = log.context[:, j]
        name = f"context[{j}]"
        _first(log.path, name, ~np.isfinite(column), column, "must be finite", rows)
        rule = f"must be at most {schema.LARGEST:g} in size"
        _first(log.path, name, np.abs(column) > schema.LARGEST, column, rule, rows)
    _check_probabilities(log, rows)
    _check_assignments(log)
    _check_rewards(log, rows)
    _check_times(log)


def _check_names(log: Log) -> None:
    path = log.path
    duplicate = first_duplicate(log.decision_id)
    if duplicate is not None:
        found = log.decision_id[duplicate]
        raise BadInput(f"{path} row {duplicate}, column decision_id", "must be unique", found)
    for code, name in enumerate(log.user_names):
        if not USER_ID.fullmatch(name):
            at = int(np.flatnonzero(log.user == code)[0])
            rule = "must be 1-256 characters of [A-Za-z0-9._:@+-]"
            raise BadInput(f"{path} row {at}, column user_id", rule, name)
    _ = log.features  # raises for two


def _check_assignments(log: Log) -> None:
    """An assignment is whole: experiment, variant and its probability."""
    given = _present(log, "experiment")
    for name in ("variant", "variant_probability"):
        values = log.table[name].to_numpy()
        _first(log.path, name, _present(log, name) != given, given, "must be there with experiment")
    bad = given & ~((values > 0) & (values <= 1))
    _first(log.path, "variant_probability", bad, values, "must be in (0, 1]")


def _check_rewards(log: Log, rows: Any) -> None:
    path, reward = log.path, log.reward
    low, high = log.reward_range
    given, numbered = _present(log, "reward"), _present(log, "feedback_seq")
    bad = _present(log, "state_seq") & (log.state_seq < 0)
    _first(path, "state_seq", bad, log.state_seq, "must not be negative")
    bad = numbered & (log.feedback_seq < 1)
    _first(path, "feedback_seq", bad, log.feedback_seq, "must be at least 1")
    bad = given & ~((reward >= low) & (reward <= high))
    _first(path, "reward", bad, reward, f"must be finite and in [{low:g}, {high:g}]")
    _first(path, "feedback_seq", numbered & ~given, log.feedback_seq, "needs a reward")
    truth = log.expected_reward
    if truth is not None:
        present = _present(log, "expected_reward")[rows]
        bad = present & ~((truth >= low) & (truth <= high))
        _first(path, "expected_reward", bad, truth, f"must be in [{low:g}, {high:g}]", rows)


def _check_times(log: Log) -> None:
    """Times that the arithmetic of deadlines can carry."""
    path = log.path
    given = _present(log, "feedback_at")
    every = np.ones(len(log), np.bool_)
    for name, present in (("decided_at", every), ("feedback_at", given)):
        moment = getattr(log, name)
        bad = present & ((moment < YEAR_1) | (moment >= YEAR_10000))
        _first(path, name, bad, moment, "must be in the years 1 to 9999, in microseconds")
    early = given & (log.feedback_at < log.decided_at)
    _first(path, "feedback_at", early, log.feedback_at, "must not be before decided_at")
    window, awaited = log.reward_window_s, _present(log, "reward_window_s")
    _first(path, "reward_window_s", awaited & (window <= 0), window, "must be positive")
    long = awaited & (window > LONGEST_WINDOW_S)
    _first(path, "reward_window_s", long, window, f"must be at most {LONGEST_WINDOW_S} (100 years)")


def _check_probabilities(log: Log, rows: Any) -> None:
    path, pscore = log.path, log.pscore
    logged = schema.one_array(log.table["pscore"]).to_numpy(zero_copy_only=False)
    given = _present(log, "pscore")
    _first(path, "pscore", given & ~((logged > 0) & (logged <= 1)), logged, "must be in (0, 1]")
    if log.pmf is not None:
        _check_pmf(log, log.pmf, rows)
        taken = log.pmf[log.chosen]
        bad = _present(log, "pmf") & given & (np.abs(taken - logged) > PSCORE_TOLERANCE)
        _first(path, "pscore", bad, logged, "must equal pmf[action]")
    rule = f"must be at least {LEAST_PSCORE:g}, for its weight to be of use"
    _first(path, "pscore", pscore < LEAST_PSCORE, pscore, rule)


def _check_pmf(log: Log, pmf: Floats, rows: Any) -> None:
    path, present = log.path, _present(log, "pmf")
    bad = ~((pmf >= 0) & (pmf <= 1 + SUM_TOLERANCE)) & present[rows]
    _first(path, "pmf", bad, pmf, "must be in [0, 1]", rows)
    sums = np.add.reduceat(pmf, log.offsets[:-1])
    bad = (np.abs(sums - 1) > SUM_TOLERANCE) & present
    _first(path, "pmf", bad, sums, f"must sum to 1 within {SUM_TOLERANCE:g}")
    taken = pmf[log.chosen]
    _first(
        path,
        "pmf",
        present & ~(taken > 0),
        taken,
        "the action taken must have positive probability",
    )


def _present(log: Log, name: str) -> Bools:
    """(n,) whether the row has a value in the column."""
    return np.asarray(schema.one_array(log.table[name]).is_valid())


def _first(path: str, column: str, bad: Any, values: Any, rule: str, rows: Any = None) -> None:
    """Raises for the first bad entry; `rows` maps entries to rows where they are candidates."""
    if not bad.any():
        return
    at = int(np.flatnonzero(bad)[0])
    row = at if rows is None else int(rows[at])
    raise BadInput(f"{path} row {row}, column {column}", rule, values[at].item())
