"""Broken HTTP gets a reply in the shape of every error, and harms nobody."""

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="module")
def server(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serve(tmp_path_factory.mktemp("served"))


@pytest.fixture(autouse=True)
def untouched(server: Any) -> Any:
    """Whatever is refused: no row is written, the kept connection and the server go on."""
    before = server.counts()
    yield
    assert server.counts() == before
    assert server.send("GET", "/healthz")[0] == 200


def raw(server: Any, request: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of what comes back until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=30) as wire:
        wire.sendall(request)
        wire.shutdown(socket.SHUT_WR)
        with wire.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    found = re.fullmatch(r"HTTP/1\.1 (\d{3}) [ \w-]+", status)
    assert found is not None, status
    return int(found[1]), dict(line.split(": ", 1) for line in lines), json.loads(body or "null")


@pytest.mark.parametrize("path", ["/", "/scores", "/score/", "/healthz/x", "/%2e%2e"])
def test_an_unknown_path_is_not_found(server: Any, path: str) -> None:
    """404, and the endpoints are named."""
    for method in ("GET", "POST"):
        status, said = server.send(method, path, b"{}")
        assert (status, said["error"]["code"], said["error"]["field"]) == (404, "not_found", path)
        assert "/score" in said["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/score", "POST"),
        ("PUT", "/score", "POST"),
        ("DELETE", "/reward", "POST"),
        ("POST", "/healthz", "GET"),
        ("HEAD", "/healthz", "GET"),
        ("OPTIONS", "/readyz", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    server: Any, method: str, path: str, allowed: str
) -> None:
    """405 with Allow."""
    status, said = server.send(method, path, b"{}" if method != "HEAD" else None)
    assert (status, server.headers["Allow"]) == (405, allowed)
    if method != "HEAD":
        assert (said["error"]["code"], said["error"]["field"]) == ("method_not_allowed", path)


HEAD = b"POST /score HTTP/1.1\r\nHost: h\r\n"
DIGITS = b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (HEAD + b"\r\n{}", 411, "length_required"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411, "length_required"),
        (HEAD + b"Content-Length: 1048577\r\n\r\n", 413, "too_large"),
        (HEAD + b"Content-Length: -1\r\n\r\n", 413, "too_large"),
        (HEAD + b"Content-Length: 1e3\r\n\r\n", 413, "too_large"),
        (b"BREW /score HTTP/1.1\r\n\r\n", 501, "bad_request"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "bad_request"),
        (b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431, "bad_request"),
        pytest.param(
            HEAD + DIGITS, 413, "too_large",
        ),
        *[
            pytest.param(
                line + b"\r\n\r\n", 400, "bad_request",
            )
            for line in (b"NONSENSE", b"POST /score", b"GET /healthz HTTP/x", b"\x16\x03\x01")
        ],
    ],
    ids=lambda value: repr(value)[:60],
)  # fmt: skip
def test_broken_http_gets_a_reply_and_is_closed(
    server: Any, request_: bytes, status: int, code: str
) -> None:
    """In the shape of every error, and the connection ends: what follows cannot be told."""
    found, headers, said = raw(server, request_)
    assert (found, said["error"]["code"]) == (status, code)
    assert headers["Connection"] == "close"


def test_who_goes_away_in_the_middle_harms_nobody(server: Any) -> None:
    """A request that ends early, a reply that nobody reads."""
    for request in (b"", b"POST", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"):
        with socket.create_connection((server.host, server.port), timeout=30) as wire:
            wire.sendall(request)
