"""The columns of the columnar log: one row a decision (docs/log-schema.md)."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

VERSION = 1
TIME = pa.timestamp("us", tz="UTC")

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
            ("digest", pa.binary(32)),
        ]
    )


NAMES = tuple(columns(1).names)


def metadata(
    reward_range: tuple[float, float], world: Mapping[str, object] | None
) -> dict[str, str]:
    """What a file says of itself: schema version, range of rewards, the simulated world."""
    about = {"tipbandit_log": str(VERSION), "reward_range": json.dumps(list(reward_range))}
    if world is not None:
        about["world"] = json.dumps(dict(world), sort_keys=True)
    return about


def about(schema: pa.Schema, default_range: tuple[float, float]) -> tuple[Any, Any]:
    """(reward_range, world) that `metadata` wrote, with the default range where none is said."""
    said = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    low, high = json.loads(said["reward_range"]) if "reward_range" in said else default_range
    return (float(low), float(high)), json.loads(said["world"]) if "world" in said else None
