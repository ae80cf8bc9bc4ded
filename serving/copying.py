"""The journal's log is copied in a thread: in the commits' way, it was the tail of the replies."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from journal.live_copying import Copying

COPY_S = 0.05  # between two copyings: what some commits wrote of one page is copied once


class CopyingThread:
    """Beside the commits of a server's loop, now and then."""

    def __init__(self, copying: Copying) -> None:
        self._copying = copying
        self._thread = ThreadPoolExecutor(1, "copying")
        self._free = True  # none is under way
        self._closed = False
        self._next = 0.0  # not before

    def start(self) -> None:
        """What it needs is there from the start."""
        self._copying.want()
        self._copying.unwant()
        self._thread.submit(int)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Around a commit; what else writes the journal is nothing to copy behind."""
        loop = asyncio.get_running_loop()
        if self._closed or not self._free or loop.time() < self._next:
            yield
            return
        self._copying.want()
        try:
            yield
        finally:
            self._copying.unwant()
            if self._copying.is_placed:
                self._free = False
                copying = loop.run_in_executor(self._thread, self._copying.copy)
                copying.add_done_callback(self._ended)

    def close(self) -> None:
        """No more; returns when none is under way."""
        self._closed = True
        self._thread.shutdown()

    def _ended(self, copied: asyncio.Future[None]) -> None:
        self._free = True
        self._next = copied.get_loop().time() + COPY_S
