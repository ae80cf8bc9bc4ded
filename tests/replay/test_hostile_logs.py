"""Logs and states that no tool of ours would write: one line and exit code 2, or an answer."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from journal import Log, read_log, schema, write_log
from policies.state import UserState, from_json, to_json

RANDOM = ("--policy", "random")

Change = Callable[[Log], pa.Table]


def column(log: Log, name: str, array: Any) -> pa.Table:
    return log.table.set_column(log.table.schema.get_field_index(name), name, array)


def with_null(name: str) -> Change:
    def change(log: Log) -> pa.Table:
        lists = log.table[name].to_pylist()
        lists[3] = None
        return column(log, name, pa.array(lists, pa.list_(pa.string())))

    return change


def with_null_entry(name: str) -> Change:
    def change(log: Log) -> pa.Table:
        lists = log.table[name].to_pylist()
        lists[3] = [None] * len(lists[3])
        return column(log, name, pa.array(lists, pa.list_(pa.string())))

    return change


def no_contexts(log: Log) -> Any:
    lists = [[[]] * int(k) for k in np.diff(log.offsets)]
    return pa.array(lists, pa.list_(pa.list_(pa.float64(), 0)))


def moments(log: Log, first: int) -> Any:
    return pa.array([first, *log.decided_at[1:].tolist()], pa.timestamp("us", tz="UTC"))


def with_broken_text(log: Log, name: str) -> pa.Table:
    """Bytes that are no UTF-8 where there should be text; Arrow takes them unseen."""
    raw = [text.encode() for text in log.table[name].to_pylist()]
    raw[3] = b"\xff\xfe"
    return column(log, name, pa.array(raw, pa.binary()).view(pa.string()))


def with_metadata(**about: str | bytes) -> Change:
    return lambda log: log.table.replace_schema_metadata(about)


LOGS: dict[str, Change] = {
    "range reversed": with_metadata(reward_range="[1, -1]"),
    "range NaN": with_metadata(reward_range="[NaN, 1]"),
    "range endless": with_metadata(reward_range="[0, 1e999]"),
    "range no JSON": with_metadata(reward_range="wide"),
    "range null": with_metadata(reward_range="null"),
    "range of three": with_metadata(reward_range="[0, 1, 2]"),
    "range of words": with_metadata(reward_range='["0", "1"]'),
    "range deep": with_metadata(reward_range="[" * 100_000),
    "range no UTF-8": with_metadata(reward_range=b"\xff"),
    "world no JSON": with_metadata(world="{"),
    "world no object": with_metadata(world="[1]"),
    "null candidate": with_null_entry("candidate_ids"),
    "null arm": with_null_entry("arms"),
    "no arms": with_null("arms"),
    "user no UTF-8": lambda log: with_broken_text(log, "user_id"),
    "id no UTF-8": lambda log: with_broken_text(log, "decision_id"),
    "column twice": lambda log: log.table.append_column("pscore", log.table["pscore"]),
    "no features": lambda log: column(log, "context", no_contexts(log)),
    "endless window": lambda log: column(log, "reward_window_s", pa.array([10**13] * len(log))),
    "window before": lambda log: column(log, "reward_window_s", pa.array([-1] * len(log))),
    "seq below 0": lambda log: column(log, "state_seq", pa.array([-2] * len(log))),
    "end of time": lambda log: column(log, "decided_at", moments(log, 2**63 - 1)),
    "start of time": lambda log: column(log, "decided_at", moments(log, -(2**63))),
}


@pytest.mark.parametrize("command", ["evaluate", "audit"])
@pytest.mark.parametrize("case", LOGS)
def test_hostile_logs_are_refused(
    log: Log, refused: Callable, tmp_path: Path, case: str, command: str
) -> None:
    path = tmp_path / "log.parquet"
    table = LOGS[case](log)
    digest = table.column_names.index("digest")
    pq.write_table(table.remove_column(digest), path)
    line = refused(command, path, *(RANDOM if command == "evaluate" else ()))
    assert str(path) in line


@pytest.mark.parametrize("command", ["validate", "audit", "train", "evaluate"])
def test_two_feature_sets_are_two_logs(
    log: Log, refused: Callable, tmp_path: Path, command: str
) -> None:
    table = column(log, "features", pa.array(["a", "b"] * (len(log) // 2)))
    table = table.drop_columns(["digest"])  # they would not hold, which is an answer of an audit
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


def test_files_of_a_directory_of_two_ranges(log: Log, refused: Callable, tmp_path: Path) -> None:
    for name, span in (("1", "[-1, 1]"), ("2", "[-1, 2]")):
        table = log.table.replace_schema_metadata({"reward_range": span})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    line = refused("evaluate", tmp_path, *RANDOM)
    assert line.startswith(f"replay: {tmp_path}: reward_range: must be the same in all files")


def test_a_directory_is_of_a_world_that_all_its_files_are_of(log: Log, tmp_path: Path) -> None:
    worlds = ({"seed": 1}, {"seed": 1}, {"seed": 2})
    for i, world in enumerate(worlds):
        part = log.take(np.arange(len(log))[i :: len(worlds)]).table
        about = schema.metadata((-1.0, 1.0), world)
        pq.write_table(part.replace_schema_metadata(about), tmp_path / f"{i}.parquet")
        assert read_log(tmp_path).world == (world if i < 2 else None)


def test_columns_of_a_damaged_name(log: Log, refused: Callable, tmp_path: Path) -> None:
    for suffix in ("arrow", "parquet"):
        path = tmp_path / f"log.{suffix}"
        write_log(log, path)
        path.write_bytes(path.read_bytes().replace(b"expected_reward", b"expected\xffreward"))
        assert f"{path}: is truncated or damaged (" in refused("audit", path)


def test_endless_numbers_of_feedbacks_cost_nothing(log: Log, run: Callable, tmp_path: Path) -> None:
    table = log.table.drop_columns(["digest"])
    for name in ("state_seq", "feedback_seq"):
        far = pc.add(log.table[name], 2**62)
        table = table.set_column(table.column_names.index(name), name, far)
    pq.write_table(table, tmp_path / "far.parquet")
    pq.write_table(log.table, tmp_path / "near.parquet")
    command = ("--policy", "linucb", "--learn", "logged", "--json")
    far, near = (run("evaluate", tmp_path / f"{x}.parquet", *command) for x in ("far", "near"))
    assert far.json["policies"] == near.json["policies"]
    assert "feedbacks are missing" in run("audit", tmp_path / "far.parquet").out


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


def with_truth_of_row_0(log: Log, path: Path, truth: Any) -> Path:
    values = log.table["expected_reward"].to_pylist()
    values[0] = truth and truth * len(values[0])
    table = column(log, "expected_reward", pa.array(values, pa.list_(pa.float64())))
    pq.write_table(table, path)
    return path


def test_a_truth_known_of_some_rows(log: Log, run: Callable, tmp_path: Path) -> None:
    path = with_truth_of_row_0(log, tmp_path / "log.parquet", None)
    done = run("evaluate", path, *RANDOM, "--json")
    assert done.code == 0
    assert done.json["policies"][0]["truth_log"] is None
    after = datetime.fromtimestamp(int(log.decided_at[0]) / 1e6 + 1, UTC).isoformat()
    done = run("evaluate", path, *RANDOM, "--since", after, "--json")
    assert -1 < done.json["policies"][0]["truth_log"] < 1


@pytest.mark.parametrize("truth", [float("nan"), float("inf")])
def test_a_truth_that_is_no_number(
    log: Log, refused: Callable, tmp_path: Path, truth: float
) -> None:
    path = with_truth_of_row_0(log, tmp_path / "log.parquet", [truth])
    line = refused("evaluate", path, *RANDOM, "--json")
    assert f"row 0, column expected_reward: must be in [-1, 1], found {truth}" in line


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


def state(**changed: Any) -> bytes:
    """A state of one feedback, with other fields; `arm` changes its only arm's."""
    whole = UserState.empty("u1", "tip-v1", 1)
    whole.fold("*", [1.0], 1.0, "d1", 1)
    record = json.loads(to_json(whole))
    record["arms"]["*"] |= changed.pop("arm", {})
    return (json.dumps({**record, **changed}) + "\n").encode()


