"""What is written as dsjson comes back with every bit: any ragged log, digests included."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal import Log, read_log, write_log
from journal.importers.vw_features import MOST_FEATURES
from journal.log import log_of_table
from journal.schema import NAMES, metadata
from policies import BadInput
from policies.records import record_digest

SIZES = st.floats(-1e100, 1e100, allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


@st.composite
def rows(draw: st.DrawFn, width: int, low: float, high: float) -> dict[str, Any]:
    k = draw(st.integers(1, 5))
    weights = np.array(draw(st.lists(st.integers(0, 9), min_size=k, max_size=k)), float)
    action = draw(st.integers(0, k - 1))
    weights[action] += 1
    pmf = (weights / weights.sum()).tolist()
    shadows = draw(st.lists(TEXTS, max_size=2, unique=True))
    answered, at = draw(st.booleans()), draw(st.integers(0, 4 * 10**15))
    assigned = draw(st.booleans())
    return {
        "experiment": draw(TEXTS) if assigned else None,
        "variant": draw(TEXTS) if assigned else None,
        "variant_probability": draw(st.floats(1e-300, 1)) if assigned else None,
        "task_inputs": draw(maybe(st.lists(maybe(TEXTS), min_size=k, max_size=k))),
        "user_id": draw(st.sampled_from(["ann", "b@c", "u:1"])),
        "decided_at": at,
        "policy": draw(TEXTS),
        "state_seq": draw(maybe(st.integers(0, 9))),
        "candidate_ids": draw(st.lists(TEXTS, min_size=k, max_size=k)),
        "arms": draw(st.lists(TEXTS, min_size=k, max_size=k)),
        "context": draw(
            st.lists(st.lists(SIZES, min_size=width, max_size=width), min_size=k, max_size=k)
        ),
        "pmf": draw(maybe(st.just(pmf))),
        "action": action,
        "pscore": draw(maybe(st.just(pmf[action]))),
        "reward": draw(st.floats(low, high)) if answered else None,
        "feedback": draw(maybe(st.sampled_from(["done", "expired", "ü"]))) if answered else None,
        "feedback_at": draw(maybe(st.integers(at, 5 * 10**15))) if answered else None,
        "feedback_seq": draw(maybe(st.integers(1, 9))) if answered else None,
        "reward_window_s": draw(maybe(st.integers(1, 10**9))),
        "expected_reward": draw(maybe(st.just([low] * k))),
        "shadow_policies": shadows or None,
        "shadow_pmfs": [draw(maybe(st.just(pmf))) for _ in shadows] or None,
        "digest": draw(maybe(st.binary(min_size=32, max_size=32))),
    }


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Valid logs of any shape: ragged, with every null that the schema allows."""
    width, n = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    low, high = draw(st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-3.5, 1e9)]))
    features = draw(TEXTS)
    made = [draw(rows(width, low, high)) for _ in range(n)]
    names = draw(st.lists(TEXTS, min_size=n, max_size=n, unique=True))
    for row, name in zip(made, names, strict=True):
        row |= {"decision_id": name, "features": features}
    columns: dict[str, Any] = {c: [row[c] for row in made] for c in NAMES}
    lists = pa.list_(pa.list_(pa.float64(), width))
    columns["context"] = pa.array(columns["context"], lists)
    for c in ("decided_at", "feedback_at"):
        columns[c] = pa.array(columns[c], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    columns["digest"] = pa.array(columns["digest"], pa.binary(32))
    world = draw(maybe(st.just({"scenario": "mornings", "seed": 1})))
    table = pa.table(columns).replace_schema_metadata(metadata((low, high), world))
    return log_of_table(table, "memory")


def assert_same(one: Log, other: Log) -> None:
    """Every column to the bit, but for a propensity that only the pmf told."""
    for name in NAMES:
        if name not in ("pscore", "feedback", "context"):
            assert one.table[name].to_pylist() == other.table[name].to_pylist(), name
    assert one.context.tobytes() == other.context.tobytes()
    assert one.reward.tobytes() == other.reward.tobytes()
    assert one.pscore.tobytes() == other.pscore.tobytes()
    assert [one.feedback_names[i] if i >= 0 else None for i in one.feedback] == [
        other.feedback_names[i] if i >= 0 else None for i in other.feedback
    ]
    assert one.reward_range == other.reward_range
    assert one.world == other.world


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(log=logs())
def test_every_ragged_log_comes_back(tmp_path: Path, log: Log) -> None:
    path = f"vw:{tmp_path / 'log.json'}"
    write_log(log, path)
    again = read_log(path)
    assert_same(log, again)
    assert again.notes == ()


def test_a_real_log_keeps_its_digests(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    write_log(log, f"vw:{path}")
    again = read_log(f"vw:{path}")
    assert again.table.equals(log.table)
    for i in range(len(again)):
        assert record_digest(again.decision(i), again.feedback_of(i)) == log.digest[i]
    assert list(tmp_path.iterdir()) == [path]


def test_the_lines_are_what_vw_reads(log: Log, tmp_path: Path) -> None:
    """Labels from 1, cost = -reward, `p` along `a`, no label where nobody answered."""
    path = tmp_path / "log.json"
    write_log(log, f"vw:{path}")
    assert log.pmf is not None
    assert 0 < log.answered.sum() < len(log)
    for i, text in enumerate(path.read_text().splitlines()):
        said = json.loads(text)
        pmf = log.pmf[log.offsets[i] : log.offsets[i + 1]]
        assert said["a"][0] == log.action[i] + 1
        assert sorted(said["a"]) == list(range(1, len(pmf) + 1))
        assert said["p"] == [pmf[a - 1] for a in said["a"]]
        assert [len(action["x"]) for action in said["c"]["_multi"]] == [5] * len(pmf)
        labels = [key for key in said if key.startswith("_label")]
        if log.answered[i]:
            assert labels == ["_label_cost", "_label_probability", "_label_Action", "_labelIndex"]
            assert said["_label_cost"] == -log.reward[i]
            assert said["_label_probability"] == log.pscore[i]
            assert said["_label_Action"] - 1 == said["_labelIndex"] == log.action[i]
        else:
            assert not labels


def test_what_dsjson_cannot_hold_is_refused(log: Log, tmp_path: Path) -> None:
    kept = log.table.drop_columns(["context", "digest"])
    width = MOST_FEATURES + 1
    contexts = pa.array(
        [[[0.0] * width] * int(k) for k in np.diff(log.offsets)],
        pa.list_(pa.list_(pa.float64(), width)),
    )
    wide = log_of_table(kept.append_column("context", contexts), "memory")
    with pytest.raises(BadInput, match="holds at most 256 features, found 257"):
        write_log(wide, f"vw:{tmp_path / 'log.json'}")
    assert not list(tmp_path.iterdir())
    with pytest.raises(BadInput, match="the directory does not exist"):
        write_log(log, f"vw:{tmp_path / 'no' / 'log.json'}")
