"""Usage that means nothing is refused in one line, before anything is written."""

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import replay.evaluation
import replay.history.training
from journal import Log, write_log

RANDOM = ("--policy", "random")

OPTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "no policy": ((), "--policy: give at least one policy or --pmf"),
    "unknown policy": (
        ("--policy", "greedy"),
        "policy: must be one of random, linucb, epsilon-greedy, lin-ts, beta-ts or module:Class",
    ),
    "no policy's name": (("--policy", "a b"), "policy: must look like name:key=value"),
    "empty policy": (("--policy", ""), "policy: must look like name:key=value"),
    "no module": (("--policy", "no.such:Thing"), "policy 'no.such:Thing': cannot be imported"),
    "no class": (("--policy", "os.path:Thing"), "policy 'os.path:Thing': cannot be imported"),
    "no dataclass": (("--policy", "os.path:join"), "policy 'os.path:join': must name a dataclass"),
    "unknown parameter": (
        ("--policy", "linucb:beta=1"),
        "policy 'linucb': parameters are alpha, epsilon, lambda, arm, seed, prior as "
        "key=value, found 'beta=1'",
    ),
    "parameter twice": (
        ("--policy", "linucb:alpha=1,alpha=2"),
        "policy 'linucb': each parameter may be given once, found 'alpha'",
    ),
    "no number": (
        ("--policy", "linucb:alpha=much"),
        "policy 'linucb': alpha: must be a number, found 'much'",
    ),
    "alpha": (("--policy", "linucb:alpha=-1"), "linucb: alpha: must be finite and not negative"),
    "epsilon": (("--policy", "linucb:epsilon=2"), "linucb: epsilon: must be "),
    "lambda": (("--policy", "linucb:lambda=0"), "linucb: lambda: must be at least 1e-06"),
    "second of two": ((*RANDOM, "--policy", "greedy"), "found 'greedy'"),
    "against": ((*RANDOM, "--against", "best"), "found 'best'"),
    "since": ((*RANDOM, "--since", "yesterday"), "--since: must be an RFC 3339 time such as"),
    "since a date": ((*RANDOM, "--since", "2026-01-19"), "--since: must be an RFC 3339 time"),
    "since floating": (
        (*RANDOM, "--since", "2026-01-19T00:00:00"),
        "--since: needs a UTC offset such as Z or +01:00, found '2026-01-19T00:00:00'",
    ),
    "since later": (
        (*RANDOM, "--since", "2100-01-01T00:00:00Z"),
        "no decision is left to evaluate, found 0",
    ),
    "as-of": ((*RANDOM, "--as-of", "25:00"), "--as-of: must be an RFC 3339 time such as"),
    "as-of earlier": (
        (*RANDOM, "--as-of", "1999-01-01T00:00:00+14:00"),
        "no decision is left to evaluate, found 0",
    ),
    "learn": ((*RANDOM, "--learn", "all"), "'all' is not one of"),
    "estimator": (
        (*RANDOM, "--estimators", "ips,magic"),
        "switch-dr, dros, cressie-read, adaptive, found 'magic'",
    ),
    "no estimator": ((*RANDOM, "--estimators", ""), "--estimators: must be of auto"),
    "interval": (
        (*RANDOM, "--interval", "wide"),
        "--interval: must be one of cluster-t, bootstrap, cressie-read, auto, anytime, martingale, "
        "found 'wide'",
    ),
    "level 2": ((*RANDOM, "--level", "2"), "--level: must be between 0 and 1, found 2.0"),
    "level 0": ((*RANDOM, "--level", "0"), "--level: must be between 0 and 1, found 0.0"),
    "level nan": ((*RANDOM, "--level", "nan"), "--level: must be between 0 and 1, found nan"),
    "level high": ((*RANDOM, "--level", "high"), "Invalid value for '--level': "),
    "seed": ((*RANDOM, "--seed", "1.5"), "Invalid value for '--seed': "),
    "unknown option": ((*RANDOM, "--polcy", "x"), "No such option: --polcy"),
    "one argument too many": ((*RANDOM, "other.parquet"), "unexpected extra argument"),
    "no state": ((*RANDOM, "--state", "no/such/place"), "no/such/place: no such directory of"),
    "no pmf": (("--pmf", "no/such.parquet"), "no/such.parquet: no such file"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_bad_options(file: Path, refused: Callable, case: str) -> None:
    options, said = OPTIONS[case]
    line = refused("evaluate", file, *options, "--json", "--out", file.parent / "results")
    assert said in line


def test_commands_that_are_none(refused: Callable, file: Path) -> None:
    assert "No such command 'evalute'" in refused("evalute", file)
    assert "Missing argument 'LOG'" in refused("validate")
    assert "Missing option '--out'" in refused("train", file)


def test_results_cannot_go_where_a_file_is(
    lives: Callable, refused: Callable, tmp_path: Path
) -> None:
    file, taken = tmp_path / "log.parquet", tmp_path / "taken"
    write_log(lives(window_s=None).log(), file)
    taken.write_text("mine")
    line = refused("evaluate", file, *RANDOM, "--json", "--out", taken)
    assert line == f"replay: {taken}: must be a directory\n"
    assert str(taken) in refused("evaluate", file, *RANDOM, "--json", "--out", taken / "below")


def test_notices_do_not_come_before_a_refusal(file: Path, refused: Callable) -> None:
    taken = file.parent / "taken"
    taken.write_text("mine")
    line = refused("evaluate", file, *RANDOM, "--json", "--out", taken)
    assert line == f"replay: {taken}: must be a directory\n"


def test_the_folder_is_looked_at_before_any_work(
    file: Path, refused: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(replay.evaluation, "evaluate", never)
    monkeypatch.setattr(replay.history.training, "train", never)
    (file.parent / "taken").write_text("mine")
    for out in (file.parent / "taken", file.parent / "taken" / "below" / "deep"):
        line = refused("evaluate", file, *RANDOM, "--out", out)
        assert line == f"replay: {file.parent / 'taken'}: must be a directory\n"
    line = refused("train", file, "--out", file.parent)
    assert line == f"replay: {file.parent}: must be a new or empty directory\n"


def test_a_path_that_is_no_text(file: Path, refused: Callable) -> None:
    path = os.fsdecode(os.fsencode(file.parent) + b"/\xff.parquet")
    file.rename(path)
    line = refused("evaluate", path, *RANDOM, "--json")
    assert line.endswith("udcff.parquet': must be UTF-8\n")


def test_a_behavior_that_is_no_policy_is_refused_by_any_log(file: Path, refused: Callable) -> None:
    assert "found 'best'" in refused("evaluate", file, *RANDOM, "--behavior", "best")


def test_a_state_that_is_no_directory_of_states(file: Path, refused: Callable) -> None:
    line = refused("evaluate", file, *RANDOM, "--state", file)
    assert line == f"replay: {file}: no such directory of states\n"
    states = file.parent / "states"
    states.mkdir()
    for text in ("{", "[]", '{"schema": 2}', '{"schema": 1}'):
        (states / "a.json").write_text(text)
        for command in (("evaluate", file, *RANDOM), ("audit", file)):
            assert f"replay: {states / 'a.json'}: " in refused(*command, "--state", states)


def test_a_state_of_other_features(log: Log, file: Path, run: Callable, refused: Callable) -> None:
    table = log.table.drop_columns(["features", "digest"])
    pq.write_table(table, file.parent / "other.parquet")
    assert run("train", file.parent / "other.parquet", "--out", file.parent / "states").code == 0
    line = refused("evaluate", file, *RANDOM, "--state", file.parent / "states")
    assert "must have learned from features tip-v1 as the log, found 'custom'" in line


def test_states_are_written_into_nothing_but_an_empty_directory(
    file: Path, refused: Callable
) -> None:
    line = refused("train", file, "--out", file.parent)
    assert line == f"replay: {file.parent}: must be a new or empty directory\n"
    early = "1999-01-01T00:00:00Z"
    line = refused("train", file, "--until", early, "--out", file.parent / "states")
    assert line == f"replay: {file}: holds no feedback to learn from before the given time\n"


PMFS = {
    "missing": (lambda d, p: (d[1:], p[1:]), "needs a pmf for every decision of the log, none"),
    "twice": (lambda d, p: ([*d, d[0]], [*p, p[0]]), "each decision_id may occur once"),
    "short": (lambda d, p: (d, [p[0][1:], *p[1:]]), "needs one probability a candidate, ("),
    "null": (lambda d, p: (d, [None, *p[1:]]), "needs one probability a candidate, ("),
    "sum": (lambda d, p: (d, [[x / 2 for x in p[0]], *p[1:]]), "sum to 1 within 1e-06, found 0.5"),
    "negative": (lambda d, p: (d, [[-1, 2] + [0] * (len(p[0]) - 2), *p[1:]]), "not be negative"),
    "nan": (lambda d, p: (d, [[float("nan")] * len(p[0]), *p[1:]]), "sum to 1 within 1e-06"),
}


@pytest.mark.parametrize("case", PMFS)
def test_bad_files_of_pmfs(log: Log, file: Path, refused: Callable, case: str) -> None:
    change, said = PMFS[case]
    ids, pmf = change(log.decision_id, log.table["pmf"].to_pylist())
    where = file.parent / "pmf.parquet"
    pq.write_table(pa.table({"decision_id": ids, "pmf": pmf}), where)
    line = refused("evaluate", file, "--pmf", where, "--json")
    assert str(where) in line
    assert said in line


def test_a_file_of_pmfs_whose_ids_are_no_text(log: Log, file: Path, refused: Callable) -> None:
    where = file.parent / "pmf.parquet"
    ids = pa.array([b"\xff", *(d.encode() for d in log.decision_id[1:])], pa.binary())
    table = pa.table({"decision_id": ids.view(pa.string()), "pmf": log.table["pmf"]})
    pq.write_table(table, where)
    assert f"replay: {where}: is not a Parquet" in refused("evaluate", file, "--pmf", where)


def test_files_that_hold_no_pmfs(file: Path, refused: Callable) -> None:
    where = file.parent / "pmf.parquet"
    where.write_text("0.5, 0.5")
    line = refused("evaluate", file, "--pmf", where)
    assert line.startswith(f"replay: {where}: is not a Parquet file of pmfs")
    pq.write_table(pa.table({"decision_id": ["a"], "prob": [[1.0]]}), where)
    assert "needs the columns decision_id and pmf" in refused("evaluate", file, "--pmf", where)


def test_a_log_without_propensities(log: Log, refused: Callable, tmp_path: Path) -> None:
    path = tmp_path / "blind.parquet"
    pq.write_table(log.table.drop_columns(["pscore", "pmf", "digest"]), path)
    assert "found 'best'" in refused("evaluate", path, *RANDOM, "--behavior", "best")
    line = refused("evaluate", path, *RANDOM, "--learn", "replay")
    assert line == f"replay: {path}: rejection replay needs a propensity for every decision\n"


@pytest.mark.parametrize("case", ["missing", "truncated", "usage"])
def test_in_a_process_of_its_own(
    log: Log, refused: Callable, spawn: Callable, tmp_path: Path, case: str
) -> None:
    path = tmp_path / "log.parquet"
    if case == "truncated":
        write_log(log, path)
        path.write_bytes(path.read_bytes()[:5000])
    option = "--polcy" if case == "usage" else "--policy"
    line = refused("evaluate", path, option, "random", "--out", tmp_path / "results", by=spawn)
    said = {"missing": f"{path}: no such file", "truncated": f"{path}: is truncated or damaged"}
    assert line.startswith(f"replay: {said.get(case, 'No such option: --polcy')}")


def test_obd_folders_that_are_none(refused: Callable, tmp_path: Path) -> None:
    line = refused("evaluate", f"obd:{tmp_path}", *RANDOM)
    assert line == f"replay: obd:{tmp_path}: needs the file {tmp_path.name}.csv\n"
    for name, text in ((f"{tmp_path.name}.csv", "timestamp,item_id\n"), ("item_context.csv", "")):
        (tmp_path / name).write_text(text)
    line = refused("evaluate", f"obd:{tmp_path}", *RANDOM)
    assert line.startswith(f"replay: {tmp_path / tmp_path.name}.csv: needs a column position")
