"""HTTP/1.1 as the scorer speaks it: bytes to a request, a reply to bytes. No I/O.

Strict (RFC 9112): what could be read in two ways is refused, and the connection ends. The
standard library's parser wants a thread a connection; this one takes what has come so far.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from policies.errors import one_line

BODY_LIMIT = 1 << 20  # bytes of a request's body
HEAD_LIMIT = 16 << 10  # bytes of the request line and headers
LINE_LIMIT = 4 << 10  # bytes of the request line
HEADERS_LIMIT = 64
HEADS_KEPT = 256  # as read, 4 MiB at most

METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
REASONS = {
    100: "Continue", 200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
    411: "Length Required", 413: "Content Too Large", 414: "URI Too Long",
    417: "Expectation Failed", 431: "Request Header Fields Too Large", 501: "Not Implemented",
    503: "Service Unavailable", 505: "HTTP Version Not Supported",
}  # fmt: skip
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON_TYPE = "application/json; charset=utf-8"

_REQUEST_LINE = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/(\d)\.(\d)")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([!-~\x80-\xff \t]*)")


class Refused(Exception):
    """A reply other than 200: its status, code, message and the field it is about."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None):
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": one_line(message)}
        if field is not None:
            self.error["field"] = field


class Broken(Refused):
    """What ends the connection: where the next request begins cannot be told."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request but for its body."""

    method: str
    path: str  # without the query
    size: int  # bytes of head and the empty line
    length: int  # bytes of the body
    keep: bool  # whether the connection goes on
    expects: bool  # whether the client waits for 100 Continue
    token: bytes  # the Authorization header


def read_head(data: bytes | bytearray) -> Head | None:
    """The head that `data` begins with; None while it is not all there. Raises `Broken`."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or end > HEAD_LIMIT:
        _check_partial(data)
        return None
    return _head(bytes(data[:end]))


@lru_cache(maxsize=HEADS_KEPT)
def _head(raw: bytes) -> Head:
    """A client says the same with every request: but for lengths its heads are equal."""
    lines = raw.split(b"\r\n")
    if len(lines[0]) > LINE_LIMIT:
        raise Broken(414, "bad_request", f"a request line has at most {LINE_LIMIT} bytes")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise Broken(400, "bad_request", "the request line must be METHOD /path HTTP/1.1")
    method, target = match[1].decode(), match[2].decode()
    if match[3] != b"1" or match[4] not in b"01":
        raise Broken(505, "bad_request", "HTTP/1.1 is spoken here")
    if method not in METHODS:
        raise Broken(501, "bad_request", "the method is unknown")
    if len(lines) - 1 > HEADERS_LIMIT:
        raise Broken(431, "bad_request", f"a request has at most {HEADERS_LIMIT} headers")
    headers = _headers(lines[1:])
    old = match[4] == b"0"
    if not old and b"host" not in headers:
        raise Broken(400, "bad_request", "a request names one Host")
    connection = {word.strip() for word in headers.get(b"connection", b"").lower().split(b",")}
    keep = b"close" not in connection and (not old or b"keep-alive" in connection)
    expects = headers.get(b"expect", b"").lower()
    if expects not in (b"", b"100-continue"):
        raise Broken(417, "bad_request", "nothing but 100-continue can be expected")
    length = _length(headers, method)
    path = target.partition("?")[0]
    token = headers.get(b"authorization", b"")
    return Head(method, path, len(raw) + 4, length, keep, bool(expects) and not old, token)


def _check_partial(data: bytes | bytearray) -> None:
    """Ends early what can become no request: too long, or not begun as one."""
    line = data.find(b"\r\n")
    if (line if line >= 0 else len(data)) > LINE_LIMIT:
        raise Broken(414, "bad_request", f"a request line has at most {LINE_LIMIT} bytes")
    if len(data) > HEAD_LIMIT:
        raise Broken(431, "bad_request", f"headers have at most {HEAD_LIMIT} bytes")
    if data and not 65 <= data[0] <= 90:
        raise Broken(400, "bad_request", "a request begins with its method")


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    """Names in lower case; the ones that matter may stand once."""
    out: dict[bytes, bytes] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise Broken(400, "bad_request", "a header must look like Name: value")
        name = match[1].lower()
        if name in out and name in (b"host", b"content-length", b"authorization", b"expect"):
            raise Broken(400, "bad_request", f"{name.decode()} may be given once")
        out[name] = match[2].strip() if name not in out else out[name] + b"," + match[2].strip()
    return out


def _length(headers: dict[bytes, bytes], method: str) -> int:
    said = headers.get(b"content-length")
    if b"transfer-encoding" in headers or (said is None and method == "POST"):
        raise Broken(411, "length_required", "send a Content-Length")
    if said is None:
        return 0
    whole = said.isdigit() and len(said) <= len(str(BODY_LIMIT))
    if not whole or int(said) > BODY_LIMIT:
        raise Broken(413, "too_large", f"a request has at most {BODY_LIMIT} bytes", "body")
    return int(said)


def reply_bytes(
    status: int, body: bytes, keep: bool, extra: str = "", kind: str = JSON_TYPE, head: bool = False
) -> bytes:
    """A whole reply; `extra` are further header lines, `head`: without its body."""
    closing = "" if keep else "Connection: close\r\n"
    lines = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n{extra}{closing}\r\n"
    ).encode("ascii")
    return lines if head else lines + body
