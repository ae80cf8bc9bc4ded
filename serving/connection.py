"""One client's connection: bytes in, whole requests out, replies back in their order.

One request at a time: what a client sends ahead waits in the buffer. Who is slow to send or
to read is cut off.
"""

import asyncio
import socket
from time import perf_counter
from typing import TYPE_CHECKING, cast

from serving.http import BODY_LIMIT, CONTINUE, HEAD_LIMIT, Broken, Head, read_head, reply_bytes

if TYPE_CHECKING:
    from serving.server import Server

IDLE_S = 60.0  # between two requests
READ_S = 10.0  # from the first byte of a request to its last; a new connection's first byte
LINGER_S = 2.0  # for a client to read the last reply and close
AHEAD_LIMIT = HEAD_LIMIT + BODY_LIMIT  # bytes of a buffer before reading pauses


class Connection(asyncio.Protocol):
    """Keep-alive, every reply one write, without Nagle's delay."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.buffer = bytearray()
        self.head: Head | None = None  # of a request whose body is not all there
        self.busy = False  # a request waits for its reply
        self.closing = False  # the last reply is written
        self.ended = False  # the client will send no more
        self.stuck = False  # the client does not read
        self.began = 0.0  # when the request was whole
        self.wants = (True, False)  # of the request in flight: keep the connection; HEAD
        self.since = server.now()
        self.fresh = True

    # ---- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the client in, or says that there are too many."""
        self.transport = cast(asyncio.Transport, transport)
        wire: socket.socket | None = transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.came(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes."""
        if self.closing:
            return
        if not self.buffer and self.head is None and not self.busy:
            self.since = self.server.now()
        self.buffer += data
        if not self.busy:
            self.advance()
        elif len(self.buffer) > AHEAD_LIMIT:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The client will send no more; it may still read its reply."""
        self.ended = True
        return self.busy or self.stuck

    def pause_writing(self) -> None:
        """It does not read what it asked for."""
        self.stuck, self.since = True, self.server.now()

    def resume_writing(self) -> None:
        """It reads again."""
        self.stuck, self.since = False, self.server.now()
        self.advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; what it asked for is done all the same."""
        self.closing = True
        self.buffer.clear()
        self.server.went(self)

    # ---- requests and replies

    def advance(self) -> None:
        """Takes the next whole request from the buffer, if there is one."""
        try:
            while not (self.busy or self.closing or self.stuck) and self._take():
                pass
        except Broken as error:
            self.began, self.wants = perf_counter(), (False, False)
            self.server.refuse(self, "other", error)
        if self.ended and not (self.busy or self.closing or self.stuck):
            self.transport.close()  # nothing whole is left of what it sent

    def _take(self) -> bool:
        if self.head is None:
            if not self.buffer:
                return False
            self.head = read_head(self.buffer)
            if self.head is None:
                return False
            self.server.admit(self.head)
            del self.buffer[: self.head.size]
            if self.head.expects and len(self.buffer) < self.head.length:
                self.transport.write(CONTINUE)
        head = self.head
        if len(self.buffer) < head.length:
            return False
        body = bytes(self.buffer[: head.length])
        del self.buffer[: head.length]
        self.head, self.fresh = None, False
        self.busy, self.began = True, perf_counter()
        self.wants = (head.keep and not self.server.stopping, head.method == "HEAD")
        self.server.serve(self, head, body)
        return True

    def reply(self, status: int, body: bytes, extra: str = "", kind: str | None = None) -> None:
        """Answers the request in flight."""
        self.busy = False
        if self.closing:
            return
        keep, head = self.wants
        kinds = {} if kind is None else {"kind": kind}
        self.since = self.server.now()
        self.transport.write(reply_bytes(status, body, keep, extra, head=head, **kinds))
        if not keep:
            self.finish()
        elif not self.transport.is_reading():
            self.transport.resume_reading()

    def finish(self) -> None:
        """No more requests: the client is given time to read, lest a reset destroy the reply."""
        self.closing = True
        self.buffer.clear()
        if self.ended or self.transport.is_closing():
            self.transport.close()
        else:
            self.transport.write_eof()
            self.transport.resume_reading()

    def overdue(self, now: float) -> bool:
        """Whether it has been waited for long enough."""
        if self.busy:
            return False
        waited = now - self.since
        if self.closing:
            return waited > LINGER_S
        reading = self.fresh or self.stuck or self.buffer or self.head is not None
        return waited > (READ_S if reading else IDLE_S)

    @property
    def idle(self) -> bool:
        """Nothing of it is under way."""
        return not (self.busy or self.buffer or self.head is not None or self.stuck)

    @property
    def told(self) -> bool:
        """Its last reply has left this process."""
        return self.closing and not self.transport.get_write_buffer_size()
