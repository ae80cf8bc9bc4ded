"""Bad input is one line and exit code 2: the thing, the rule, what was found; nothing written."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journal import Log, write_log

ROW = 7
NAN = float("nan")


@dataclass(frozen=True)
class Bad:
    """A value that one row's column gets, and what must be said of it."""

    column: str
    value: Any  # or how it is made of the number of candidates
    rule: str
    said_column: str | None = None


ROWS: dict[str, Bad] = {
    "pscore 0": Bad("pscore", 0.0, "must be in (0, 1], found 0.0"),
    "pscore 2": Bad("pscore", 2.0, "must be in (0, 1], found 2.0"),
    "pscore -0.5": Bad("pscore", -0.5, "must be in (0, 1], found -0.5"),
    "pscore NaN": Bad("pscore", NAN, "must be in (0, 1], found nan"),
    "pscore inf": Bad("pscore", float("inf"), "must be in (0, 1], found inf"),
    "pmf sum": Bad("pmf", lambda k: [0.5 / k] * k, "must sum to 1 within 1e-06, found 0."),
    "pmf negative": Bad("pmf", lambda k: [-1.0] + [2 / (k - 1)] * (k - 1), "must be in [0, 1]"),
    "pmf NaN": Bad("pmf", lambda k: [NAN] * k, "must be in [0, 1], found nan"),
    "pmf short": Bad("pmf", lambda k: [1 / (k - 1)] * (k - 1), "must have one entry a candidate"),
    "pmf empty": Bad("pmf", [], "must have one entry a candidate, found 0"),
    "pscore other": Bad("pscore", 0.123, "must equal pmf[action], found 0.123"),
    "action high": Bad("action", 99, "must be an index into the candidates, found 99"),
    "action low": Bad("action", -1, "must be an index into the candidates, found -1"),
    "no candidates": Bad("candidate_ids", [], "needs at least one candidate, found 0"),
    "arms short": Bad("arms", ["*"], "must have one entry a candidate, found 1"),
    "reward high": Bad("reward", 1.5, "must be finite and in [-1, 1], found 1.5"),
    "reward low": Bad("reward", -2.0, "must be finite and in [-1, 1], found -2.0"),
    "reward NaN": Bad("reward", NAN, "must be finite and in [-1, 1], found nan"),
    "context NaN": Bad(
        "context", lambda k: [[0.1, 0, NAN, 0, 0]] * k, "must be finite, found nan", "context[2]"
    ),
    "context inf": Bad(
        "context",
        lambda k: [[0.1, 0, 0, 0, -float("inf")]] * k,
        "must be finite, found -inf",
        "context[4]",
    ),
    "context short": Bad("context", [[0.0] * 5], "must have one entry a candidate, found 1"),
    "truth high": Bad("expected_reward", lambda k: [3.0] * k, "must be in [-1, 1], found 3.0"),
    "decision twice": Bad("decision_id", "0-0", "must be unique, found '0-0'"),
    "user path": Bad("user_id", "../../etc/passwd", "must be 1-256 characters of"),
    "user slash": Bad("user_id", "a/b", "must be 1-256 characters of"),
    "user lines": Bad("user_id", "a\nreplay: all well", "must be 1-256 characters of"),
    "user empty": Bad("user_id", "", "must be 1-256 characters of [A-Za-z0-9._:@+-], found ''"),
    "user 10 kB": Bad("user_id", "u" * 10_240, "(10242 characters)"),
    "user null": Bad("user_id", None, "must not be null"),
    "window": Bad("reward_window_s", 0, "must be positive, found 0"),
}


def with_value(log: Log, column: str, row: int, value: Any) -> pa.Table:
    field = log.table.schema.field(column)
    values = log.table[column].to_pylist()
    values[row] = value(int(np.diff(log.offsets)[row])) if callable(value) else value
    at = log.table.schema.get_field_index(column)
    return log.table.set_column(at, field, pa.array(values, field.type))