STATES = {
    "width below 0": b'{"schema": 1, "width": -3, "arms": {}}',
    "deep": b"[" * 100_000,
    "no UTF-8": b"\xff\xfe{}",
    "endless width": b'{"schema": 1, "width": 1e999, "arms": {}}',
    "huge width": state(width=99_999_999, arms={}),
    "endless seq": state(seq=float("inf")),
    "seq below 0": state(seq=-1),
    "no user": state(user_id="\ud800"),
    "no arm's name": state().replace(b'"*"', rb'"\ud800"'),
    "a time in words": state(learned_from={"first": "x", "last": 1, "sketch": []}),
    "endless count": state(arm={"count": float("inf")}),
    "short moment": state(arm={"moment": []}),
}


def test_the_hostile_states_are_hostile_by_what_was_changed() -> None:
    assert from_json(state().decode()).arms == ["*"]


@pytest.mark.parametrize("content", [pytest.param(raw, id=name) for name, raw in STATES.items()])
def test_hostile_states_are_refused(file: Path, refused: Callable, content: bytes) -> None:
    states = file.parent / "states"
    states.mkdir()
    (states / "a.json").write_bytes(content)
    assert str(states / "a.json") in refused("evaluate", file, *RANDOM, "--state", states)


@pytest.mark.parametrize("spec", ["this.module:Zen", "this:Zen", ".x:Zen", "x:", ":x", "a b"])
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


def test_a_simulation_of_a_log_imports_nothing_that_the_log_names(
    log: Log, refused: Callable, spawn: Callable, tmp_path: Path
) -> None:
    world = {"scenario": "steady", "users": 2, "days": 2, "seed": 1, "reward_window_s": None}
    table = column(log, "policy", pa.array(["this:Zen"] * len(log)))
    about = {"world": json.dumps(world)}
    pq.write_table(table.replace_schema_metadata(about), tmp_path / "log.parquet")
    line = refused("evaluate", tmp_path / "log.parquet", *RANDOM, "--deployed", by=spawn)
    assert "--deployed needs a logger of ours, found 'this:Zen'" in line


def test_a_name_in_a_log_writes_no_lines_of_its_own(
    log: Log, run: Callable, tmp_path: Path
) -> None:
    name = "x\nFAILED decision 0-1: all is lost\x1b[31m"
    table = column(log, "decision_id", pa.array([name, *log.decision_id[1:]]))
    pq.write_table(table, tmp_path / "log.parquet")
    done = run("audit", tmp_path / "log.parquet")
    assert done.code == 1
    assert [line for line in done.out.splitlines() if line.startswith("FAILED")] == [
        "FAILED decision x FAILED decision 0-1: all is lost [31m: its digest does not match"
    ]
    table = column(log, "policy", pa.array([name] * len(log))).drop_columns(["digest"])
    pq.write_table(table, tmp_path / "log.parquet")
    for command in (("audit",), ("validate",), ("evaluate", *RANDOM)):
        done = run(command[0], tmp_path / "log.parquet", *command[1:])
        assert done.code == 0
        assert "\x1b" not in done.out
        assert not any(line.startswith("FAILED") for line in done.out.splitlines())
