"""POST /score, POST /reward: parse -> decide -> append -> reply. The scorer over HTTP.

The standard library's HTTP server around `journal.live.LiveJournal`, which decides with
the same `policies` code that was evaluated.
"""

import argparse
import json
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from journal.live import Answered, Conflict, LiveJournal
from journal.live_requests import Json, answer_of, asked_of, object_of
from policies.errors import BadInput, one_line
from policies.features import NAME, WIDTH
from policies.loop import probabilities
from policies.policy import Policy
from policies.records import seconds
from policies.spec import canonical, make
from policies.state import OTHER, UserState

BODY_LIMIT = 1 << 20  # bytes of a request
IDLE_S = 60  # a connection that is silent so long is closed
DRAIN_S = 10  # what a request in flight gets when the server is told to stop


class Refused(Exception):
    """A reply other than 200: its status, code, message and the field it is about."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None):
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": one_line(message)}
        if field is not None:
            self.error["field"] = field


class App:
    """What the endpoints do, apart from HTTP."""

    def __init__(self, policy: Policy, journal: LiveJournal) -> None:
        self.policy = policy
        self.spec = canonical(policy)
        self.journal = journal
        self.stopping = threading.Event()

    def score(self, body: Json) -> Json:
        """POST /score"""
        try:
            decision, scores = self.journal.decide(self.policy, asked_of(body))
        except Conflict as error:
            message = f"request_id {error} was used for another request"
            raise Refused(409, "conflict", message, "request_id") from None
        return {
            "decision_id": decision.decision_id,
            "action": {"id": decision.candidate_ids[decision.action], "index": decision.action},
            "pscore": decision.pscore,
            "pmf": decision.pmf.tolist(),
            "scores": scores.tolist(),
            "policy": decision.policy,
            "features": decision.features,
            "state_seq": decision.state_seq,
        }

    def reward(self, body: Json) -> Json:
        """POST /reward"""
        answered: Answered = self.journal.answer(*answer_of(body))
        if answered.outcome == "applied":
            return {"applied": True, "state_seq": answered.state_seq}
        if answered.outcome == "duplicate":
            return {"applied": False, "duplicate": True, "state_seq": answered.state_seq}
        status, message = {
            "unknown": (404, "no such decision"),
            "conflict": (409, "the decision was answered otherwise before"),
            "closed": (410, "the reward window is closed: kept, not folded"),
        }[answered.outcome]
        raise Refused(status, answered.outcome, message, "decision_id")

    def healthz(self) -> Json:
        """GET /healthz: the process answers."""
        return {"status": "ok"}

    def readyz(self) -> Json:
        """GET /readyz: it can decide and write."""
        if self.stopping.is_set():
            raise Refused(503, "stopping", "the server is stopping")
        self.journal.check()
        return {"ready": True, "policy": self.spec, "features": NAME}


ROUTES: dict[str, tuple[str, Callable[..., Json]]] = {
    "/score": ("POST", App.score),
    "/reward": ("POST", App.reward),
    "/healthz": ("GET", App.healthz),
    "/readyz": ("GET", App.readyz),
}


class Server(ThreadingHTTPServer):
    """A thread a connection; knows the requests in flight."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], app: App) -> None:
        self.app = app
        self.flying = 0
        self.landed = threading.Condition()
        super().__init__(address, Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event; anything else is said in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"connection failed: {error!r}", file=sys.stderr)

    def drain(self) -> None:
        """Waits until no request is in flight, or for `DRAIN_S`."""
        with self.landed:
            self.landed.wait_for(lambda: self.flying == 0, timeout=DRAIN_S)


