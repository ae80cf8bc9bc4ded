"""serve.py for who runs it: figures, logs, the token, draining, limits, slow clients."""

import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving import connection as limits
from serving.server import QUEUE_LIMIT
from tests.test_serve_life import refused
from tests.test_serve_workers import figures

TOKEN = "correct-horse-battery"


@pytest.fixture
def server(serve: Callable[..., Any], tmp_path: Path) -> Any:
    return serve(tmp_path, policy="linucb:epsilon=0.3")


def raw(body: bytes, path: str = "/score", more: str = "") -> bytes:
    """A request's bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: h\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


# ---- figures and logs


def test_the_figures_are_what_happened(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """Requests by endpoint and status, decisions, rewards by kind, duplicates, late, expired."""
    server = serve(tmp_path, "--reward-window", "1s", policy="random")
    body = ask(rng, request_id="r")
    names = [server.post("/score", b)[1]["decision_id"] for b in (body, body, ask(rng), ask(rng))]
    for answer in ({"feedback": "done"}, {"feedback": "done"}, {"reward": 0.5}):
        server.post("/reward", {"decision_id": names[0], **answer})
    server.post("/reward", {"decision_id": names[2], "reward": 0.5})
    server.post("/reward", {"decision_id": "0" * 32, "reward": 0.5})
    time.sleep(1.01)
    server.post("/reward", {"decision_id": names[3], "feedback": "snooze"})
    server.send("GET", "/nowhere")
    found = figures(server)
    assert {name: value for name, value in found.items() if value and "_total" in name} == {
        'tipbandit_requests_total{endpoint="/score",status="200"}': 4,
        'tipbandit_requests_total{endpoint="/reward",status="200"}': 3,
        'tipbandit_requests_total{endpoint="/reward",status="404"}': 1,
        'tipbandit_requests_total{endpoint="/reward",status="409"}': 1,
        'tipbandit_requests_total{endpoint="/reward",status="410"}': 1,
        'tipbandit_requests_total{endpoint="other",status="404"}': 1,
        'tipbandit_decisions_total{policy="random"}': 3,
        'tipbandit_rewards_total{kind="done"}': 1,
        'tipbandit_rewards_total{kind="number"}': 1,
        'tipbandit_duplicates_total{of="score"}': 1,
        'tipbandit_duplicates_total{of="reward"}': 1,
        "tipbandit_late_total": 1,
        "tipbandit_unknown_total": 1,
        "tipbandit_expired_total": 1,
        "tipbandit_rebuilds_total": 1,
        "tipbandit_commits_total": 10,
        "tipbandit_committed_calls_total": 10,
    }
    assert found['tipbandit_request_seconds_bucket{endpoint="/score",le="+Inf"}'] == 4
    assert 0 < found['tipbandit_request_seconds_sum{endpoint="/score"}'] < 60
    size = sum(p.stat().st_size for p in tmp_path.iterdir() if p.name in ("live.db", "live.db-wal"))
    assert found["tipbandit_journal_bytes"] == size


def test_a_line_a_request_without_its_contents(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """JSON; neither tasks nor ids of people nor unknown paths are in it."""
    server = serve(tmp_path, "--log-requests")
    secret = "pay-the-dentist"
    body = ask(rng, secret)
    body["candidates"][0]["id"] = secret
    assert server.post("/score", body)[0] == 200
    assert server.post("/score", {**body, secret: secret})[0] == 400
    assert server.send("GET", f"/{secret}")[0] == 404
    code, said = server.stop()
    lines = [json.loads(line) for line in said.splitlines()]
    assert (code, secret in said) == (0, False)
    assert [(x["event"], x["path"], x["status"], x.get("code")) for x in lines] == [
        ("request", "/score", 200, None),
        ("request", "/score", 400, "bad_input"),
        ("request", "other", 404, "not_found"),
    ]
    assert all(0 <= x["ms"] < 60_000 for x in lines)


def test_a_stderr_that_nobody_reads_fails_no_request(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """Its reader is gone, and a line a request is still to be written."""
    server = serve(tmp_path, "--log-requests")
    assert server.process.stderr is not None
    server.process.stderr.close()
    for _ in range(3):
        assert server.post("/score", ask(rng))[0] == 200
    server.connection.close()
    server.process.terminate()
    assert server.process.wait(timeout=30) == 0


# ---- the token


def test_the_token_is_needed_where_it_is_set(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """401 before a body is read; the probes need none; nothing is written without it."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    server = serve(tmp_path, "--token-file", str(file))
    body = ask(rng)
    for wrong in (None, TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"):
        headers = {} if wrong is None else {"Authorization": wrong}
        connection = server.connect()
        status, said = server.send("POST", "/score", body, connection, **headers)
        assert (status, said["error"]["code"]) == (401, "unauthorized")
        assert server.headers["WWW-Authenticate"] == "Bearer"
        assert TOKEN not in json.dumps(said)
        connection.close()
    assert server.counts()[0] == (0,)
    assert server.send("GET", "/openapi.json", None, server.connect())[0] == 401
    for path in ("/healthz", "/readyz"):
        assert server.send("GET", path)[0] == 200
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert server.send("POST", "/score", body, None, **right)[0] == 200


@pytest.mark.parametrize("token", ["short", "with spaces in between", "x" * 300, ""])
def test_a_weak_token_is_refused(tmp_path: Path, token: str) -> None:
    """And not printed."""
    file = tmp_path / "token"
    file.write_text(token)
    ok = ["--policy", "random", "--state", str(tmp_path / "s"), "--journal", str(tmp_path / "j.db")]
    said = refused(*ok, "--token-file", str(file))
    assert "16 to 256" in said
    assert not token or token not in said


def test_beyond_loopback_a_token_is_needed(tmp_path: Path) -> None:
    """Said before anything listens."""
    ok = ["--policy", "random", "--state", str(tmp_path / "s"), "--journal", str(tmp_path / "j.db")]
    said = refused(*ok, "--host", "0.0.0.0", "--port", "0")
    assert "0.0.0.0:0" in said
    assert "TIPBANDIT_TOKEN" in said


# ---- the end


def test_sigterm_lets_what_came_finish(server: Any, ask: Any, rng: np.random.Generator) -> None:
    """A request half sent when the signal comes is answered; a later one is 503; exit 0."""
    body = raw(json.dumps(ask(rng)).encode())
    with (
        socket.create_connection((server.host, server.port), timeout=30) as slow,
        socket.create_connection((server.host, server.port), timeout=30) as healthy,
    ):
        slow.sendall(body[:-5])
        healthy.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        slow.sendall(body[-5:])
        assert b"503" in slow.recv(1 << 16).split(b"\r\n")[0]
        healthy.sendall(b"\r\n")
        assert b"200" in healthy.recv(1 << 16).split(b"\r\n")[0]
    began = time.monotonic()
    assert server.stop() == (0, "")
    assert time.monotonic() - began < 10


def test_sigterm_under_load_loses_nothing(server: Any, ask: Any) -> None:
    """Every 200 is in the journal, every other reply is a 503 or a closed connection."""
    told: list[str] = []

    def live(n: int) -> None:
        rng, connection = np.random.default_rng(n), server.connect()
        try:
            while True:
                status, reply = server.send("POST", "/score", ask(rng, f"u{n}"), connection)
                if status != 200:
                    assert (status, reply["error"]["code"]) == (503, "stopping")
                    return
                told.append(reply["decision_id"])
        except OSError:
            return
        finally:
            connection.close()

    threads = [threading.Thread(target=live, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert server.stop() == (0, "")
    for thread in threads:
        thread.join()
    assert told
    assert server.counts()[0] == (len(told),)


# ---- limits


@pytest.fixture
def many_files() -> Iterator[None]:
    """Enough descriptors in this process for a crowd of connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_a_queue_that_is_full_says_so(server: Any, ask: Any, rng: np.random.Generator) -> None:
    """600 requests that come while the process stands still: 512 are decided, the others 503."""
    body = raw(json.dumps(ask(rng)).encode())
    count = QUEUE_LIMIT + 88
    statuses = []
    with ExitStack() as stack:
        wires = [
            stack.enter_context(socket.create_connection((server.host, server.port), timeout=60))
            for _ in range(count)
        ]
        for wire in wires[:10]:
            wire.sendall(body)
            wire.recv(1 << 16)
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            for wire in wires:
                wire.sendall(body)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        statuses = [wire.recv(1 << 16).split(b" ", 2)[1] for wire in wires]
    assert set(statuses) <= {b"200", b"503"}
    assert server.counts()[0] == (10 + statuses.count(b"200"),)
    assert statuses.count(b"200") >= QUEUE_LIMIT
    assert server.send("GET", "/healthz")[0] == 200


@pytest.mark.usefixtures("many_files")
def test_connections_beyond_the_limit_are_told(serve: Callable[..., Any], tmp_path: Path) -> None:
    """503 at once; when others leave, there is room again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))  # the server's limit is 64 then
    try:
        server = serve(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(socket.create_connection((server.host, server.port)))
        with socket.create_connection((server.host, server.port), timeout=30) as extra:
            assert b"503" in extra.recv(1 << 16).split(b"\r\n")[0]
    time.sleep(0.2)
    assert server.send("GET", "/healthz")[0] == 200
    assert figures(server)["tipbandit_refused_connections_total"] == 1


def test_who_is_slow_is_cut_off(server: Any) -> None:
    """A head or a body that trickles, a connection that says nothing: the time for one request."""
    assert limits.READ_S == 10
    body = raw(b"{" + b" " * 100)
    parts = [b"", body[:20], body[:-50]]
    wires = [socket.create_connection((server.host, server.port), timeout=30) for _ in parts]
    began = time.monotonic()
    for wire, part in zip(wires, parts, strict=True):
        wire.sendall(part)
    for wire, part in zip(wires, parts, strict=True):
        with wire:
            got = wire.recv(1 << 16)
            assert got.startswith(b"HTTP/1.1 408 ") if part else got == b""
    assert 9 < time.monotonic() - began < 20
    assert figures(server)["tipbandit_cut_off_total"] == 3
