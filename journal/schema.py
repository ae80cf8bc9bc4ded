"""The columns of the columnar log: one row a decision (docs/log-schema.md)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from policies.errors import BadInput
from policies.experiment import Experiment, known_by
from policies.prior import know

VERSION = 1
TIME = pa.timestamp("us", tz="UTC")

LARGEST = 1e100
LEAST_SPAN = 1e-100  # squares of smaller rewards are 0, and so would be their error
"""Size of a context's entry or a reward: what a policy or estimator makes of it stays finite."""

REQUIRED = ("decision_id", "user_id", "decided_at", "candidate_ids", "context", "action")
"""Without these there is no log; every other column may be missing, as if all null."""


def columns(width: int) -> pa.Schema:
    """The schema for `width` features; column order is the order in files."""
    return pa.schema(
        [
            ("decision_id", pa.string()),
            ("user_id", pa.string()),
            ("decided_at", TIME),
            ("policy", pa.string()),
            ("features", pa.string()),
            ("state_seq", pa.int64()),
            ("candidate_ids", pa.list_(pa.string())),
            ("arms", pa.list_(pa.string())),
            ("context", pa.list_(pa.list_(pa.float64(), width))),
            ("pmf", pa.list_(pa.float64())),
            ("action", pa.int32()),
            ("pscore", pa.float64()),
            ("feedback", pa.dictionary(pa.int32(), pa.string())),
            ("reward", pa.float64()),
            ("feedback_at", TIME),
            ("feedback_seq", pa.int64()),
            ("reward_window_s", pa.int64()),
            ("expected_reward", pa.list_(pa.float64())),
            ("shadow_policies", pa.list_(pa.string())),
            ("shadow_pmfs", pa.list_(pa.list_(pa.float64()))),
            ("digest", pa.binary(32)),
            ("experiment", pa.string()),
            ("variant", pa.string()),
            ("variant_probability", pa.float64()),
            ("task_inputs", pa.list_(pa.string())),
        ]
    )


NAMES = tuple(columns(1).names)


def metadata(
    reward_range: tuple[float, float],
    world: Mapping[str, object] | None,
    priors: Sequence[str] = (),
    experiments: Sequence[str] = (),
) -> dict[str, str]:
    """What a file says of itself: schema version, range of rewards, the simulated world, the
    text of each prior that its policies started from and of each experiment it is of.
    """
    about = {
        "tipbandit_log": str(VERSION),
        "reward_range": json.dumps([float(x) for x in reward_range]),
    }
    if world is not None:
        about["world"] = json.dumps(dict(world), sort_keys=True)
    if priors:
        about["priors"] = json.dumps(list(priors), ensure_ascii=False)
    if experiments:
        about["experiments"] = json.dumps(list(experiments), ensure_ascii=False)
    return about


def about(
    schema: pa.Schema, default_range: tuple[float, float], path: str
) -> tuple[tuple[float, float], dict[str, Any] | None]:
    """(reward_range, world) that `metadata` wrote, with the default range where none is said.

    Raises `BadInput` for what cannot be read; other keys belong to others and are not looked at.
    """
    span = _said(schema, "reward_range", path)
    if span is not None and not _is_range(span):
        rule = (
            f"must be [low, high], low < high, at most {LARGEST:g} in size and at least "
            f"{LEAST_SPAN:g} apart"
        )
        raise BadInput(f"{path}: reward_range", rule, span)
    world = _said(schema, "world", path)
    if world is not None and not isinstance(world, dict):
        raise BadInput(f"{path}: world", "must be an object", world)
    low, high = default_range if span is None else span
    return (float(low), float(high)), world


def know_priors(schema: pa.Schema, path: str) -> tuple[str, ...]:
    """The texts of the priors that `metadata` wrote; from now on their names are known."""
    texts = _texts(schema, "priors", path)
    for i, text in enumerate(texts):
        know(text, f"{path}: priors[{i}]")
    return texts


def experiments(schema: pa.Schema, path: str) -> tuple[Experiment, ...]:
    """The experiments whose content `metadata` wrote; several of a name, of joined logs, are kept.

    Raises `BadInput` for what is none.
    """
    texts = _texts(schema, "experiments", path)
    return tuple(known_by(text, f"{path}: experiments[{i}]") for i, text in enumerate(texts))


def _texts(schema: pa.Schema, key: str, path: str) -> tuple[str, ...]:
    texts = _said(schema, key, path)
    if texts is None:
        return ()
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadInput(f"{path}: {key}", "must be a list of texts", texts)
    return tuple(texts)


def _is_range(span: Any) -> bool:
    numbers = isinstance(span, list) and all(type(x) in (int, float) for x in span)
    if not numbers or len(span) != 2 or not -LARGEST <= span[0] < span[1] <= LARGEST:
        return False
    return float(span[1]) - float(span[0]) >= LEAST_SPAN


def _said(schema: pa.Schema, key: str, path: str) -> Any:
    """What the metadata say under `key`; None when they do not have it."""
    raw = (schema.metadata or {}).get(key.encode())
    if raw is None:
        return None
    try:
        said = json.loads(raw.decode())
        if said is not None:
            return said
    except (ValueError, RecursionError):
        pass
    raise BadInput(f"{path}: {key}", "must be JSON and not null", repr(raw))


def one_array(column: Any) -> Any:
    """A chunked column as one array, without a copy where it has one chunk."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks()
