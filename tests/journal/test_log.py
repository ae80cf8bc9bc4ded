"""A log survives every format with its bits, and a bad one is refused with one clear line."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journal import Log, frame_of_log, log_of_frame, read_log, write_log
from policies import BadInput
from policies.records import record_digest


@pytest.mark.parametrize("name", ["log.parquet", "log.arrow", "log.feather", "no_suffix"])
def test_every_format_keeps_every_bit(log: Log, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_log(log, path)
    again = read_log(path)
    assert again.table.equals(log.table)
    assert [record_digest(again.decision(i), again.feedback_of(i)) for i in range(len(again))] == (
        again.digest
    )
    assert list(tmp_path.iterdir()) == [path]


def test_the_kind_is_told_by_magic_bytes(log: Log, tmp_path: Path) -> None:
    write_log(log, tmp_path / "a.parquet")
    (tmp_path / "a.parquet").rename(tmp_path / "a.arrow")
    assert read_log(tmp_path / "a.arrow").table.equals(log.table)


def test_a_frame_keeps_every_bit(log: Log) -> None:
    again = log_of_frame(frame_of_log(log))
    for i in range(len(log)):
        assert record_digest(again.decision(i), again.feedback_of(i)) == log.digest[i]
    assert again.digest == log.digest


def test_a_directory_is_its_files_one_after_the_other(log: Log, tmp_path: Path) -> None:
    write_log(log.take(np.arange(25)), tmp_path / "1.parquet")
    write_log(log.take(np.arange(25, len(log))), tmp_path / "2.arrow")
    assert read_log(tmp_path).decision_id == log.decision_id


def test_rows_can_be_taken_in_any_order(log: Log) -> None:
    turn = np.random.default_rng(0).permutation(len(log))
    turned = log.take(turn)
    for at, i in enumerate(turn):
        assert record_digest(turned.decision(at), turned.feedback_of(at)) == log.digest[i]


def test_records_come_back(log: Log, records) -> None:
    for i, (decision, feedback) in enumerate(records):
        assert record_digest(log.decision(i), log.feedback_of(i)) == record_digest(
            decision, feedback
        )
        assert log.pscore[i] == decision.pscore


def replaced(log: Log, column: str, row: int, value: object) -> pa.Table:
    values = log.table[column].to_pylist()
    values[row] = value
    at = log.table.schema.get_field_index(column)
    kind = log.table.schema.field(column).type
    return log.table.set_column(at, log.table.schema.field(column), pa.array(values, kind))


CONTEXT = [[0.1] * 5]
BAD = {
    "pscore 0": ("pscore", 0.0, "must be in (0, 1], found 0.0"),
    "pscore 2": ("pscore", 2.0, "must be in (0, 1], found 2.0"),
    "pscore NaN": ("pscore", float("nan"), "must be in (0, 1], found nan"),
    "pmf sum": ("pmf", lambda k: [0.9 / k] * k, "must sum to 1 within 1e-06, found 0."),
    "pmf negative": ("pmf", lambda k: [-0.5] * k, "must be in [0, 1], found -0.5"),
    "pmf length": ("pmf", lambda k: [1 / (k + 1)] * (k + 1), "must have one entry a candidate"),
    "pscore is not pmf[action]": ("pscore", 0.123, "must equal pmf[action], found 0.123"),
    "action high": ("action", 99, "must be an index into the candidates, found 99"),
    "action negative": ("action", -1, "must be an index into the candidates, found -1"),
    "no candidates": ("candidate_ids", [], "needs at least one candidate"),
    "reward high": ("reward", 1.5, "must be finite and in [-1, 1], found 1.5"),
    "reward NaN": ("reward", float("nan"), "must be finite and in [-1, 1], found nan"),
    "context NaN": (
        "context",
        lambda k: [[0.1, float("nan"), 0, 0, 0]] * k,
        "must be finite, found nan",
    ),
    "user path": ("user_id", "../etc/passwd", "must be 1-256 characters"),
    "user empty": ("user_id", "", "must be 1-256 characters"),
    "user 10 kB": ("user_id", "u" * 10_240, "must be 1-256 characters"),
    "decision twice": ("decision_id", "0-1", "must be unique, found '0-1'"),
    "window": ("reward_window_s", 0, "must be positive"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_named(log: Log, tmp_path: Path, case: str) -> None:
    column, value, rule = BAD[case]
    row = 3
    if callable(value):
        value = value(int(np.diff(log.offsets)[row]))
    path = tmp_path / "bad.parquet"
    pq.write_table(replaced(log, column, row, value), path)
    with pytest.raises(BadInput) as caught:
        read_log(path)
    said = str(caught.value)
    assert said.startswith(f"{path} row {row}, column {column}")
    assert rule in said
    assert "\n" not in said


def test_wrong_width_is_named(log: Log, tmp_path: Path) -> None:
    contexts = [[[0.0] * (5 if i else 4)] * int(k) for i, k in enumerate(np.diff(log.offsets))]
    at = log.table.schema.get_field_index("context")
    table = log.table.set_column(at, "context", pa.array(contexts))
    pq.write_table(table, tmp_path / "bad.parquet")
    with pytest.raises(BadInput, match=r"column context: must be list<fixed_size_list<double"):
        read_log(tmp_path / "bad.parquet")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"PAR1 but then nothing", "is truncated or damaged"),
        (b"ARROW1\0\0 but then nothing", "is truncated or damaged"),
        (b"not a log at all", "must be Parquet, Arrow IPC or a live journal"),
        (b"", "must be Parquet, Arrow IPC or a live journal"),
    ],
)
def test_files_that_are_no_logs(tmp_path: Path, content: bytes, rule: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BadInput, match=rule):
        read_log(tmp_path / "x")


def test_truncated_parquet(log: Log, tmp_path: Path) -> None:
    write_log(log, tmp_path / "x.parquet")
    whole = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="is truncated or damaged"):
        read_log(tmp_path / "x.parquet")


def test_missing_things(tmp_path: Path, log: Log) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_log(tmp_path / "none.parquet")
    with pytest.raises(BadInput, match="holds no files"):
        read_log(tmp_path)
    with pytest.raises(BadInput, match="the directory does not exist"):
        write_log(log, tmp_path / "no" / "x.parquet")
    pq.write_table(log.table.drop_columns(["action"]), tmp_path / "x")
    with pytest.raises(BadInput, match="needs a column action"):
        read_log(tmp_path / "x")


def test_optional_columns_may_be_missing(log: Log, tmp_path: Path) -> None:
    kept = ["decision_id", "user_id", "decided_at", "candidate_ids", "context", "action", "reward"]
    pq.write_table(log.table.select(kept), tmp_path / "least.parquet")
    least = read_log(tmp_path / "least.parquet")
    assert least.pmf is None
    assert np.isnan(least.pscore).all()
    assert least.policy_names == ["unknown"]
    assert least.arm_names == ["*"]
    assert (least.state_seq == -1).all()


def test_a_pmf_gives_the_propensity_that_was_not_logged(log: Log, tmp_path: Path) -> None:
    pq.write_table(log.table.drop_columns(["pscore"]), tmp_path / "x")
    assert (read_log(tmp_path / "x").pscore == log.pscore).all()
