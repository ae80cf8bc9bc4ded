"""serve.py over its life: restarts, kills, crowds, and the options it refuses."""

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.states import read_states
from policies import make
from policies.features import FEATURES
from policies.loop import UserLoop
from policies.state import UserState, to_json
from replay import audit, train

ROOT = Path(__file__).resolve().parents[1]
POLICY = "linucb:epsilon=0.3"


class Twin:
    """The loop of one user in this process: what the server said must be what it says."""

    def __init__(self, ask: Any, user: str = "u") -> None:
        self.ask = ask
        self.loop = UserLoop(UserState.empty(user, "tip-v1", 5))

    def decide(self, body: Any, reply: Any) -> None:
        candidates = body["candidates"]
        context = np.array([[c["features"][f.name] for f in FEATURES] for c in candidates])
        ids, arms = [c["id"] for c in candidates], [c["arm"] for c in candidates]
        name, policy = reply["decision_id"], make(reply["policy"])
        mine, scores = self.loop.decide(policy, name, 0, ids, arms, context, None)
        assert reply["pmf"] == mine.pmf.tolist()
        assert reply["scores"] == scores.tolist()
        assert reply["action"] == {"id": ids[mine.action], "index": mine.action}
        assert reply["state_seq"] == mine.state_seq

    def live(self, server: Any, rng: np.random.Generator, steps: int) -> None:
        """Decisions, most of them answered, each checked."""
        for _ in range(steps):
            body = self.ask(rng, self.loop.state.user_id)
            status, reply = server.post("/score", body)
            assert status == 200
            self.decide(body, reply)
            if rng.random() < 0.8:
                reward, name = float(rng.uniform(-1, 1)), reply["decision_id"]
                status, said = server.post("/reward", {"decision_id": name, "reward": reward})
                seq = self.loop.answer(name, None, reward, 0).seq
                assert (status, said) == (200, {"applied": True, "state_seq": seq})


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def audited(server: Any) -> int:
    """Everything in the journal is rebuilt bit for bit; how many decisions there are."""
    found = audit(read_log(server.journal, values=False), read_states(server.states))
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions
    return found.decisions


# ---- restarts


@pytest.mark.parametrize("jit", ["1", "0"])
def test_a_restart_goes_on_where_it_was(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator, jit: str
) -> None:
    """SIGTERM, exit 0, and again: pmf, scores and state_seq of a loop that never stopped.

    Without the JIT too: the loop beside it is compiled.
    """
    twin = Twin(ask)
    for how in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        server = serve(tmp_path, policy=POLICY, TIPBANDIT_JIT=jit)
        twin.live(server, rng, 12)
        assert server.stop(how) == (0, "")
        (state,) = read_states(server.states).values()
        assert to_json(train(read_log(server.journal))["u"]) == to_json(state)
        assert state.seq == twin.loop.state.seq
    assert audited(server) == 36


