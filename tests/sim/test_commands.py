"""`python -m sim`: what it writes, what it refuses, and people who use a real server."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journal import Log, read_log
from journal.states import read_states
from replay import audit
from sim.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
WORLD = ["--scenario", "steady", "--users", 4, "--days", 4]


def spawn(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`python -m sim …` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sim", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["log.parquet", "log.arrow"])
def test_generate_writes_a_log(run: Callable, tmp_path: Path, name: str) -> None:
    """With --json one object: where, how many, which world."""
    out = tmp_path / name
    done = run("generate", *WORLD, "--policy", "random", "--seed", 3, "--out", out, "--json")
    assert (done.code, done.err) == (0, "")
    log: Log = read_log(out)
    assert done.json == {
        "log": str(out), "decisions": len(log),
        "scenario": "steady", "users": 4, "days": 4, "seed": 3, "reward_window_s": 86_400,
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == [out]
    again = run("generate", *WORLD, "--policy", "random", "--seed", 3, "--out", tmp_path / "b")
    assert again.out == f"{tmp_path / 'b'}: {len(log)} decisions of 4 people, steady\n"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--scenario", "none"), "scenario: must be one of steady"),
        (("--users", 0), "--users: must be 1 to 100000"),
        (("--users", -3), "--users"),
        (("--users", "many"), "--users"),
        (("--days", 0), "--days: must be 1 to 3650"),
        (("--days", 3_000_000), "--days: must be 1 to 3650"),
        (("--policy", "none"), "policy: must be one of"),
        (("--policy", "linucb:epsilon=2"), "epsilon"),
        (("--reward-window", "soon"), "reward window"),
        (("--surprise",), "--surprise"),
    ],
)
@pytest.mark.parametrize("command", ["generate", "run"])
def test_a_bad_option_is_refused_in_one_line(
    refused: Callable, tmp_path: Path, command: str, options: tuple, named: str
) -> None:
    """Exit 2, the option named, nothing written."""
    given = ["--policy", "random"] if "--policy" not in options else []
    out = ["--out", tmp_path / "log.parquet"] if command == "generate" else []
    assert named in refused(command, *WORLD, *given, *out, *options)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused(refused: Callable, tmp_path: Path) -> None:
    """A directory that is not there, one that is a file, a log that is a directory."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "taken").mkdir()
    for where in ("absent/log.parquet", "file/log.parquet", "taken"):
        said = refused("generate", *WORLD, "--policy", "random", "--out", tmp_path / where)
        assert str(tmp_path) in said
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "taken"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_world_in_which_nobody_asks_is_refused(refused: Callable, tmp_path: Path) -> None:
    """No decision, no log: one line, and no file."""
    for seed in range(200):
        from sim.plan import World

        if not World("steady", 1, 1, seed).plan(0).sessions:
            break
    quiet = ["--scenario", "steady", "--users", 1, "--days", 1, "--seed", seed]
    refused("run", *quiet, "--policy", "random")
    refused("generate", *quiet, "--policy", "random", "--out", tmp_path / "log.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [(), ("generate",), ("run",), ("play",)])
def test_every_help_ends_with_an_example(command: tuple[str, ...]) -> None:
    """In a process of its own."""
    done = spawn(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Example:" in done.stdout


# ---- people who use a server


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_people_use_a_server(serve: Callable[..., Any], tmp_path: Path, scenario: str) -> None:
    """Exactly as many tips as were asked for; afterwards every one is rebuilt."""
    server = serve(tmp_path, policy="linucb:epsilon=0.2")
    asked = ["--scenario", scenario, "--url", server.url, "--decisions", 60, "--users", 7]
    done = spawn("play", *asked, "--seed", 3, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert list(found) == [
        "decisions", "answered", "closed", "policies", "question", "mean_reward",
        "truth_deployed", "score_ms_median", "score_ms_max",
    ]  # fmt: skip
    assert found["decisions"] == 60
    assert 0 < found["answered"] <= 60
    assert found["closed"] == 0
    assert found["policies"] == [server.spec]
    assert found["question"] == "value if deployed"
    assert -1 <= found["truth_deployed"] <= 1
    assert 0 < found["score_ms_median"] <= found["score_ms_max"]
    assert server.counts() == [(60,), (found["answered"],), (0,)]
    assert server.stop() == (0, "")
    log = read_log(server.journal, values=False)
    audited = audit(log, read_states(server.states))
    assert audited.ok, audited.failures
    assert audited.rebuilt == 60
    rewards = [f.reward for i in range(60) if (f := log.feedback_of(i)) is not None]
    assert found["mean_reward"] == pytest.approx(sum(rewards) / 60)


def test_playing_in_plain_words(run: Callable, serve: Callable[..., Any], tmp_path: Path) -> None:
    """A sentence a person can read, no warning; one decision of one person is enough."""
    server = serve(tmp_path)
    asked = ["--scenario", "steady", "--url", server.url + "/", "--decisions", 1, "--users", 1]
    done = run("play", *asked)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("1 decisions, ")
    assert "value if deployed" in done.out


def test_no_server_is_said_in_one_line(refused: Callable) -> None:
    """A closed port, something that is no scorer, no URL at all."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    assert url in refused("play", "--scenario", "steady", "--url", url)
    for bad in ("localhost:8080", "https://127.0.0.1", "http://", ""):
        assert "--url" in refused("play", "--scenario", "steady", "--url", bad)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http://[::1", "http://a b"])
def test_what_is_no_url_is_refused_in_one_line(refused: Callable, url: str) -> None:
    """A port that is no number, half an address, a space."""
    assert "--url" in refused("play", "--scenario", "steady", "--url", url)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--decisions", 0), "--decisions: must be at least 1"),
        (("--users", 0), "--users: must be at least 1"),
        (("--scenario", "none"), "scenario: must be one of"),
    ],
)  # fmt: skip
def test_a_bad_play_is_refused_in_one_line(
    refused: Callable, options: tuple[str, object], named: str
) -> None:
    """Before anybody is asked anything."""
    url = "http://127.0.0.1:9"
    assert named in refused("play", "--scenario", "steady", "--url", url, *options)
