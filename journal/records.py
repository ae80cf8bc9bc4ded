"""`log_of`: the columnar log of records, as the simulator and the live journal hold them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from journal import schema
from journal.log import Log
from journal.shadow_columns import ShadowRow, shadow_arrays
from policies.arrays import Floats
from policies.errors import BadInput
from policies.prior import priors_in
from policies.records import Decision, Feedback, record_digest
from policies.rewards import REWARD_RANGE


def log_of(
    records: Sequence[tuple[Decision, Feedback | None]],
    *,
    reward_range: tuple[float, float] = REWARD_RANGE,
    expected_reward: Sequence[Floats] | None = None,
    world: Mapping[str, object] | None = None,
    digests: Sequence[bytes] | None = None,
    shadows: Sequence[ShadowRow] | None = None,
    further: Mapping[str, Sequence[Any]] | None = None,
    experiments: Sequence[str] = (),
    path: str = "memory",
) -> Log:
    """The columnar log of records, in their order.

    `expected_reward[i]` is the truth `(K_i,)`; `digests`, where they were kept, are kept
    on, else they are computed; `shadows[i]` are those asked at decision i. `further` holds
    columns that no record has, by their name; `experiments` the contents of those that the
    log is of.
    """
    if not records:
        raise BadInput(path, "a log has at least one decision", 0)
    width = records[0][0].context.shape[1]
    for decision, _ in records:
        _check(decision, width, path)
    lengths = np.array([len(d.arms) for d, _ in records], dtype=np.int32)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    context = np.concatenate([d.context for d, _ in records])
    pmf = np.concatenate([d.pmf for d, _ in records])
    fields = schema.columns(width).remove_metadata()
    kinds = {f.name: f.type for f in fields}
    answers = [f for _, f in records]

    def column(name: str, values: Sequence[Any]) -> Any:
        return pa.array(values, type=kinds[name])

    truth = (
        pa.nulls(len(records), kinds["expected_reward"])
        if expected_reward is None
        else pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(expected_reward)))
    )
    decisions = [d for d, _ in records]
    asked = shadows or [()] * len(records)
    columns = [
        column("decision_id", [d.decision_id for d in decisions]),
        column("user_id", [d.user_id for d in decisions]),
        column("decided_at", [d.decided_at for d in decisions]),
        column("policy", [d.policy for d in decisions]),
        column("features", [d.features for d in decisions]),
        column("state_seq", [d.state_seq for d in decisions]),
        pa.ListArray.from_arrays(
            offsets, pa.array([c for d in decisions for c in d.candidate_ids], pa.string())
        ),
        pa.ListArray.from_arrays(
            offsets, pa.array([a for d in decisions for a in d.arms], pa.string())
        ),
        pa.ListArray.from_arrays(
            offsets, pa.FixedSizeListArray.from_arrays(pa.array(context.ravel()), width)
        ),
        pa.ListArray.from_arrays(offsets, pa.array(pmf)),
        column("action", [d.action for d in decisions]),
        column("pscore", [d.pscore for d in decisions]),
        pa.array([f and f.feedback for f in answers], pa.string()).dictionary_encode(),
        column("reward", [None if f is None else f.reward for f in answers]),
        column("feedback_at", [None if f is None else f.feedback_at for f in answers]),
        column("feedback_seq", [None if f is None else f.seq for f in answers]),
        column("reward_window_s", [d.reward_window_s for d in decisions]),
        truth,
        *shadow_arrays(asked),
        column("digest", digests or [record_digest(d, f) for d, f in records]),
    ]
    kept = further or {}
    columns += [
        column(name, kept.get(name, [None] * len(records))) for name in fields.names[len(columns) :]
    ]
    specs = {d.policy for d in decisions} | {name for row in asked for name, _ in row}
    priors = [prior.text for prior in priors_in(sorted(specs))]
    about = schema.metadata(reward_range, world, priors, experiments)
    table = pa.Table.from_arrays(columns, schema=fields.with_metadata(about))
    return Log(table, path)


def _check(d: Decision, width: int, path: str) -> None:
    """Lists of other lengths would make the columns' offsets point at a neighbour's values."""
    k = len(d.arms)
    field = f"{path} decision {d.decision_id}"
    if d.context.shape[1] != width:
        raise BadInput(field, f"every context has {width} features", d.context.shape[1])
    lengths = [len(d.candidate_ids), k, len(d.context), len(d.pmf)]
    if set(lengths) != {k}:
        rule = "candidates, arms, context and pmf must have one entry a candidate"
        raise BadInput(field, rule, lengths)
    if not 0 <= d.action < k:
        raise BadInput(f"{field}, action", "must be an index into the candidates", d.action)
