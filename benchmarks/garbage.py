"""Malformed requests for a scorer, seeded: what a client, a proxy or an attacker might send.

Bodies begin as valid ones, made from the schemas of the server's own /openapi.json, and are
broken where the schema has something to break; so are request lines, headers, lengths and ends.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

BODY_LIMIT, HEAD_LIMIT, LINE_LIMIT = 1 << 20, 16 << 10, 4 << 10  # docs/serving.md
SLOW_S = 10.0  # what a server waits for a whole request
HOST = b"Host: h\r\n"
TASK = {
    "id": "7",
    "project_id": "work",
    "priority": 3,
    "added_at": "2026-11-01T09:00:00Z",
    "due": {"date": "2026-11-23T09:00:00", "timezone": "Europe/Paris", "is_recurring": True},
}
TEXTS = {"now": "2026-11-23T09:00:00+01:00", "answered_at": "2026-11-23T09:00:00Z"}
USERS = 200

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One connection's worth: pieces, the pause after each, and how the client ends it."""

    kind: str
    pieces: Sequence[bytes]
    pause_s: float = 0.0
    end: str = "half-close"  # or "wait" for the server's end, or "reset"


def post(path: str, body: bytes, more: bytes = b"") -> bytes:
    """A whole request."""
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n%s\r\n" % (
        path.encode(), HOST, len(body), more
    ) + body  # fmt: skip


def get(path: str) -> bytes:
    """A whole request."""
    return b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), HOST)


