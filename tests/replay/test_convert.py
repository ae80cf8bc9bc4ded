"""`convert`: from any format into any other, whole, never over the log itself."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from journal import Log, frame_of_log, log_of_frame, read_log, write_log
from replay import audit, evaluate


def test_round_the_formats(log: Log, file: Path, run: Callable) -> None:
    """Parquet -> dsjson -> Arrow -> Parquet: the same table, the same metadata."""
    where = file.parent
    steps = [f"vw:{where}/log.json", f"{where}/log.arrow", f"{where}/again.parquet"]
    source = str(file)
    for out in steps:
        done = run("convert", source, out)
        assert (done.code, done.err) == (0, "")
        assert done.out == f"{out}: {len(log)} decisions written\n"
        source = out
    again = read_log(source)
    assert again.table.equals(read_log(file).table)
    assert again.table.schema.metadata == log.table.schema.metadata
    assert sorted(p.name for p in where.iterdir()) == [
        "again.parquet", "log.arrow", "log.json", "log.parquet",
    ]  # fmt: skip


def test_every_format_is_evaluated_and_audited_alike(log: Log, file: Path, run: Callable) -> None:
    other = f"vw:{file.parent / 'log.json'}"
    write_log(log, other)
    found = [run("evaluate", path, "--policy", "random", "--json").json for path in (file, other)]
    for result in found:
        result["log"] = {k: v for k, v in result["log"].items() if k not in ("path", "sha256")}
    assert found[0] == found[1]
    checked = audit(read_log(other))
    assert checked.ok
    assert checked.rebuilt == checked.digests == len(log)


def test_a_script_reads_what_was_made_of_a_foreign_log(tmp_path: Path, run: Callable) -> None:
    line = {"_label_cost": -1, "_label_Action": 1, "_label_probability": 0.5, "c": {"_multi": [{}]}}
    (tmp_path / "vw.json").write_text(json.dumps(line) + "\n")
    done = run("convert", f"vw:{tmp_path}/vw.json", tmp_path / "log.parquet", "--json")
    assert done.code == 0
    assert done.json["decisions"] == 1
    assert "rewards are taken to lie in [0, 1]" in done.json["notes"][0]
    assert done.err.startswith("note: rewards are taken")


@pytest.mark.parametrize("out", ["same", "linked", "inside", "suffix", "directory", "no directory"])
def test_refusals_leave_everything_as_it_was(file: Path, run: Callable, out: str) -> None:
    before = file.read_bytes()
    link = file.parent / "link.arrow"
    link.symlink_to(file)
    source = file.parent if out == "inside" else file
    target, said = {
        "same": (file, "must not be part of the log that is read"),
        "linked": (link, "must not be part of the log that is read"),
        "inside": (file.parent / "new.parquet", "must not be part of the log that is read"),
        "suffix": (file.parent / "log.csv", "OUT: must end in .parquet or .arrow, or be vw:FILE"),
        "directory": (f"vw:{file.parent}", "must be a file"),
        "no directory": (file.parent / "no" / "x.parquet", "the directory does not exist"),
    }[out]
    done = run("convert", source, target)
    assert done.code == 2
    assert done.out == ""
    assert said in done.err
    assert done.err.count("\n") == 1
    assert file.read_bytes() == before
    assert sorted(file.parent.iterdir()) == [link, file]


def test_a_dsjson_file_is_not_written_over_while_it_is_read(log: Log, file: Path, run: Callable):
    path = file.parent / "log.json"
    write_log(log, f"vw:{path}")
    done = run("convert", f"vw:{path}?drop=c.x", f"vw:{path}")
    assert done.code == 2
    assert "must not be part of the log that is read" in done.err


def test_a_bad_line_is_one_line_and_nothing_is_written(tmp_path: Path, run: Callable) -> None:
    (tmp_path / "vw.json").write_text("{}\n{\n")
    done = run("convert", f"vw:{tmp_path}/vw.json", tmp_path / "log.parquet")
    assert done.code == 2
    assert done.err.startswith(f"replay: {tmp_path}/vw.json line 2: must be JSON (")
    assert done.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["vw.json"]


def test_a_frame_is_evaluated_as_its_file(log: Log, file: Path) -> None:
    """Range of rewards and simulated world included."""
    asked = {"against": "logged", "estimators": ["auto", "ips", "snips", "dm", "dr"]}
    one, other = (
        evaluate(str(file), "random", **asked),
        evaluate(frame_of_log(log), "random", **asked),
    )
    found = [one.to_dict(), other.to_dict()]
    for result in found:
        result["log"] = {k: v for k, v in result["log"].items() if k not in ("path", "sha256")}
    assert found[0] == found[1]


def test_a_frame_keeps_nulls_range_and_world(log: Log, replaced: Callable) -> None:
    holes = log
    for column in ("state_seq", "pmf", "pscore", "digest", "reward_window_s", "expected_reward"):
        values = log.table[column].to_pylist()
        values[1:4] = [None] * 3
        holes = replaced(holes, column, values)
    schema = holes.table.schema.with_metadata(
        {"reward_range": "[-1.0, 3.0]", "world": '{"scenario": "mornings"}'}
    )
    holes = Log(holes.table.cast(schema), "memory")
    again = log_of_frame(frame_of_log(holes))
    for name in holes.table.column_names:
        assert again.table[name].to_pylist() == holes.table[name].to_pylist(), name
    assert again.reward_range == (-1.0, 3.0)
    assert again.world == {"scenario": "mornings"}
    assert log_of_frame(frame_of_log(holes), reward_range=(-1, 2)).reward_range == (-1.0, 2.0)
