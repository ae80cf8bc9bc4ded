"""The writers' turn among processes: in the order they came, and never waited for without end.

flock keeps that order and ends with the process that holds it, but has no deadline, and a holder
may be stopped (SIGSTOP, a debugger, a dead disk). To ask again and again (LOCK_NB) loses the order:
of four writers some wait ten times as long. A thread that waits in the queue, and is waited for,
takes a fifth of two busy workers' throughput. A timer costs nothing until it is due.
"""

import fcntl
import os
import signal
import threading
from pathlib import Path
from types import FrameType

from journal.live_calls import Busy
from policies.errors import BadInput

AGAIN_S = 0.05  # a signal that comes just before the call it should end is sent once more


class _LateError(Exception):
    """The timer was due."""


class Turn:
    """A place in the queue of one process; `take` and `give` are called by one at a time."""

    def __init__(self, path: Path) -> None:
        self._file = turnstile(path)
        self._waiting = False

    def take(self, wait_s: float) -> None:
        """Returns with the lock. Raises `Busy` after `wait_s` seconds.

        Only a process's main thread can be woken by a timer: another waits as long as it takes.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if threading.current_thread() is not threading.main_thread():
                fcntl.flock(self._file, fcntl.LOCK_EX)
            elif not self._taken_within(wait_s):
                said = "another process holds the journal's lock"
                raise Busy(said, _holder(self._file)) from None

    def give(self) -> None:
        """The next one's turn."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Ends it."""
        os.close(self._file)

    def _taken_within(self, wait_s: float) -> bool:
        handler = signal.signal(signal.SIGALRM, self._late)
        timer = signal.setitimer(signal.ITIMER_REAL, max(wait_s, 1e-6), AGAIN_S)
        try:
            self._waiting = True
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._waiting = False
        except _LateError:
            self.give()  # it may have come just before
            return False
        finally:
            self._waiting = False
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        return True

    def _late(self, _number: int, _frame: FrameType | None) -> None:
        """Raises once, and only out of the wait."""
        if self._waiting:
            self._waiting = False
            raise _LateError


def turnstile(path: Path) -> int:
    """The open file whose lock the writers queue for; not the journal: SQLite locks that itself."""
    beside = path.with_name(f"{path.name}-lock")
    try:
        return os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        said = f"cannot be opened as a live journal ({error.strerror})"
        raise BadInput(str(path), said) from None


def _holder(file: int) -> int | None:
    """The process that has the lock, for whoever must wake or end it; None where none can say."""
    found = os.fstat(file)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    # "1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF"; those who wait have "->" before
    held = [line.split() for line in lines if " -> " not in line]
    return next((int(x[4]) for x in held if x[1] == "FLOCK" and x[5] == place), None)
