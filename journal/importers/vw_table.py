"""The lines of a dsjson file as the table of a log."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from journal import schema
from journal.importers.vw_line import Line
from policies.arrays import Floats
from policies.errors import BadInput

MOST_ARMS = 100
"""Up to so many different candidates of a file are each their own arm, else all are `*`."""


def table_of(
    lines: Sequence[Line],
    users: Sequence[str | None],
    silent: Sequence[bool],
    context: Floats,
    names: Sequence[str],
) -> Any:
    """A pyarrow table with the columns of docs/log-schema.md.

    `users (n,)` None: the row is its own; `silent (n,)`: without a reward; `context (N, d)`
    with its `names (d,)`. Raises `BadInput` for a value in `_tipbandit` of the wrong kind.
    """
    width = context.shape[1]
    lengths = [len(line.candidate_ids) for line in lines]
    fields = schema.columns(width)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    ids = [name for line in lines for name in line.candidate_ids]
    own_arms = len(set(ids)) <= MOST_ARMS
    foreign = "vw-" + hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]

    def ours(name: str, kind: Any, read: Callable[[Any], Any] = lambda value: value) -> Any:
        return _column([(line, line.our(name)) for line in lines], name, kind, read)

    def features(line: Line) -> Any:
        told = line.our("features")
        return foreign if told is None else told

    def arms(line: Line) -> Any:
        told = line.our("arms")
        if told is not None:
            return told
        return line.candidate_ids if own_arms else ["*"] * len(line.candidate_ids)

    columns: dict[str, Any] = {
        "decision_id": [
            f"line-{line.where.rpartition(' ')[2]}" if line.decision_id is None
            else line.decision_id for line in lines
        ],
        "user_id": [f"row-{i}" if u is None else u for i, u in enumerate(users)],
        "decided_at": _times([
            i * 1_000_000 if line.decided_at is None else line.decided_at
            for i, line in enumerate(lines)
        ]),
        "policy": [line.policy for line in lines],
        "features": _column([(line, features(line)) for line in lines], "features", pa.string()),
        "state_seq": ours("state_seq", pa.int64()),
        "candidate_ids": pa.ListArray.from_arrays(offsets, pa.array(ids, pa.string())),
        "arms": _column([(line, arms(line)) for line in lines], "arms", fields.field("arms").type),
        "context": pa.ListArray.from_arrays(
            offsets, pa.FixedSizeListArray.from_arrays(pa.array(context.ravel()), width)
        ),
        "pmf": pa.array([line.pmf for line in lines], fields.field("pmf").type),
        "action": pa.array([line.action for line in lines], pa.int32()),
        "pscore": pa.array([line.pscore for line in lines], pa.float64()),
        "feedback": ours("feedback", pa.string()).dictionary_encode(),
        "reward": pa.array(
            [None if s else line.reward for s, line in zip(silent, lines, strict=True)],
            pa.float64(),
        ),
        "feedback_at": ours("feedback_at", pa.int64()).cast(schema.TIME),
        "feedback_seq": ours("feedback_seq", pa.int64()),
        "reward_window_s": ours("reward_window_s", pa.int64()),
        "expected_reward": ours("expected_reward", fields.field("expected_reward").type),
        "shadow_policies": ours("shadow_policies", fields.field("shadow_policies").type),
        "shadow_pmfs": ours("shadow_pmfs", fields.field("shadow_pmfs").type),
        "digest": ours("digest", pa.binary(32), bytes.fromhex),
        "experiment": ours("experiment", pa.string()),
        "variant": ours("variant", pa.string()),
        "variant_probability": ours("variant_probability", pa.float64()),
        "task_inputs": ours("task_inputs", pa.list_(pa.string())),
    }  # fmt: skip
    return pa.table(columns)


def _times(micros: list[int]) -> Any:
    return pa.array(micros, pa.int64()).cast(schema.TIME)


def _column(
    values: Sequence[tuple[Line, Any]],
    name: str,
    kind: Any,
    read: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """One column of what we wrote; a value of another kind is named with its line."""
    try:
        return pa.array([None if v is None else read(v) for _, v in values], kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        for line, value in values:
            try:
                pa.array([None if value is None else read(value)], kind)
            except (pa.ArrowException, OverflowError, TypeError, ValueError):
                field = f"{line.where}, _tipbandit.{name}"
                raise BadInput(field, f"must be {kind}", value) from None
        raise