@pytest.mark.parametrize("case", ROWS)
def test_bad_rows(log: Log, refused: Callable, tmp_path: Path, case: str) -> None:
    """File, row, column, rule and value, in this order."""
    bad, path = ROWS[case], tmp_path / "bad.parquet"
    pq.write_table(with_value(log, bad.column, ROW, bad.value), path)
    line = refused("evaluate", path, "--policy", "random", "--out", tmp_path / "results")
    assert line.startswith(f"replay: {path} row {ROW}, column {bad.said_column or bad.column}: ")
    assert bad.rule in line


@pytest.mark.parametrize("command", ["validate", "audit", "train", "evaluate"])
def test_every_command_refuses_alike(
    log: Log, refused: Callable, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(with_value(log, "action", ROW, 99), path)
    options = {"train": ("--out", tmp_path / "states"), "evaluate": ("--policy", "random")}
    line = refused(command, path, *options.get(command, ()))
    rule = "must be an index into the candidates, found 99"
    assert line == f"replay: {path} row {ROW}, column action: {rule}\n"


def test_context_vectors_of_two_lengths(log: Log, refused: Callable, tmp_path: Path) -> None:
    sizes = np.diff(log.offsets)
    ragged = [[[0.0] * (4 if i == ROW else 5)] * int(k) for i, k in enumerate(sizes)]
    at = log.table.schema.get_field_index("context")
    path = tmp_path / "ragged.parquet"
    pq.write_table(log.table.set_column(at, "context", pa.array(ragged)), path)
    line = refused("evaluate", path, "--policy", "random")
    assert line.startswith(f"replay: {path} column context: must be list<fixed_size_list<double")


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("reward", lambda n: ["much"] * n, "must be double, found 'string'"),
        ("decided_at", lambda n: ["today"] * n, "must be timestamp[us, tz=UTC]"),
        ("action", lambda n: [0.5] * n, "must be int32, found 'double'"),
        ("pmf", lambda n: [1.0] * n, "must be list<item: double>, found 'double'"),
        ("context", lambda n: [[1.0]] * n, "must be list<fixed_size_list<double, d>>"),
    ],
)
def test_columns_of_other_types(
    log: Log, refused: Callable, tmp_path: Path, column: str, values: Callable, rule: str
) -> None:
    at, path = log.table.schema.get_field_index(column), tmp_path / "bad.parquet"
    pq.write_table(log.table.set_column(at, column, pa.array(values(len(log)))), path)
    line = refused("evaluate", path, "--policy", "random")
    assert line.startswith(f"replay: {path} column {column}: {rule}")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def as_json(path: Path) -> None:
    path.write_text(json.dumps([{"user_id": "u1", "action": 0}]))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (truncated, "is truncated or damaged ("),
        (as_json, "must be Parquet, Arrow IPC or a live journal by its first bytes"),
        (lambda path: path.write_bytes(b""), "must be Parquet, Arrow IPC or a live journal"),
        (
            lambda path: path.write_bytes(b"SQLite format 3\0" * 40),
            "is not a live journal (",
        ),
        (lambda path: path.unlink(), "no such file or directory"),
        (lambda path: pq.write_table(pa.table({"a": [1]}), path), "needs a column decision_id"),
    ],
)
def test_files_that_are_no_logs(file: Path, refused: Callable, change: Callable, rule: str) -> None:
    change(file)
    line = refused("evaluate", file, "--policy", "random")
    assert line.startswith(f"replay: {file}: {rule}")


def test_an_empty_log_and_an_empty_directory(log: Log, refused: Callable, tmp_path: Path) -> None:
    pq.write_table(log.table.slice(0, 0), tmp_path / "none.parquet")
    line = refused("evaluate", tmp_path / "none.parquet", "--policy", "random")
    assert "a log has at least one decision, found 0" in line
    (tmp_path / "empty").mkdir()
    line = refused("evaluate", tmp_path / "empty", "--policy", "random")
    assert line == f"replay: {tmp_path / 'empty'}: the directory holds no files\n"


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_half_a_file_at_any_length(
    log: Log, refused: Callable, tmp_path: Path, suffix: str
) -> None:
    write_log(log, tmp_path / f"whole.{suffix}")
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    part = tmp_path / "part"
    for length in np.random.default_rng(0).integers(0, len(whole) - 8, 25):
        part.write_bytes(whole[:length])
        assert str(part) in refused("evaluate", part, "--policy", "random")
