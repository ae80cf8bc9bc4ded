"""HTTP read by hand, against whatever may be sent: a reply that is meant, or the end."""

import asyncio
import json
import re
import socket
from collections.abc import Callable
from typing import Any

import h11
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.garbage import Garbage
from benchmarks.serve_garbage import Barrage, settled
from serving.http import HEAD_LIMIT, LINE_LIMIT, Broken, Head, read_head

BODIES = ("/score", "/reward", "/decision")
GOOD = b"POST /score?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}"


def post(body: bytes) -> bytes:
    """A whole POST /score."""
    head = f"POST /score HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def outcome(data: bytes) -> Head | int | None:
    """What is read: a head, the status of a refusal, or nothing yet."""
    try:
        return read_head(data)
    except Broken as error:
        return error.status


# ---- the parser alone


def test_a_head_is_read() -> None:
    """The path without its query, the size up to the body."""
    assert read_head(GOOD) == Head("POST", "/score", len(GOOD) - 2, 2, True, False, b"")


def test_a_head_that_comes_in_pieces_is_read_when_it_is_whole() -> None:
    """At every cut nothing, then the same."""
    end = GOOD.index(b"\r\n\r\n") + 4
    assert [read_head(GOOD[:cut]) for cut in range(end)] == [None] * end
    for cut in range(end, len(GOOD) + 1):
        assert read_head(GOOD[:cut]) == read_head(GOOD)


