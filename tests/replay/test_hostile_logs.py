"""Logs and states that no tool of ours would write: one line and exit code 2, or an answer.

What is marked `NOT_YET` is a law that does not hold yet; the mark goes when it does.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journal import Log, write_log

NOT_YET = pytest.mark.xfail(strict=True, reason="not yet refused in one line")
RANDOM = ("--policy", "random")

Change = Callable[[Log], pa.Table]


def column(log: Log, name: str, array: Any) -> pa.Table:
    return log.table.set_column(log.table.schema.get_field_index(name), name, array)


def with_null_candidate(log: Log) -> pa.Table:
    ids = log.table["candidate_ids"].to_pylist()
    ids[3] = [None] * len(ids[3])
    return column(log, "candidate_ids", pa.array(ids, pa.list_(pa.string())))


def with_broken_text(log: Log, name: str) -> pa.Table:
    """Bytes that are no UTF-8 where there should be text; Arrow takes them unseen."""
    raw = [text.encode() for text in log.table[name].to_pylist()]
    raw[3] = b"\xff\xfe"
    return column(log, name, pa.array(raw, pa.binary()).view(pa.string()))


def with_metadata(**about: str | bytes) -> Change:
    return lambda log: log.table.replace_schema_metadata(about)


LOGS = {
    "range reversed": pytest.param(with_metadata(reward_range="[1, -1]")),
    "range NaN": pytest.param(with_metadata(reward_range="[NaN, 1]")),
    "range no JSON": pytest.param(with_metadata(reward_range="wide"), marks=NOT_YET),
    "range null": pytest.param(with_metadata(reward_range="null"), marks=NOT_YET),
    "range of three": pytest.param(with_metadata(reward_range="[0, 1, 2]"), marks=NOT_YET),
    "world no JSON": pytest.param(with_metadata(world="{"), marks=NOT_YET),
    "range no UTF-8": pytest.param(with_metadata(reward_range=b"\xff"), marks=NOT_YET),
    "null candidate": pytest.param(with_null_candidate, marks=NOT_YET),
    "user no UTF-8": pytest.param(lambda log: with_broken_text(log, "user_id"), marks=NOT_YET),
    "id no UTF-8": pytest.param(lambda log: with_broken_text(log, "decision_id"), marks=NOT_YET),
    "column twice": pytest.param(
        lambda log: log.table.append_column("pscore", log.table["pscore"]), marks=NOT_YET
    ),
}


@pytest.mark.parametrize("command", ["evaluate", "audit"])
@pytest.mark.parametrize(
    "change", [pytest.param(*p.values, marks=p.marks, id=name) for name, p in LOGS.items()]
)
def test_hostile_logs_are_refused(
    log: Log, refused: Callable, tmp_path: Path, change: Change, command: str
) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(change(log), path)
    line = refused(command, path, *(RANDOM if command == "evaluate" else ()))
    assert str(path) in line


@pytest.mark.parametrize(
    "command",
    ["validate", "audit", "train", pytest.param("evaluate", marks=NOT_YET)],
)
def test_two_feature_sets_are_two_logs(
    log: Log, refused: Callable, tmp_path: Path, command: str
) -> None:
    table = column(log, "features", pa.array(["a", "b"] * (len(log) // 2)))
    pq.write_table(table, tmp_path / "log.parquet")
    options = {"train": ("--out", tmp_path / "states"), "evaluate": RANDOM}
    line = refused(command, tmp_path / "log.parquet", *options.get(command, ()))
    assert "one log has one feature set, found ['a', 'b']" in line


PARTS = {
    "text": (pa.string(), "reward"),
    "whole numbers": (pa.int64(), "reward"),
    "nanoseconds": (pa.timestamp("ns", tz="UTC"), "decided_at"),
    "plain feedback": (pa.string(), "feedback"),
}


@pytest.mark.xfail(strict=True, reason="files whose types differ are not yet read or refused")
@pytest.mark.parametrize("case", PARTS)
def test_files_of_a_directory_may_differ_in_type(
    log: Log, run: Callable, tmp_path: Path, case: str
) -> None:
    """Each file alone is a log; together they are one log, or refused in one line."""
    kind, name = PARTS[case]
    write_log(log.take(np.arange(50)), tmp_path / "1.parquet")
    rest = log.take(np.arange(50, 100))
    pq.write_table(column(rest, name, rest.table[name].cast(kind)), tmp_path / "2.parquet")
    done = run("evaluate", tmp_path, *RANDOM)
    assert done.code in (0, 2)
    assert done.code == 0 or done.err.count("\n") == 1


def test_files_of_a_directory_of_two_widths(log: Log, refused: Callable, tmp_path: Path) -> None:
    kind = pa.list_(pa.list_(pa.float64(), 4))
    contexts = pa.array([[[0.0] * 4] * int(k) for k in np.diff(log.offsets)], kind)
    for suffix in ("parquet", "arrow"):
        where = tmp_path / suffix
        where.mkdir()
        write_log(log, where / f"1.{suffix}")
        write_log(Log(column(log, "context", contexts), ""), where / f"2.{suffix}")
        line = refused("evaluate", where, *RANDOM)
        assert line.startswith(f"replay: {where} column context: must be list<fixed_size_list<")


@NOT_YET
def test_lists_that_point_outside_their_file_are_refused(
    log: Log, refused: Callable, spawn: Callable, tmp_path: Path
) -> None:
    """A flipped bit of an offset must not make the reader look at other memory."""
    path = tmp_path / "log.arrow"
    write_log(log, path)
    offsets = np.frombuffer(pa.array(log.table["user_id"].to_pylist()).buffers()[1], np.int32)
    good = offsets[: len(log) + 1]
    bad = good.copy()
    bad[5] ^= 1 << 30
    raw = path.read_bytes()
    assert raw.count(good.tobytes()) == 1
    path.write_bytes(raw.replace(good.tobytes(), bad.tobytes()))
    assert str(path) in refused("audit", path, by=spawn)


@pytest.mark.xfail(strict=True, reason="a null or NaN truth becomes NaN, which JSON has not")
@pytest.mark.parametrize("truth", [None, float("nan")])
def test_a_truth_known_of_some_rows(
    log: Log, run: Callable, tmp_path: Path, truth: float | None
) -> None:
    values = log.table["expected_reward"].to_pylist()
    values[0] = None if truth is None else [truth] * len(values[0])
    table = column(log, "expected_reward", pa.array(values, pa.list_(pa.float64())))
    pq.write_table(table, tmp_path / "log.parquet")
    done = run("evaluate", tmp_path / "log.parquet", *RANDOM, "--json")
    assert done.code == 0
    assert done.json["policies"][0]["truth_log"] is None


@pytest.mark.xfail(strict=True, reason="overflow is not yet an answer or refused in one line")
@pytest.mark.parametrize("case", ["pscore 1e-310", "context 1e200"])
def test_numbers_at_the_edge_of_doubles(log: Log, run: Callable, tmp_path: Path, case: str) -> None:
    """Finite input, so no traceback: nulls with a reason, or one line."""
    if case == "pscore 1e-310":
        table = column(log, "pscore", pa.array([1e-310] * len(log))).drop_columns(["pmf"])
    else:
        contexts = [(1e200 * np.array(rows)).tolist() for rows in log.table["context"].to_pylist()]
        table = column(log, "context", pa.array(contexts, pa.list_(pa.list_(pa.float64(), 5))))
    pq.write_table(table, tmp_path / "log.parquet")
    command = ("evaluate", tmp_path / "log.parquet", "--policy", "linucb", "--learn", "logged")
    done = run(*command, "--json")
    assert done.code in (0, 2)
    assert done.code == 0 or done.err.count("\n") == 1


STATES = {
    "width below 0": pytest.param(b'{"schema": 1, "width": -3, "arms": {}}'),
    "deep": pytest.param(b"[" * 100_000),
    "no UTF-8": pytest.param(b"\xff\xfe{}", marks=NOT_YET),
    "endless width": pytest.param(b'{"schema": 1, "width": 1e999, "arms": {}}', marks=NOT_YET),
    "huge width": pytest.param(b'{"schema": 1, "width": 99999999, "arms": {}}', marks=NOT_YET),
}


@pytest.mark.parametrize(
    "content", [pytest.param(*p.values, marks=p.marks, id=name) for name, p in STATES.items()]
)
def test_hostile_states_are_refused(file: Path, refused: Callable, content: bytes) -> None:
    states = file.parent / "states"
    states.mkdir()
    (states / "a.json").write_bytes(content)
    assert str(states / "a.json") in refused("evaluate", file, *RANDOM, "--state", states)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("this.module:Zen", marks=NOT_YET, id="runs what a log names"),
        pytest.param(".x:Zen", marks=NOT_YET, id="relative"),
    ],
)
def test_the_name_of_a_logs_policy_is_only_a_name(
    log: Log, spawn: Callable, tmp_path: Path, spec: str
) -> None:
    """An audit prints its object and nothing else: no module that a log names gets to speak."""
    table = column(log, "policy", pa.array([spec] * len(log))).drop_columns(["digest"])
    pq.write_table(table, tmp_path / "log.parquet")
    done = spawn("audit", tmp_path / "log.parquet", "--json")
    assert (done.code, done.err) == (0, "")
    assert (
        f"{len(log)} decisions of {spec}: not a policy of ours" in json.loads(done.out)["unchecked"]
    )
