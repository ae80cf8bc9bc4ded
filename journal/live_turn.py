"""The writers' turn among processes: in the order they came, and never waited for without end.

flock keeps that order and ends with the process that holds it, but cannot be told how long to
wait, and a holder may be stopped (SIGSTOP, a debugger, a dead disk). To ask again and again
(LOCK_NB) would lose the order: of four writers some then wait ten times as long. So who finds it
taken has a thread wait, and waits for the thread.
"""

import fcntl
import os
import threading
from pathlib import Path

from journal.live_calls import Busy
from policies.errors import BadInput


class Turn:
    """One place in the queue, of one process; `take` and `give` are called by one at a time."""

    def __init__(self, path: Path) -> None:
        self._file = turnstile(path)
        self._changed = threading.Condition()
        self._queued = False  # the thread waits for the lock
        self._wanted = False  # and somebody for the thread
        self._ours = False  # it has got it for whoever waits
        self._closed = False

    def take(self, wait_s: float) -> None:
        """Returns with the lock. Raises `Busy` after `wait_s` seconds; its place is kept."""
        with self._changed:
            if not self._queued:
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._queued = True
                    threading.Thread(target=self._queue, daemon=True).start()
                else:
                    return
            self._wanted = True
            got = self._changed.wait_for(lambda: self._ours, wait_s)
            self._wanted = self._ours = False
        if not got:
            raise Busy("another process holds the journal's lock", _holder(self._file))

    def give(self) -> None:
        """The next one's turn."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives up the place too."""
        with self._changed:
            self._closed = True
            if not self._queued:
                os.close(self._file)

    def _queue(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._changed:
            self._queued = False
            if self._closed:
                os.close(self._file)  # here: the number might be another file's by now
            elif self._wanted:
                self._ours = True
                self._changed.notify()
            else:
                self.give()


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
