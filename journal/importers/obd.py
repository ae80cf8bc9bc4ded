"""`obd:DIR`: a campaign folder of the Open Bandit Dataset (Saito et al., arXiv 2008.07146).

One row is one shown item at one position. The candidates are all items of
`item_context.csv`; there is no user id, so each row is its own user and a report says so.
Reward is the click, in [0, 1]; the propensity is the logged one. Features `obd-v1`:

| feature    | meaning                                                                |
| ---------- | ---------------------------------------------------------------------- |
| `hour_sin` | sine of the time of day in UTC, with minutes                           |
| `hour_cos` | cosine of it                                                           |
| `affinity` | the row's user-item affinity of the candidate, a/(1+a) into [0, 1)     |
| `item`     | the item's numeric feature 0, standardised over the items              |
| `position` | (position-1)/2: 0, 0.5, 1                                              |
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from journal import schema
from journal.log import Log, log_of_table
from policies.arrays import Floats
from policies.errors import BadInput

FEATURES = "obd-v1"


def read(directory: str) -> Log:
    """The folder's log; raises `BadInput` when a file or column is missing or unreadable."""
    folder = Path(directory)
    items_file = folder / "item_context.csv"
    rows_file = folder / f"{folder.resolve().name}.csv"
    for file in (rows_file, items_file):
        if not file.is_file():
            raise BadInput(f"obd:{directory}", f"needs the file {file.name}")
    rows = _csv(rows_file, ("timestamp", "item_id", "position", "click", "propensity_score"))
    items = _csv(items_file, ("item_id", "item_feature_0")).sort_values("item_id")
    n, k = len(rows), len(items)
    if items["item_id"].tolist() != list(range(k)):
        raise BadInput(str(items_file), f"item_id must be 0..{k - 1}, each once")
    context = _context(rows, items["item_feature_0"].to_numpy(float), rows_file)
    ids = pa.array([str(i) for i in range(k)])
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * k)
    every = pa.DictionaryArray.from_arrays(np.tile(np.arange(k, dtype=np.int32), n), ids)
    names = every.cast(pa.string())
    moments = pd.to_datetime(rows["timestamp"], utc=True, format="ISO8601").dt.as_unit("us")
    window_free = pa.nulls(n, pa.int64())
    table = pa.table(
        {
            "decision_id": pa.array([str(i) for i in range(n)]),
            "user_id": pa.array([f"row-{i}" for i in range(n)]),
            "decided_at": pa.array(moments, schema.TIME),
            "policy": pa.array([f"obd:{folder.resolve().parent.name}"] * n),
            "features": pa.array([FEATURES] * n),
            "candidate_ids": pa.ListArray.from_arrays(offsets, names),
            "arms": pa.ListArray.from_arrays(offsets, names),
            "context": pa.ListArray.from_arrays(
                offsets, pa.FixedSizeListArray.from_arrays(pa.array(context.ravel()), 5)
            ),
            "action": pa.array(rows["item_id"].to_numpy(np.int32)),
            "pscore": pa.array(rows["propensity_score"].to_numpy(float), from_pandas=False),
            "reward": pa.array(rows["click"].to_numpy(float), from_pandas=False),
            "feedback_at": pa.array(moments, schema.TIME),
            "reward_window_s": window_free,
        }
    ).replace_schema_metadata(schema.metadata((0.0, 1.0), None))
    digest = hashlib.sha256(rows_file.read_bytes() + items_file.read_bytes()).hexdigest()
    return log_of_table(table, f"obd:{directory}", source=digest)


def _context(rows: pd.DataFrame, item: Floats, file: Path) -> Floats:
    """(n, K, 5), see the module's table."""
    n, k = len(rows), len(item)
    names = [f"user-item_affinity_{i}" for i in range(k)]
    missing = [c for c in names if c not in rows.columns]
    if missing:
        raise BadInput(str(file), "needs an affinity column for every item", missing[0])
    affinity = rows[names].to_numpy(float)
    moments = pd.to_datetime(rows["timestamp"], utc=True, format="ISO8601").dt
    angle = 2 * np.pi * (moments.hour * 60 + moments.minute).to_numpy() / 1440
    context = np.empty((n, k, 5))
    context[:, :, 0] = np.sin(angle)[:, None]
    context[:, :, 1] = np.cos(angle)[:, None]
    context[:, :, 2] = affinity / (1 + affinity)
    context[:, :, 3] = (item - item.mean()) / item.std()
    context[:, :, 4] = ((rows["position"].to_numpy(float) - 1) / 2)[:, None]
    return context


def _csv(file: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise BadInput(str(file), f"is not a CSV file ({str(error).splitlines()[0]})") from None
    for column in needed:
        if column not in frame.columns:
            raise BadInput(str(file), f"needs a column {column}", ", ".join(frame.columns[:8]))
    return frame