class Garbage:
    """Cases without end. `decisions` are ids that may be answered; new ones are put there."""

    def __init__(self, document: Json, rng: np.random.Generator) -> None:
        self.rng, self.decisions = rng, list[str]()
        self._schemas = document["components"]["schemas"]
        self._bodies: dict[str, str] = {}
        self._pages: list[str] = []
        for path, methods in document["paths"].items():
            if "post" in methods:
                media = methods["post"]["requestBody"]["content"]["application/json"]
                self._bodies[path] = media["schema"]["$ref"].rpartition("/")[2]
            else:
                self._pages.append(path)
        self._weights: list[tuple[Callable[[], Case], float]] = [
            (self._fields, 0.42),
            (self._text, 0.16),
            (self._bytes, 0.16),
            (self._head, 0.12),
            (self._ahead, 0.05),
            (self._cut, 0.04),
            (self._oversized, 0.02),
            (self._noise, 0.03),
        ]

    def next(self) -> Case:
        """Any kind but slow ones."""
        makers, shares = zip(*self._weights, strict=True)
        return makers[int(self.rng.choice(len(makers), p=shares))]()

    def slow(self) -> Case:
        """A head or a body in drops: some are whole in time, some never."""
        path, body = self._any()
        data = post(path, body)
        cut = sorted(int(c) for c in self.rng.integers(1, len(data), 8))
        pieces = [data[a:b] for a, b in zip([0, *cut], [*cut, len(data)], strict=True)]
        if self.rng.random() < 0.5:
            return Case("slow, whole", pieces, 0.2)
        return Case("slow, never whole", pieces[:-1], 0.2, "wait")

    # ---- valid ones

    def valid(self, path: str) -> Any:
        """A body that the schema of an endpoint allows, and the server takes."""
        body = self._of(self._schemas[self._bodies[path]], "")
        for i, candidate in enumerate(body.get("candidates", ())):
            candidate["id"] = f"t{i}"
            if "task" in candidate:
                body.update(now=TEXTS["now"], timezone="Europe/Paris")
        if "pmf" in body:
            k = len(body["candidates"])
            body.update(pmf=[1 / k] * k, action=int(self.rng.integers(k)))
        return body

    def _of(self, schema: Json, name: str) -> Any:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if "enum" in schema:
            return self._one(schema["enum"])
        if "object" in kinds:
            return self._object(schema) if "properties" in schema else deepcopy(TASK)
        if "array" in kinds:
            return [self._of(schema["items"], "") for _ in range(int(self.rng.integers(1, 4)))]
        if "string" in kinds:
            return self._word(name)
        low, high = schema["minimum"], schema["maximum"]
        return low if kinds == ["integer"] else float(self.rng.uniform(low, high))

    def _object(self, schema: Json) -> Any:
        choices = [one["required"][0] for one in schema.get("oneOf", ())]
        left = self._one(choices) if choices else None
        return {
            name: self._of(part, name)
            for name, part in schema["properties"].items()
            if name in schema.get("required", ())
            or (name in choices and name != left)
            or (name not in choices and self.rng.random() < 0.5)
        }

    def _word(self, name: str) -> str:
        if name == "user_id":
            return f"garbage-{self.rng.integers(USERS)}"
        if name == "decision_id" and self.decisions and self.rng.random() < 0.8:
            return str(self._one(self.decisions))
        if name == "timezone":
            return "Europe/Paris"
        return TEXTS.get(name) or f"w{self.rng.integers(20)}"

    # ---- broken ones

    def _fields(self) -> Case:
        """Structure: a type, a name, a number, an element."""
        path = self._one(list(self._bodies))
        body = self.valid(path)
        raws: list[bytes] = []
        for _ in range(int(self.rng.integers(0, 4))):  # 0: a valid one, which the next ones meet
            places = _places(body)
            where, key = places[int(self.rng.integers(len(places)))]
            what = self.rng.integers(5)
            if what == 0:
                del where[key]
            elif what == 1 and isinstance(where, dict):
                where[str(self._one(["x", "", "user_id", "__proto__", "a\0b"]))] = 1
            elif what == 2 and isinstance(where, list):
                where.insert(key, deepcopy(where[key]))
            elif what == 3:
                where[key] = deepcopy(self._one(WRONG))
            else:
                where[key] = f"@raw{len(raws)}@"
                raws.append(self._one(RAW))
            if not body:
                break
        data = json.dumps(body).encode()
        for i, raw in enumerate(raws):
            data = data.replace(b'"@raw%d@"' % i, raw)
        return Case("fields", [post(path, data)])

    def _text(self) -> Case:
        """JSON itself: keys twice, encodings, what stands around or is cut."""
        path, data = self._any()
        key = self._one([b'"user_id": "garbage-1"', b'"candidates": []', b'"reward": 1', b'"": 0'])
        return Case("text", [post(path, self._one([
            b"{%s, %s" % (key, data[1:]),
            data.replace(b"{", b"{" + key + b",", 3),
            b"\xef\xbb\xbf" + data,
            data.decode().encode("utf-16"),
            data.replace(b"t0", b"\xff\xfe\xc0\x80"),
            data.replace(b"t0", b"\\ud800"),
            data.replace(b'"', b"'"),
            data + data,
            data + b"]",
            data[: int(self.rng.integers(len(data)))],
            b"[" + data + b"]",
            b"",
            b"null",
            b"[" * int(self.rng.integers(1, 100_000)),
            b'{"a":' * int(self.rng.integers(1, 100_000)),
        ]))])  # fmt: skip

    def _bytes(self) -> Case:
        """A whole request, some of its bytes changed, taken out or put in."""
        data = bytearray(post(*self._any()))
        for _ in range(int(self.rng.integers(1, 6))):
            at = int(self.rng.integers(len(data)))
            kind = self.rng.integers(3)
            if kind == 0:
                data[at] = int(self.rng.integers(256))
            elif kind == 1:
                del data[at : at + int(self.rng.integers(1, 30))]
            else:
                data[at:at] = self.rng.bytes(int(self.rng.integers(1, 8)))
            data = data or bytearray(b"G")
        return Case("bytes", [bytes(data)])

    def _head(self) -> Case:
        """Request lines, headers, lengths and chunks that could be read in two ways."""
        _, body = self._any()
        length = b"Content-Length: %d\r\n" % len(body)
        line = self._one([b"POST /score HTTP/1.1", *LINES])
        headers = [HOST, length, self._one(HEADERS)]
        self.rng.shuffle(headers)
        if self.rng.random() < 0.2:
            headers.pop()
        data = line + b"\r\n" + b"".join(headers) + b"\r\n"
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        return Case("head", [data + (chunked if self.rng.random() < 0.3 else body)])

    def _ahead(self) -> Case:
        """Valid requests with garbage between them, sent at once or in pieces."""
        parts = [post(*self._any()), get(self._one(self._pages))] * 2
        parts.insert(int(self.rng.integers(1, 4)), self.next_simple().pieces[0])
        data = b"".join(parts)
        at = int(self.rng.integers(1, len(data)))
        return Case("ahead", [data[:at], data[at:]])

    def next_simple(self) -> Case:
        """One of the broken requests that are sent whole."""
        return self._one([self._fields, self._text, self._bytes, self._head, self._noise])()

    def _cut(self) -> Case:
        """The client goes in the middle."""
        data = post(*self._any())
        at = int(self.rng.integers(len(data)))
        return Case("cut", [data[:at]], end=self._one(["half-close", "reset"]))

    def _oversized(self) -> Case:
        """Beyond each limit."""
        many = self.valid("/score")
        many["candidates"] = many["candidates"][:1] * 1_001
        return Case("oversized", [self._one([
            post("/score", b" " * (BODY_LIMIT + 1)),
            post("/score", b" " * BODY_LIMIT),
            post("/score", json.dumps(many).encode()),
            post("/score", b'{"user_id": "%s"}' % (b"g" * 900_000)),
            b"POST /score HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n{" % (HOST, 10**15),
            b"GET /" + b"a" * LINE_LIMIT,
            b"GET /healthz HTTP/1.1\r\n" + b"A: bcdefgh\r\n" * (HEAD_LIMIT // 10),
            b"GET /healthz HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 64 + b"\r\n",
            b"GET /healthz HTTP/1.1\r\n" + HOST + b"A: " + b"b" * HEAD_LIMIT + b"\r\n\r\n",
        ])])  # fmt: skip

    def _noise(self) -> Case:
        """No HTTP at all."""
        tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        noise = self.rng.bytes(int(self.rng.integers(0, 3_000)))
        return Case("noise", [self._one([noise, tls + noise, b"\r\n\r\n", b"PRI * HTTP/2.0\r\n"])])

    # ---- choosing

    def _any(self) -> tuple[str, bytes]:
        path = self._one(list(self._bodies))
        return path, json.dumps(self.valid(path)).encode()

    def _one(self, of: Sequence[Any]) -> Any:
        return of[int(self.rng.integers(len(of)))]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a body, at all depths."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    inner = [
        place for k in keys if isinstance(value[k], dict | list) for place in _places(value[k])
    ]
    return [*((value, key) for key in keys), *inner]


