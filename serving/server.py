"""The loop that serves: requests gather for a turn, one commit decides them all, all are told.

No threads on the way. A batch is decided and committed inline, so that what was told is on disk
and there is nothing to hand over; its size is bounded, so that a slow disk delays the loop by
one batch and not by all that wait.
"""

import asyncio
import json
import resource
import signal
import socket
from collections.abc import Callable
from time import perf_counter
from typing import Any

from journal.live_calls import Busy, Call, Unavailable
from journal.live_notes import note
from journal.live_requests import PREPARE, prepare
from policies.errors import BadInput, one_line
from serving.app import PAGES, ROUTES, App, told
from serving.connection import Connection
from serving.copying import CopyingThread
from serving.http import Broken, Head, Refused, reply_bytes
from serving.policy_file import PolicyFile
from serving.replacing import Replacing

BATCH_LIMIT = 128  # calls of one commit
QUEUE_LIMIT = 512  # calls that wait for one
CONNECTIONS_LIMIT = 1024
DRAIN_S = 8.0  # what a request in flight gets when the server is told to stop
SWEEP_S = 0.5

_write = json.JSONEncoder(allow_nan=False).encode


class Server:
    """The connections of one process, and the batch that is gathering."""

    def __init__(
        self, app: App, log_requests: bool = False, policy_file: PolicyFile | None = None
    ) -> None:
        self.app, self.metrics = app, app.metrics
        self.log_requests = log_requests
        self.replacing = None if policy_file is None else Replacing(app, policy_file)
        self.copying = CopyingThread(app.journal.copying)
        self.stopping = False
        self.connections: set[Connection] = set()
        self.queue: list[tuple[Connection, str, Call]] = []
        self.unavailable: str | None = None  # why the last batch could not be written
        app.gauges = self._gauges
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.limit = max(1, min(CONNECTIONS_LIMIT, soft - 64))

    def _gauges(self) -> dict[str, tuple[str, float]]:
        return {
            "connections": ("Connections of the worker that answers.", len(self.connections)),
            "queue": ("Requests of that worker that wait for the disk.", len(self.queue)),
        }

    async def run(self, sock: socket.socket, ready: Callable[[], None], lifeline: int) -> None:
        """Serves until SIGTERM, SIGINT or the end of `lifeline` (-1: none); then drains."""
        loop = asyncio.get_running_loop()
        self.now = loop.time
        loop.set_exception_handler(_one_line)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        if self.replacing is not None:
            loop.add_signal_handler(signal.SIGHUP, self.replacing.asked)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))  # a worker's, till now
            self.replacing.catch_up()
        if lifeline >= 0:
            loop.add_reader(lifeline, stopped.set)
        self.loop = loop
        listening = await loop.create_server(lambda: Connection(self), sock=sock, backlog=1024)
        sweeping = loop.create_task(self._sweep())
        self.copying.start()
        try:
            ready()
            await stopped.wait()
            if lifeline >= 0:
                loop.remove_reader(lifeline)
            listening.close()
            await self._drain()
            sweeping.cancel()
        finally:
            self.copying.close()  # before the journal is

    async def _sweep(self) -> None:
        """Ends the connections that were waited for long enough."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self.now()
            for connection in [c for c in self.connections if c.overdue(now)]:
                self.metrics.add("cut_off_total")
                if connection.stuck:
                    connection.transport.abort()
                elif connection.closing or connection.idle:
                    connection.transport.close()
                else:
                    connection.began, connection.wants = perf_counter(), (False, False)
                    slow = Broken(408, "timeout", "the request did not come in time")
                    self.refuse(connection, "other", slow)

    async def _drain(self) -> None:
        """Lets what is under way finish."""
        self.stopping = True
        end = self.now() + DRAIN_S
        while self.now() < end:
            for connection in [c for c in self.connections if c.idle]:
                connection.transport.close()
            if not self.queue and all(c.told for c in self.connections):
                break
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    # ---- what connections call

    def came(self, connection: Connection) -> None:
        """A client; beyond the limit it is told so and let go."""
        if len(self.connections) >= self.limit:
            self.metrics.add("refused_connections_total")
            said = {"error": {"code": "overloaded", "message": "too many connections"}}
            body = json.dumps(said).encode()
            connection.closing = True
            connection.transport.write(reply_bytes(503, body, False, "Retry-After: 1\r\n"))
            connection.transport.close()
        else:
            self.connections.add(connection)

    def went(self, connection: Connection) -> None:
        """It is gone."""
        self.connections.discard(connection)

    def admit(self, head: Head) -> None:
        """Before a body is read: raises `Broken` without the token."""
        if not self.app.allows(head):
            raise Broken(401, "unauthorized", "send Authorization: Bearer and the token")

    def serve(self, connection: Connection, head: Head, body: bytes) -> None:
        """Answers at once, or when the batch is on disk."""
        path = head.path if head.path in ROUTES else "other"
        try:
            if path == "other":
                raise Refused(404, "not_found", f"endpoints are {', '.join(ROUTES)}", head.path)
            method = ROUTES[path][0]
            if head.method != method:
                raise Refused(405, "method_not_allowed", f"{path} takes {method}", path)
            if path in PREPARE:
                self._gather(connection, path, prepare(path, body))
            else:
                if path == "/readyz" and self.stopping:
                    raise Refused(503, "stopping", "the server is stopping")
                page = PAGES[path](self.app)
                self.reply(connection, path, 200, page.encode(), kind=ROUTES[path][1])
        except Refused as refused:
            self.refuse(connection, path, refused)
        except BadInput as error:
            said = {"code": error.code, "message": str(error), "field": error.field}
            self._error(connection, path, 400, said)
        except Unavailable as error:
            self._error(connection, path, 503, _unavailable(error))

    def refuse(self, connection: Connection, path: str, refused: Refused) -> None:
        """A reply other than 200."""
        self._error(connection, path, refused.status, refused.error)

    def _gather(self, connection: Connection, path: str, call: Call) -> None:
        if self.stopping:
            raise Refused(503, "stopping", "the server is stopping")
        if len(self.queue) >= QUEUE_LIMIT:
            raise Refused(503, "overloaded", "too many requests wait for the disk")
        if not self.queue:
            self.loop.call_soon(self._turn, 0)
        self.queue.append((connection, path, call))

    def _turn(self, seen: int) -> None:
        """Waits while each turn of the loop brings more: what came together is one commit."""
        if seen < len(self.queue) < BATCH_LIMIT:
            self.loop.call_soon(self._turn, len(self.queue))
        else:
            self._commit()

    def _commit(self) -> None:
        """Decides, writes and tells what gathered."""
        batch = self.queue[:BATCH_LIMIT]
        began = perf_counter()
        try:
            with self.copying.beside():
                outcomes = self.app.commit([call for _, _, call in batch])
        except Exception as error:
            # whatever it was, nothing of the batch is written: the loop goes on
            self._failed(batch, error)
        else:
            self.metrics.took("commit", perf_counter() - began)
            if self.unavailable is not None:
                self.unavailable = None
                note("journal_recovered")
            for (connection, path, call), outcome in zip(batch, outcomes, strict=True):
                try:
                    reply = told(call, outcome)
                    self.app.count(call, outcome)
                    self.reply(connection, path, 200, _write(reply).encode())
                except Refused as refused:
                    self.app.count(call, outcome)
                    self.refuse(connection, path, refused)
        finally:
            del self.queue[: len(batch)]
            if self.queue:
                self.loop.call_soon(self._commit)
        for connection, _, _ in batch:
            connection.advance()

    def _failed(self, batch: list[tuple[Connection, str, Call]], error: Exception) -> None:
        self.metrics.add("commit_failures_total")
        said = _unavailable(error)
        if said["message"] != self.unavailable:
            self.unavailable = said["message"]
            more = {"holder": error.holder} if isinstance(error, Busy) else {}
            note("journal_unavailable", message=said["message"], kind=type(error).__name__, **more)
        for connection, path, _ in batch:
            self._error(connection, path, 503, said)

    def _error(self, connection: Connection, path: str, status: int, said: dict[str, str]) -> None:
        extra = ""
        if status == 405:
            extra = f"Allow: {ROUTES[path][0]}\r\n"
        elif status == 503:
            extra = "Retry-After: 1\r\n"
        elif status == 401:
            extra = "WWW-Authenticate: Bearer\r\n"
        if self.stopping:
            connection.wants = (False, connection.wants[1])
        body = json.dumps({"error": said}).encode()
        self.reply(connection, path, status, body, extra, code=said["code"])

    def reply(
        self,
        connection: Connection,
        path: str,
        status: int,
        body: bytes,
        extra: str = "",
        kind: str | None = None,
        code: str | None = None,
    ) -> None:
        """Tells a client, and counts."""
        took = perf_counter() - connection.began
        self.metrics.add("requests_total", endpoint=path, status=str(status))
        self.metrics.took(path, took)
        connection.reply(status, body, extra, kind)
        if self.log_requests:
            more = {} if code is None else {"code": code}
            note("request", path=path, status=status, ms=round(took * 1000, 3), **more)


def _unavailable(error: Exception) -> dict[str, str]:
    known = isinstance(error, Unavailable)
    message = str(error) if known else "the batch could not be decided"
    busy = isinstance(error, Busy)
    return {
        "code": "journal_busy" if busy else "journal_unavailable" if known else "failed",
        "message": one_line(message),
    }


def _one_line(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio would log with a traceback; a client that went away is no event."""
    error = context.get("exception")
    if not isinstance(error, ConnectionError | TimeoutError):
        note("loop", message=one_line(str(context.get("message"))), kind=type(error).__name__)