class Handler(BaseHTTPRequestHandler):
    """One connection: keep-alive, every reply one write, without Nagle's delay."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = IDLE_S

    def handle_request(self) -> None:
        """Any method, any path."""
        server = self.server
        with server.landed:
            server.flying += 1
        try:
            status, reply = self._reply()
            self._send(status, reply)
        finally:
            with server.landed:
                server.flying -= 1
                server.landed.notify_all()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_request  # noqa: N815

    def _reply(self) -> tuple[int, Json]:
        try:
            raw = self._body()
            method, endpoint = self._route()
            if self.server.app.stopping.is_set() and method == "POST":
                self.close_connection = True
                raise Refused(503, "stopping", "the server is stopping")
            arguments = (object_of(raw),) if method == "POST" else ()
            return 200, endpoint(self.server.app, *arguments)
        except Refused as refused:
            return refused.status, {"error": refused.error}
        except BadInput as error:
            said = {"code": error.code, "message": str(error), "field": error.field}
            return 400, {"error": said}
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            print(f"journal: {one_line(str(error))}", file=sys.stderr)
            said = {"code": "journal_unavailable", "message": one_line(str(error))}
            return 503, {"error": said}

    def _route(self) -> tuple[str, Callable[..., Json]]:
        path = self.path.partition("?")[0]
        if path not in ROUTES:
            raise Refused(404, "not_found", f"endpoints are {', '.join(ROUTES)}", path)
        method, endpoint = ROUTES[path]
        if self.command != method:
            raise Refused(405, "method_not_allowed", f"{path} takes {method}", path)
        return method, endpoint

    def _body(self) -> bytes:
        """Reads what was sent whatever becomes of it: the next request begins behind it."""
        said = self.headers.get("Content-Length")
        if "Transfer-Encoding" in self.headers or (said is None and self.command == "POST"):
            self.close_connection = True
            raise Refused(411, "length_required", "send a Content-Length")
        if said is None:
            return b""
        whole = said.isascii() and said.isdigit() and len(said) <= len(str(BODY_LIMIT))
        if not whole or int(said) > BODY_LIMIT:
            self.close_connection = True
            raise Refused(413, "too_large", f"a request has at most {BODY_LIMIT} bytes", "body")
        raw = self.rfile.read(int(said))
        if len(raw) < int(said):
            self.close_connection = True
            raise ConnectionError("the request ended early")
        return raw

    def _send(self, status: int, reply: Json) -> None:
        body = json.dumps(reply, allow_nan=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == 405:
            self.send_header("Allow", ROUTES[self.path.partition("?")[0]][0])
        if status == 503:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library itself refuses (a broken request line), in our shape."""
        self.close_connection = True
        self.request_version = self.protocol_version  # else the reply has no status line
        self._send(code, {"error": {"code": "bad_request", "message": message or explain or ""}})

    def handle_expect_100(self) -> bool:
        """`100 Continue` must leave before the body comes."""
        allowed = super().handle_expect_100()
        self.wfile.flush()
        return allowed

    def version_string(self) -> str:
        """The Server header."""
        return "tipbandit"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """No line a request: the journal is the record."""


# ---- the command line


class Parser(argparse.ArgumentParser):
    """One line for a usage error, as for all bad input."""

    def error(self, message: str) -> NoReturn:
        """Exits with code 2."""
        raise BadInput("usage", message)


def parser() -> argparse.ArgumentParser:
    """The options of `python serve.py`."""
    out = Parser(
        prog="serve.py",
        description="Serves a policy at POST /score and POST /reward (docs/serving.md).",
        epilog="Example: python serve.py --policy linucb:alpha=1 --state state --journal live.db",
    )
    out.add_argument("--policy", required=True, metavar="SPEC", help="the policy that decides")
    out.add_argument("--state", required=True, metavar="DIR", help="the users' states")
    out.add_argument("--journal", required=True, metavar="FILE", help="the live journal, SQLite")
    out.add_argument("--host", default="127.0.0.1", help="default: loopback only")
    out.add_argument("--port", type=int, default=8080, help="0: a free one; default 8080")
    out.add_argument("--workers", type=int, default=1, help="processes; only 1 so far")
    out.add_argument("--reward-window", default="24h", metavar="TIME", help="30s, 90m, 24h, never")
    out.add_argument(
        "--allow-deterministic",
        action="store_true",
        help="serve a policy whose log can evaluate no other",
    )
    return out


def serve(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT, then lets requests finish and writes checkpoints."""
    policy = make(options.policy)
    if not policy.explores and not options.allow_deterministic:
        rule = "is deterministic, its log could evaluate no other policy: give it an epsilon > 0"
        raise BadInput(f"policy {canonical(policy)}", f"{rule} or say --allow-deterministic")
    if options.workers != 1:
        raise BadInput("--workers", "must be 1", options.workers)
    if not 0 <= options.port <= 65535:
        raise BadInput("--port", "must be 0 to 65535", options.port)
    window = seconds(options.reward_window)
    journal = LiveJournal(Path(options.journal), Path(options.state), window)
    app = App(policy, journal)
    _warm(policy)
    try:
        server = Server((options.host, options.port), app)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        raise BadInput(where, f"cannot be listened on ({error.strerror or error})") from None

    def stop(*_: object) -> None:
        app.stopping.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    host, port = server.server_address[:2]
    print(f"serving {app.spec} on http://{host!s}:{port}", file=sys.stderr, flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        server.drain()
        journal.close()
    return 0


def _warm(policy: Policy) -> None:
    """Compiles the kernels before the first person waits for them."""
    state = UserState.empty("warm-up", NAME, WIDTH)
    probabilities(policy, state, [OTHER], np.zeros((1, WIDTH)), "warm-up")
    state.fold(OTHER, np.zeros(WIDTH), 0.0, "warm-up", 0)


def main() -> int:
    """Exit code 2 and one line for bad input."""
    try:
        return serve(parser().parse_args())
    except BadInput as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'serve'}: {error.strerror or error}"
    print(f"serve.py: {one_line(message)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
