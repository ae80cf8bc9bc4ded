"""Several processes over one journal: one order of things, whoever wrote them."""

import json
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from journal import read_log
from journal.states import read_states
from policies.state import to_json
from replay import audit, train

POLICY = "linucb:epsilon=0.3"


def figures(server: Any) -> dict[str, float]:
    """What /metrics says, by name and labels."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = reply.read().decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def workers(server: Any) -> list[int]:
    """The processes of a supervisor."""
    said = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in said.split()]


def crowd(servers: list[Any], ask: Any, steps: int) -> list[tuple[str, int, int]]:
    """Six clients of two users, each over connections to all; (user, state_seq, floor) told.

    The floor is the last state_seq of that user that anybody had been told before asking.
    """
    told: list[tuple[str, int, int]] = []
    latest = {"a": 0, "b": 0}

    def live(n: int) -> None:
        rng = np.random.default_rng(n)
        user = "ab"[n % 2]
        for i in range(steps):
            server = servers[(n + i) % len(servers)]
            connection = server.connect()  # any worker may take it
            floor = latest[user]
            status, reply = server.send("POST", "/score", ask(rng, user), connection)
            assert status == 200
            told.append((user, reply["state_seq"], floor))
            body = {"decision_id": reply["decision_id"], "feedback": "done"}
            status, said = server.send("POST", "/reward", body, connection)
            assert (status, said["applied"]) == (200, True)
            latest[user] = max(latest[user], said["state_seq"])
            connection.close()

    threads = [threading.Thread(target=live, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def holds(server: Any, decisions: int) -> None:
    """Audited, every state file the fold of the journal."""
    log, states = read_log(server.journal, values=False), read_states(server.states)
    found = audit(log, states)
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions == decisions
    for user, state in train(log).items():
        assert state.seq == decisions / 2
        assert to_json(states[user]) == to_json(state)


def test_workers_share_everything(serve: Callable[..., Any], tmp_path: Path, ask: Any) -> None:
    """No feedback lost or reordered, no score of a state older than what was acknowledged.

    /metrics of whichever worker counts for all of them.
    """
    server = serve(tmp_path, "--workers", "2", policy=POLICY)
    told = crowd([server], ask, 15)
    assert len(told) == 90
    assert all(seq >= floor for _, seq, floor in told)
    for _ in range(3):
        found = figures(server)
        assert found['tipbandit_requests_total{endpoint="/score",status="200"}'] == 90
        assert found['tipbandit_rewards_total{kind="done"}'] == 90
        assert found["tipbandit_committed_calls_total"] == 180
    assert server.stop() == (0, "")
    holds(server, 90)


def test_a_worker_that_dies_is_replaced(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """The port stays open, the figures do not count back, and stderr says so."""
    server = serve(tmp_path, "--workers", "2", policy=POLICY)
    for _ in range(4):
        assert server.post("/score", ask(rng))[0] == 200
    before = figures(server)["tipbandit_commits_total"]
    first = workers(server)
    assert len(first) == 2
    server.connection.close()
    os.kill(first[0], signal.SIGKILL)
    end = time.monotonic() + 30
    while set(workers(server)) in ({first[1]}, set(first)) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(set(workers(server)) - set(first)) == 1
    for _ in range(8):
        connection = server.connect()
        assert server.send("POST", "/score", ask(rng), connection)[0] == 200
        connection.close()
    assert figures(server)["tipbandit_commits_total"] == before + 8
    code, said = server.stop()
    ended = {"event": "worker_ended", "worker": 0, "code": -signal.SIGKILL}
    assert (code, [json.loads(line) for line in said.splitlines()]) == (0, [ended])


def test_workers_end_with_their_supervisor(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """kill -9 of the supervisor leaves nobody behind who holds the port."""
    server = serve(tmp_path, "--workers", "2", policy=POLICY)
    assert server.post("/score", ask(rng))[0] == 200
    pids = workers(server)
    assert server.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    end = time.monotonic() + 30
    while any(_runs(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return re.search(r"State:\s+Z", status.read_text()) is None
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_two_servers_share_a_journal(serve: Callable[..., Any], tmp_path: Path, ask: Any) -> None:
    """Each on a port of its own, both over one journal and one directory of states."""
    servers = [serve(tmp_path, policy=POLICY) for _ in range(2)]
    told = crowd(servers, ask, 10)
    assert all(seq >= floor for _, seq, floor in told)
    for server in servers:
        assert server.stop() == (0, "")
    holds(servers[0], 60)
