"""Load for a scorer: paced (open loop) or busy (closed loop) over kept-alive connections.

One thread that never sleeps: a timer's millisecond would be measured as the server's.
"""

import re
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

_LENGTH = re.compile(rb"Content-Length: (\d+)", re.IGNORECASE)
GRACE_S = 60.0  # for the last replies of a window


@dataclass
class Window:
    """What one window of load saw: latencies in seconds, `errors` other than status 200."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    cpu: float = 0.0  # seconds that the server used, where measured

    @property
    def rate(self) -> float:
        """Replies a second."""
        return len(self.latencies) / self.seconds

    def ms(self, percentile: float) -> float:
        """A percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies, percentile)) * 1000


class Wire:
    """One connection: requests out, whole replies in."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.due: deque[float] = deque()  # when each request in flight was to be sent

    def send(self, request: bytes, at: float) -> None:
        self.due.append(at)
        self.socket.sendall(request)

    def replies(self) -> Iterator[tuple[float, int, bytes]]:
        """(when it was due to be sent, status, body) of every whole reply that has come."""
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise ConnectionError("the server closed a connection")
        self.buffer += chunk
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _LENGTH.search(self.buffer, 0, end)
            assert found is not None
            size = end + 4 + int(found[1])
            if len(self.buffer) < size:
                return
            reply, self.buffer = self.buffer[:size], self.buffer[size:]
            yield self.due.popleft(), int(reply[9:12]), reply[end + 4 :]


class Crowd:
    """Connections to one server, kept from window to window."""

    def __init__(self, host: str, port: int, connections: int) -> None:
        self.wires: list[Wire] = []
        self.selector = selectors.DefaultSelector()
        for _ in range(connections):
            self.join(Wire(host, port))

    def join(self, wire: Wire) -> None:
        """One more."""
        self.wires.append(wire)
        self.selector.register(wire.socket, selectors.EVENT_READ, wire)

    def close(self) -> None:
        self.selector.close()
        for wire in self.wires:
            wire.socket.close()

    def paced(self, requests: Callable[[], bytes], rate: float, seconds: float) -> Window:
        """`rate` a second whatever the server does; latency counts from when it was due."""
        out, began, sent = Window(seconds), perf_counter(), 0
        total = int(rate * seconds)
        while sent < total or any(wire.due for wire in self.wires):
            now = perf_counter()
            while sent < total and began + sent / rate <= now:
                self.wires[sent % len(self.wires)].send(requests(), began + sent / rate)
                sent += 1
            self._take(out, _no_more)
            if now - began > seconds + GRACE_S:
                raise TimeoutError("the server does not reply")
        return out

    def busy(
        self,
        requests: Callable[[], bytes],
        seconds: float,
        seen: Callable[[bytes], None] = lambda _: None,
    ) -> Window:
        """Every connection asks again as soon as it is answered."""
        out, began = Window(seconds), perf_counter()
        end = began + seconds

        def again(wire: Wire, now: float) -> None:
            if now < end:
                wire.send(requests(), perf_counter())

        for wire in self.wires:
            wire.send(requests(), perf_counter())
        while any(wire.due for wire in self.wires):
            self._take(out, again, seen)
            if perf_counter() - end > GRACE_S:
                raise TimeoutError("the server does not reply")
        out.seconds = perf_counter() - began
        return out

    def _take(
        self,
        out: Window,
        then: Callable[[Wire, float], None],
        seen: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        for key, _ in self.selector.select(0):
            wire: Wire = key.data
            for due, status, body in list(wire.replies()):
                now = perf_counter()
                out.latencies.append(now - due)
                out.errors += status != 200
                seen(body)
                then(wire, now)


def _no_more(_wire: Wire, _now: float) -> None:
    """A paced client asks when it is time, not when it is answered."""