def test_nothing_acknowledged_is_lost_by_a_kill(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """kill -9 right after a reply, three times: every decision and answer is there."""
    twin = Twin(ask)
    for _ in range(3):
        server = serve(tmp_path, policy=POLICY)
        twin.live(server, rng, 20)
        assert server.stop(signal.SIGKILL)[0] == -signal.SIGKILL
        query = "SELECT count(*), (SELECT max(seq) FROM feedback) FROM decisions"
        ((decisions, seq),) = rows(server.journal, query)
        assert seq == twin.loop.state.seq
    assert decisions == audited(server) == 60


def test_an_answer_after_the_window_is_kept_and_not_folded(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """410 each time; the user's next request folds the silence first."""
    server = serve(tmp_path, "--reward-window", "1s", policy=POLICY)
    names = [server.post("/score", ask(rng))[1]["decision_id"] for _ in range(3)]
    time.sleep(1.01)
    for word in ("done", "snooze"):
        status, said = server.post("/reward", {"decision_id": names[0], "feedback": word})
        assert (status, said["error"]["code"]) == (410, "closed")
        assert said["error"]["field"] == "decision_id"
    assert server.post("/score", ask(rng))[1]["state_seq"] == 3
    kept = rows(server.journal, "SELECT decision_id, feedback FROM late")
    assert kept == [(names[0], "done"), (names[0], "snooze")]
    assert server.stop()[0] == 0
    assert audited(server) == 4


# ---- crowds


def test_many_clients_at_once_leave_a_journal_that_holds(
    serve: Callable[..., Any], tmp_path: Path, ask: Any
) -> None:
    """Eight connections, users of their own and one that all share: every record rebuilt."""
    server = serve(tmp_path, policy=POLICY)
    done: list[tuple[str, str, int]] = []

    def live(n: int) -> None:
        rng = np.random.default_rng(n)
        connection = server.connect()
        for i in range(30):
            user = "shared" if i % 2 else f"u{n}"
            status, reply = server.send("POST", "/score", ask(rng, user), connection)
            assert status == 200
            body = {"decision_id": reply["decision_id"], "feedback": "done"}
            status, said = server.send("POST", "/reward", body, connection)
            assert status == 200
            done.append((user, reply["decision_id"], said["state_seq"]))
        connection.close()

    threads = [threading.Thread(target=live, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.stop() == (0, "")
    assert len(done) == audited(server) == 240
    query = "SELECT user_id, decision_id, seq FROM feedback"
    assert sorted(rows(server.journal, query)) == sorted(done)
    for user in {user for user, _, _ in done}:
        seqs = sorted(seq for name, _, seq in done if name == user)
        assert seqs == list(range(1, len(seqs) + 1))
    assert len(read_states(server.states)) == 9


def test_one_request_sent_by_many_at_once_is_one_decision(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """The same request_id from eight connections: one decision, one reply for all."""
    server = serve(tmp_path, policy=POLICY)
    body, replies = ask(rng, request_id="once"), []

    def send() -> None:
        connection = server.connect()
        replies.append(server.send("POST", "/score", body, connection))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [replies[0]] * 8
    assert rows(server.journal, "SELECT count(*) FROM decisions") == [(1,)]


# ---- the command line


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """serve.py that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-W", "error", "serve.py", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(*options: str) -> str:
    """The one line of what is refused with exit code 2."""
    done = run(*options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("serve.py: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--policy", "nonesuch"), "policy: must be one of random, linucb"),
        (("--policy", "linucb:alpha=-1"), "alpha"),
        (("--policy", "linucb:epsilon=0"), "--allow-deterministic"),
        (("--workers", "0"), "--workers: must be 1 to 64"),
        (("--workers", "many"), "--workers"),
        (("--port", "99999"), "--port: must be 0 to 65535"),
        (("--port", "-1"), "--port"),
        (("--reward-window", "soon"), "reward window: must look like"),
        (("--reward-window", "0s"), "reward window"),
        (("--surprise",), "--surprise"),
    ],
)
def test_a_bad_option_is_refused_in_one_line_and_nothing_is_made(
    tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    """Exit 2, the option named, no journal and no states."""
    given = ["--policy", "random", "--state", str(tmp_path / "s"), "--port", "0"]
    said = refused(*given, "--journal", str(tmp_path / "j.db"), *options)
    assert named in said
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_named() -> None:
    """--state and --journal have no default, and something must decide."""
    said = refused()
    for option in ("--state", "--journal"):
        assert option in said
    assert "--policy" in refused("--state", "s", "--journal", "j.db")


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    """A journal that is none, a directory that is not there, states that are a file."""
    (tmp_path / "text").write_text("no journal\n" * 100)
    ok = ["--policy", "random", "--port", "0"]
    states, text = str(tmp_path / "s"), str(tmp_path / "text")
    assert text in refused(*ok, "--state", states, "--journal", text)
    absent = str(tmp_path / "absent" / "j.db")
    assert absent in refused(*ok, "--state", states, "--journal", absent)
    assert text in refused(*ok, "--state", text, "--journal", str(tmp_path / "j.db"))
    assert (tmp_path / "text").read_text() == "no journal\n" * 100


def test_an_address_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    """A port in use, a host that is not ours."""
    ok = ["--policy", "random", "--state", str(tmp_path), "--journal", str(tmp_path / "j.db")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in refused(*ok, "--port", str(port))
    assert "192.0.2.1:0" in refused(*ok, "--host", "192.0.2.1", "--port", "0")


def test_a_deterministic_policy_is_served_when_told_so(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """--allow-deterministic: pscore 1."""
    server = serve(tmp_path, "--allow-deterministic", policy="linucb:epsilon=0")
    first = server.post("/score", ask(rng, k=1))[1]
    assert (first["pmf"], first["pscore"]) == ([1.0], 1.0)


def test_the_help_ends_with_an_example() -> None:
    """One that can be pasted."""
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Example: python serve.py" in " ".join(done.stdout.split())


def test_importing_it_loads_nothing_heavy() -> None:
    """None of what only the offline side needs."""
    heavy = ("pandas", "pyarrow", "scipy", "sklearn")
    code = f"import sys, serve; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