WRONG: Sequence[Any] = (
    None, True, False, 0, -1, 2, 0.5, 1e308, -1e308, 5e-324, 2**63, 10**400, "", "x", "\0", " ",
    "é", "\U0001f980", "x" * 257, "0" * 5_000, "../../etc/passwd", "{}", [], {}, [[]], [None] * 50,
    {"a": {"b": []}}, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "Mars/Phobos", "done",
)  # fmt: skip
RAW = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"01", b"1.", b".5", b"+1", b"0x1", b"1e",
    b"nul", b"undefined", b'"\\u12"', b'"\\ud800"', b'"\xff"', b'"\xc0\x80"', b'"a\nb"', b'"',
    b'{"a": 1, "a": 2}', b"[" * 65 + b"]" * 65, b"1" * 5_000, b"",
)  # fmt: skip
LINES = (
    b"post /score HTTP/1.1", b"POST  /score HTTP/1.1", b"POST\t/score HTTP/1.1", b"POST /score",
    b"POST /score HTTP/1.0", b"POST /score HTTP/0.9", b"POST /score HTTP/2.0",
    b"GET /score HTTP/1.1",
    b"POST /score HTTP/1.1 ", b"BREW /score HTTP/1.1", b"TRACE /score HTTP/1.1", b"POST * HTTP/1.1",
    b"POST http://h/score HTTP/1.1", b"POST /../etc/passwd HTTP/1.1", b"POST /%2e%2e/ HTTP/1.1",
    b"POST /score\0 HTTP/1.1", b"POST /sc\xf6re HTTP/1.1", b"POST /metrics HTTP/1.1", b"",
    b"HEAD /score HTTP/1.1", b"OPTIONS /score HTTP/1.1", b"DELETE /reward HTTP/1.1",
    b"HEAD /healthz HTTP/1.1", b"CONNECT h:80 HTTP/1.1", b"POST /score?user_id=u HTTP/1.1",
)  # fmt: skip
HEADERS = (
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding : chunked\r\n", b"Content-Length: 0\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: +5\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: 0x10\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length:\r\n", b"Host: other\r\n",
    b"Expect: 100-continue\r\n", b"Expect: tea\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n", b"X: a\r\n b\r\n", b": x\r\n",
    b"X\r\n", b"X : y\r\n", b"X: \0\r\n", b"X: a\nY: b\r\n", b"X: a\rY: b\r\n", b"\r\n",
    b"Authorization: Bearer \xff\r\n", b"Content-Encoding: gzip\r\n", b"X: \x80\xff\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n", b"Range: bytes=0-\r\n",
)  # fmt: skip
