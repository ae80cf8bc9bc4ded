"""Signals that a process waits for, in whichever of its threads they arrive.

A signal sent to a process goes to any thread that does not block it, and numpy has started
threads before a line of ours runs: to block signals in the main thread and wait for them there
leaves them to the others, where they end the process. A handler is the process's.
"""

import os
import select
import signal
from collections.abc import Iterable


class Heard:
    """What was sent of `numbers`, kept until it is asked for. Of the main thread."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._numbers = frozenset(numbers)
        for number in self._numbers:
            signal.signal(number, _leave_it_to_the_pipe)

    def wait(self, seconds: float) -> set[int]:
        """What came since the last call, or comes within `seconds`."""
        select.select([self._read], [], [], seconds)
        try:
            return {*os.read(self._read, 4096)} & self._numbers
        except BlockingIOError:
            return set()


def _leave_it_to_the_pipe(*_: object) -> None:
    """Python writes the signal's number there by itself."""