REFUSED = {
    "a bare line feed": b"GET /healthz HTTP/1.1\nHost: h\r\n\r\n",
    "a line feed in a value": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\nContent-Length: 5\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n",
    "a NUL": b"GET / HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n",
    "two lengths": GOOD.replace(b"X-A: b", b"Content-Length: 2"),
    "two other lengths": GOOD.replace(b"X-A: b", b"content-length: 7"),
    "a list of lengths": GOOD.replace(b": 2", b": 2, 2"),
    "a signed length": GOOD.replace(b": 2", b": +2"),
    "a spaced length": GOOD.replace(b": 2", b": 2 2"),
    "a length beside chunks": GOOD.replace(b"X-A: b", b"Transfer-Encoding: chunked"),
    "no host": GOOD.replace(b"Host: h\r\n", b""),
    "two hosts": GOOD.replace(b"X-A: b", b"Host: i"),
    "a tab for a space": GOOD.replace(b"POST /", b"POST\t/"),
    "two spaces": GOOD.replace(b"POST /", b"POST  /"),
    "a lower method": GOOD.replace(b"POST", b"post"),
    "another protocol": GOOD.replace(b"HTTP/1.1", b"HTTP/2.0"),
    "an expectation": GOOD.replace(b"X-A: b", b"Expect: tea"),
    "an empty line first": b"\r\n" + GOOD,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "an endless line": b"GET /" + b"a" * LINE_LIMIT,
    "endless headers": b"GET / HTTP/1.1\r\n" + b"A: bcdefgh\r\n" * (HEAD_LIMIT // 10),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(what: str) -> None:
    """Where two readers differ about where a request ends, one smuggles (RFC 9112, section 11)."""
    assert isinstance(outcome(REFUSED[what]), int)


PIECES = st.sampled_from(
    b"GET|POST| |/score|HTTP/1.1|HTTP/1.0|\r\n|\r|\n|Host|: |:|h|Content-Length|Transfer-Encoding"
    b"|chunked|2|-1|99999999|\t|\0|Expect|100-continue|Connection|close|keep-alive|\xff|{}".split(
        b"|"
    )
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_what_is_taken_a_well_kept_parser_takes_too(noise: bytes) -> None:
    """h11 reads the same method, target and length from every head that is not refused."""
    for data in (noise, GOOD[:-6] + b"\r\n" + noise, noise + b"\r\n\r\n"):
        head = outcome(data)
        if not isinstance(head, Head):
            continue
        peer = h11.Connection(h11.SERVER)
        peer.receive_data(data)
        event = peer.next_event()
        assert isinstance(event, h11.Request)
        assert event.method.decode() == head.method
        assert event.target.partition(b"?")[0].decode() == head.path
        headers = dict(event.headers)
        assert int(headers.get(b"content-length", b"0")) == head.length
        assert b"transfer-encoding" not in headers


# ---- the server


@pytest.fixture(scope="module")
def server(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serve(tmp_path_factory.mktemp("served"))


def test_garbage_gets_a_meant_reply_or_the_end(server: Any) -> None:
    """2,000 malformed requests, seeded, and right answers to the valid ones among them.

    Never a 5xx but 501 and 505, no path, no trace; nothing is left open. 100,000 of them:
    `python -m benchmarks.serve_garbage`.
    """
    server.send("GET", "/healthz")
    barrage = Barrage(server.port, 3, [server.journal.parent])
    server.connection.close()
    before = settled(server.process.pid, {}, 1.0)
    asyncio.run(barrage.send(2_000))
    assert barrage.found.wrong == []
    assert barrage.found.controls == 128
    seen = {int(status[:3]) for status in barrage.found.statuses if status != "no reply"}
    assert {200, 400, 404, 405, 409, 411, 413, 414, 417, 431, 501, 505} <= seen
    assert settled(server.process.pid, before) == before
    assert server.send("GET", "/healthz")[0] == 200


def test_what_garbage_is_made_from_is_valid(server: Any, rng: np.random.Generator) -> None:
    """Else it would show no more than that the first check works."""
    garbage = Garbage(server.send("GET", "/openapi.json")[1], rng)
    seen = {path: {server.post(path, garbage.valid(path))[0] for _ in range(60)} for path in BODIES}
    assert seen["/score"] <= {200, 409}
    assert seen["/decision"] <= {200, 409}
    assert seen["/reward"] == {404}
    assert all(200 in seen[path] for path in ("/score", "/decision"))
    reply = server.post("/score", garbage.valid("/score") | {"request_id": None})[1]
    garbage.decisions.append(reply["decision_id"])
    assert 200 in {server.post("/reward", garbage.valid("/reward"))[0] for _ in range(60)}


def test_requests_sent_ahead_are_answered_in_their_order(
    server: Any, ask: Any, rng: np.random.Generator
) -> None:
    """Pipelining, cut anywhere: as many replies as requests, each about its own."""
    names = [f"p{i}" for i in range(30)]
    sent = b""
    for name in names:
        body = ask(rng, "ahead", k=1)
        body["candidates"][0]["id"] = name
        sent += post(json.dumps(body).encode())
    with socket.create_connection((server.host, server.port), timeout=30) as wire:
        at = 0
        while at < len(sent):
            step = int(rng.integers(1, 4000))
            wire.sendall(sent[at : at + step])
            at += step
        wire.shutdown(socket.SHUT_WR)
        with wire.makefile("rb") as stream:
            got = stream.read()
    assert re.findall(rb'"action": {"id": "(p\d+)"', got) == [name.encode() for name in names]


def test_a_client_that_waits_for_100_continue_gets_it(
    server: Any, ask: Any, rng: np.random.Generator
) -> None:
    """Before its body is sent."""
    raw = json.dumps(ask(rng, "expect")).encode()
    head = f"POST /score HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {len(raw)}"
    with socket.create_connection((server.host, server.port), timeout=30) as wire:
        wire.sendall(f"{head}\r\n\r\n".encode())
        assert wire.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(raw)
        assert wire.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.filterwarnings("default")
def test_the_published_schema_is_what_is_checked(server: Any) -> None:
    """schemathesis: what breaks the schema is refused, every reply is one that is announced."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    checks = schemathesis.checks
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    negative = schemathesis.GenerationMode.NEGATIVE
    positive = schemathesis.GenerationMode.POSITIVE
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        posts = operation.method.upper() == "POST"
        for mode in (positive, negative) if posts else (positive,):
            strategy = operation.as_strategy(generation_mode=mode)

            @settings(max_examples=40, deadline=None, derandomize=True, database=None)
            @given(case=strategy)
            def sent(case: Any) -> None:
                reply = case.call()
                case.validate_response(
                    reply,
                    excluded_checks=[
                        checks.positive_data_acceptance,  # time zones, twice the same id: 400
                    ],
                )
                seen.add((case.operation.path, reply.status_code))

            sent()
    assert {("/score", 400), ("/reward", 404), ("/decision", 400), ("/healthz", 200)} <= seen
