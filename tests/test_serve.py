"""serve.py from outside: a real process, real HTTP, the contract of docs/serving.md."""

import json
import re
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies.features import FEATURES

POLICY = "linucb:epsilon=0.3"
TASK = {"id": "t9", "project_id": "work", "priority": 4, "due": {"date": "2026-11-22"}}


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


@pytest.fixture(scope="module")
def server(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serve(tmp_path_factory.mktemp("served"), policy=POLICY)


def test_it_says_that_it_lives_and_is_ready(server: Any) -> None:
    """GET /healthz and /readyz, with the policy's canonical spec."""
    assert server.send("GET", "/healthz") == (200, {"status": "ok"})
    ready = {"ready": True, "policy": server.spec, "features": "tip-v1"}
    assert server.send("GET", "/readyz") == (200, ready)
    assert server.spec == "linucb:alpha=1.0,epsilon=0.3,lambda=1.0,arm=own,seed=0"


def test_a_score_has_every_key_and_a_true_propensity(
    server: Any, ask: Any, rng: np.random.Generator
) -> None:
    """pscore is pmf[index], the pmf sums to 1, the id is a time and 128 bits."""
    for _ in range(20):
        body = ask(rng, "keys", k=4)
        status, reply = server.post("/score", body)
        assert status == 200
        assert list(reply) == [
            "decision_id", "action", "pscore", "pmf", "scores", "policy", "features", "state_seq",
        ]  # fmt: skip
        assert re.fullmatch(r"[0-9a-f]{44}", reply["decision_id"])
        assert reply["action"]["id"] == f"t{reply['action']['index']}"
        assert reply["pscore"] == reply["pmf"][reply["action"]["index"]] > 0
        assert sum(reply["pmf"]) == pytest.approx(1, abs=1e-12)
        assert len(reply["scores"]) == len(reply["pmf"]) == 4
        assert (reply["policy"], reply["features"]) == (server.spec, "tip-v1")


def test_a_raw_task_is_encoded_as_its_features(server: Any) -> None:
    """Id and arm come from the task; 09:00 in Paris, urgent, overdue since yesterday."""
    angle = 2 * np.pi * 9 / 24
    values = [np.sin(angle), np.cos(angle), 1, 0, 1]
    features = {f.name: float(v) for f, v in zip(FEATURES, values, strict=True)}
    raw = {
        "user_id": "task",
        "now": "2026-11-23T08:00:00Z",
        "timezone": "Europe/Paris",
        "candidates": [{"task": TASK}, {"id": "f", "arm": "work", "features": features}],
    }
    status, reply = server.post("/score", raw)
    assert status == 200
    assert reply["scores"][0] == pytest.approx(reply["scores"][1])
    query = "SELECT candidates, context FROM decisions WHERE user_id = 'task'"
    ((candidates, context),) = rows(server.journal, query)
    assert json.loads(candidates) == {"ids": ["t9", "f"], "arms": ["work", "work"]}
    np.testing.assert_allclose(np.frombuffer(context).reshape(2, 5), [values] * 2, atol=1e-15)


def test_one_connection_serves_many_requests(
    server: Any, ask: Any, rng: np.random.Generator
) -> None:
    """Keep-alive, between good requests and bad ones."""
    connection = server.connect()
    connection.connect()
    socket_used = connection.sock
    for i in range(50):
        body = ask(rng, "many") if i % 3 else {"user_id": "many"}
        status, _ = server.send("POST", "/score", body, connection)
        assert status == (200 if i % 3 else 400)
        assert connection.sock is socket_used
    connection.close()


def test_a_reply_leaves_in_one_write(server: Any, ask: Any, rng: np.random.Generator) -> None:
    """Head and body arrive together: no delayed acknowledgement between them."""
    body = json.dumps(ask(rng, "whole")).encode()
    head = f"POST /score HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((server.host, server.port), timeout=30) as raw:
        for _ in range(20):
            raw.sendall(head + body)
            got, _, rest = raw.recv(1 << 16).partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", got)
            assert length is not None
            assert len(rest) == int(length[1])


def test_a_retry_gets_the_same_decision_and_another_body_409(
    server: Any, ask: Any, rng: np.random.Generator
) -> None:
    """By request_id, whatever the order of keys; of another user it is another."""
    body = ask(rng, "retry", request_id="r1")
    first = server.post("/score", body)
    server.post("/reward", {"decision_id": first[1]["decision_id"], "feedback": "done"})
    assert server.post("/score", body) == first
    assert server.post("/score", dict(reversed(body.items()))) == first
    status, said = server.post("/score", ask(rng, "retry", request_id="r1"))
    assert (status, said["error"]["code"], said["error"]["field"]) == (
        409,
        "conflict",
        "request_id",
    )
    other = server.post("/score", {**body, "user_id": "other"})
    assert other[1]["decision_id"] != first[1]["decision_id"]


def test_a_reward_is_applied_once(server: Any, ask: Any, rng: np.random.Generator) -> None:
    """200, a duplicate 200, another value 409, an unknown decision 404."""
    name = server.post("/score", ask(rng, "once"))[1]["decision_id"]
    done = {"decision_id": name, "feedback": "done"}
    assert server.post("/reward", done) == (200, {"applied": True, "state_seq": 1})
    again = {"applied": False, "duplicate": True, "state_seq": 1}
    assert server.post("/reward", done) == (200, again)
    for body, expected in (
        ({**done, "feedback": "snooze"}, (409, "conflict")),
        ({"decision_id": "0" * 32, "feedback": "done"}, (404, "unknown")),
    ):
        status, said = server.post("/reward", body)
        assert (status, said["error"]["code"]) == expected
        assert said["error"]["field"] == "decision_id"


def test_a_number_is_a_reward(server: Any, ask: Any, rng: np.random.Generator) -> None:
    """Stored as given, with no word; whole numbers too."""
    for reward in (0.25, -1, 1, 0, -0.0, 1e-300):
        name = server.post("/score", ask(rng, "number"))[1]["decision_id"]
        assert server.post("/reward", {"decision_id": name, "reward": reward})[0] == 200
        found = rows(server.journal, f"SELECT * FROM feedback WHERE decision_id = '{name}'")
        assert found[0][2:4] == (None, reward)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-11-23T09:00:00+01:00", 1_795_420_800_000_000),
        ("2026-11-23T08:00:00.000003Z", 1_795_420_800_000_003),
        ("2026-11-23T08:00:00.123457Z", 1_795_420_800_123_457),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_answered_at_is_kept_to_the_microsecond(
    server: Any, ask: Any, rng: np.random.Generator, text: str, micros: int
) -> None:
    """The person's own word, beside the server's time of arrival."""
    name = server.post("/score", ask(rng, "when"))[1]["decision_id"]
    body = {"decision_id": name, "feedback": "done", "answered_at": text}
    assert server.post("/reward", body)[0] == 200
    query = f"SELECT answered_at, feedback_at FROM feedback WHERE decision_id = '{name}'"
    ((answered_at, feedback_at),) = rows(server.journal, query)
    assert answered_at == micros
    assert abs(feedback_at / 1e6 - time.time()) < 3600


def test_scores_beyond_every_number_are_told_or_refused(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """A bonus that overflows: a reply, and no decision that nobody was told of."""
    huge = serve(tmp_path, policy="linucb:alpha=1e308,lambda=1e-6")
    status, _ = huge.post("/score", ask(rng, k=3))
    assert huge.counts()[0] == (int(status == 200),)
