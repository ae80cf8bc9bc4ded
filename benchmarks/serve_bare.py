"""What the same server gives with an append-only file in the journal's place: no state, no retries.

    python -m benchmarks.serve_bare DIRECTORY

Everything but the journal is serve.py's: the parser, the checks, a commit a turn of the loop with
one fdatasync, the figures. Started by `python -m benchmarks.serve_load`.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from journal.live import LiveJournal
from journal.live_calls import Answered, Call, Outcome
from journal.live_copying import Copying
from policies.spec import make
from serving.app import ENDPOINTS, App
from serving.metrics import Metrics, Names
from serving.server import Server

RECORD = bytes(300)  # what a feedback takes


class Appended:
    """As much of a `LiveJournal` as a server needs to take answers."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.copying = Copying(path)  # it is never placed: nothing is to be copied

    def commit(self, _policy: Any, batch: Sequence[Call]) -> list[Outcome]:
        """On disk when this returns."""
        os.write(self._file, RECORD * len(batch))
        os.fdatasync(self._file)
        return [Answered("applied", 1) for _ in batch]


def main() -> None:
    policy = make("linucb:alpha=1")
    metrics = Metrics(ENDPOINTS, Names(("linucb",)))
    journal = cast(LiveJournal, Appended(Path(sys.argv[1]) / "appended"))
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)

    def ready() -> None:
        print(f"http://127.0.0.1:{sock.getsockname()[1]}", file=sys.stderr, flush=True)

    asyncio.run(Server(App(policy, journal, metrics)).run(sock, ready, -1))


if __name__ == "__main__":
    main()
