"""Logs from and to pandas DataFrames, with the columns of the schema or the caller's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from journal import schema
from journal.log import Log, log_of_table
from policies.errors import BadInput
from policies.rewards import REWARD_RANGE

_ATTRS = "tipbandit"  # where a frame keeps what a file says in its metadata


def log_of_frame(
    frame: pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
    features: str | None = None,
    action_by: str | None = None,
    name: str = "DataFrame",
) -> Log:
    """A DataFrame, one row a decision, as a Log.

    `columns` maps the schema's names to the frame's: `{"user_id": "customer"}`. The least
    a frame needs is `user_id`, `candidate_ids` (a list a row) and `action`: an index or
    the chosen candidate's id (`action_by="index"` or `"id"`; needed where the ids are whole
    numbers too and a reader could mistake one for the other). `context` is a list of K
    vectors a row; without it every candidate gets a constant 1, and without `arms` too each
    candidate id is its own arm. Without
    `decision_id` the row number names a decision, without `decided_at` its row is its
    second. `reward_range` None: that of the log a frame was made of (`frame_of_log`), else
    [-1, 1]. Raises `BadInput`.
    """
    taken = dict(columns or {})
    for ours, theirs in taken.items():
        if ours not in schema.NAMES:
            raise BadInput(f"{name}: columns", "maps names of docs/log-schema.md", ours)
        if theirs not in frame.columns:
            raise BadInput(f"{name}: columns[{ours!r}]", "must be a column of the frame", theirs)
    claimed = set(taken.values())  # a column named for another purpose is not also its own
    found = {c: taken.get(c, c) for c in schema.NAMES if c in taken or c not in claimed}
    twice = frame.columns[frame.columns.duplicated()].intersection(list(found.values()))
    if len(twice):
        raise BadInput(f"{name} column {twice[0]}", "must be there once")
    data = {ours: frame[theirs] for ours, theirs in found.items() if theirs in frame.columns}
    for needed in ("user_id", "candidate_ids", "action"):
        if needed not in data:
            raise BadInput(name, f"needs a column {needed}", ", ".join(map(str, frame.columns)))
    rows = len(frame)
    candidates = [_strings(ids, name, i) for i, ids in enumerate(data["candidate_ids"])]
    contexts = _contexts(data.get("context"), candidates, name)
    width = len(contexts[0][0]) if contexts and len(contexts[0]) else 1
    arrays: dict[str, Any] = {
        "candidate_ids": candidates,
        "context": contexts,
        "user_id": _texts(data["user_id"], name, "user_id"),
        "action": _actions(data["action"], data["candidate_ids"], candidates, action_by, name),
        "decision_id": _texts(data["decision_id"], name, "decision_id")
        if "decision_id" in data
        else [str(i) for i in range(rows)],
        "decided_at": _moments(data["decided_at"], name, "decided_at")
        if "decided_at" in data
        else pa.array(np.arange(rows) * 1_000_000, pa.int64()).cast(schema.TIME),
    }
    if "context" not in data and "arms" not in data:
        arrays["arms"] = candidates  # what else could tell one candidate from another
    if features is not None:
        arrays["features"] = [features] * rows
    for other, series in data.items():
        if other not in arrays:
            try:
                arrays[other] = _plain(series, name, other)
            except (TypeError, ValueError, OverflowError) as error:
                raise BadInput(f"{name} column {other}", f"cannot be read ({error})") from None
    kinds = {f.name: f.type for f in schema.columns(width)}
    try:
        built = {
            k: v if isinstance(v, pa.Array) else pa.array(v, kinds[k]) for k, v in arrays.items()
        }
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise BadInput(name, f"cannot be read as a log ({error})") from None
    kept = frame.attrs.get(_ATTRS, {})
    span = reward_range or kept.get("reward_range", REWARD_RANGE)
    table = pa.table(built).replace_schema_metadata(
        schema.metadata(
            span, kept.get("world"), kept.get("priors", ()), kept.get("experiments", ())
        )
    )
    return log_of_table(table, name)


def frame_of_log(log: Log) -> pd.DataFrame:
    """The log as a DataFrame with the schema's columns; lists stay lists.

    Its `attrs` hold the log's range of rewards, simulated world, priors and experiments, for the
    way back.
    """
    frame: pd.DataFrame = log.table.to_pandas()
    if frame["pscore"].isna().any():
        frame["pscore"] = frame["pscore"].astype("Float64")  # unknown, where NaN would be wrong
    about = {"reward_range": log.reward_range, "world": log.world, "priors": log.priors}
    texts = tuple(e.text for e in schema.experiments(log.table.schema, log.path))
    frame.attrs[_ATTRS] = {**about, "experiments": texts}
    return frame


def _texts(series: Any, name: str, column: str) -> list[str]:
    null = np.flatnonzero(series.isna())
    if len(null):
        raise BadInput(f"{name} row {null[0]}, column {column}", "must not be null")
    try:
        return [str(text) for text in series.astype(str)]
    except UnicodeError as error:
        raise BadInput(f"{name} column {column}", f"must be text ({error})") from None


def _strings(ids: Any, name: str, row: int) -> list[str]:
    if isinstance(ids, str) or not isinstance(ids, Sequence | np.ndarray):
        raise BadInput(f"{name} row {row}, column candidate_ids", "must be a list", ids)
    if any(c is None or c is pd.NA or c != c for c in ids):
        rule = "must hold no nulls inside its lists"
        raise BadInput(f"{name} row {row}, column candidate_ids", rule)
    return [str(c) for c in ids]


def _contexts(series: Any, candidates: list[list[str]], name: str) -> list[Any]:
    if series is None:
        return [[[1.0]] * len(ids) for ids in candidates]
    out = []
    for i, rows in enumerate(series):
        try:
            out.append([np.asarray(x, dtype=float).tolist() for x in rows])
        except (TypeError, ValueError):
            rule = "must be one vector of numbers a candidate"
            raise BadInput(f"{name} row {i}, column context", rule, rows) from None
    width = len(out[0][0]) if out and out[0] and isinstance(out[0][0], list) else 0
    for i, vectors in enumerate(out):
        for vector in vectors:
            if not isinstance(vector, list) or len(vector) != width:
                rule = f"every vector has {width} features as in the first row"
                raise BadInput(f"{name} row {i}, column context", rule, vector)
    return out


def _actions(
    series: Any, raw: Any, candidates: list[list[str]], by: str | None, name: str
) -> list[int]:
    where = f"{name} column action"
    if by not in (None, "index", "id"):
        raise BadInput(f"{name}: action_by", "must be index or id", by)
    whole = bool(pd.api.types.is_integer_dtype(series.dtype))
    if by is None and whole and any(_is_whole(c) for ids in raw for c in ids):
        rule = "is a whole number as the candidates are: say action_by='index' or 'id'"
        raise BadInput(where, rule)
    if by == "index" or (by is None and whole):
        if not whole:
            raise BadInput(where, "must hold whole numbers to be an index", str(series.dtype))
        return [int(a) for a in series]
    out = []
    for i, action in enumerate(series):
        if str(action) not in candidates[i]:
            rule = "must be the id of a candidate"
            raise BadInput(f"{name} row {i}, column action", rule, action)
        out.append(candidates[i].index(str(action)))
    return out


def _is_whole(candidate: Any) -> bool:
    return isinstance(candidate, int | np.integer)


def _moments(series: Any, name: str, column: str) -> Any:
    try:
        moments = pd.to_datetime(series, utc=True)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} column {column}", f"must be times ({error})") from None
    return pa.array(moments.dt.as_unit("us"), schema.TIME)


def _plain(series: Any, name: str, column: str) -> Any:
    """NaN in a float column is a value (and an error at the door), None is null; pandas
    blurs the two, so NaN means null where the schema allows null, but for pscore, where
    only pandas' nullable Float64 says null.
    """
    if column in ("feedback_at",):
        return _moments(series, name, column)
    if column == "digest":
        return [None if v is None else bytes(v) for v in series]
    if column in ("pmf", "expected_reward", "arms", "task_inputs"):
        return [None if v is None or isinstance(v, float) else list(v) for v in series]
    if column in ("shadow_policies", "shadow_pmfs"):
        rows = [None if v is None or isinstance(v, float) else list(v) for v in series]
        return [None if v is None else [_unwrapped(entry) for entry in v] for v in rows]
    nullable = isinstance(series.dtype, pd.Float64Dtype)
    if column == "pscore" and not nullable and not series.isna().all():
        return pa.array(series.to_numpy(dtype=float, na_value=np.nan), from_pandas=False)
    return [None if pd.isna(v) else v for v in series]


def _unwrapped(entry: Any) -> Any:
    """pandas hands lists in lists out as arrays, which pyarrow does not take back."""
    return entry.tolist() if isinstance(entry, np.ndarray) else entry
