"""Several processes on one port: started, watched, replaced when they die, ended together.

They share the listening socket, which is bound before they start and outlives each of them,
and the memory of the figures. Nothing is forked: each opens the journal for itself.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from journal.live_notes import note
from policies.errors import BadInput
from serving.heard import Heard

VARIABLE = "TIPBANDIT_WORKER"  # how a worker knows that it is one
START_S = 120.0  # for the kernels to compile and all workers to listen
STOP_S = 10.0
PAUSE_S = 1.0  # before a worker that died young is replaced


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker inherits: its number, and the descriptors it shares."""

    worker: int
    workers: int
    listening: int
    memory: int
    ready: int  # written once it listens
    lifeline: int  # ends with the supervisor
    experiment: str | None  # the text of its file when the supervisor started


def place() -> Place | None:
    """Where a process stands, None when it is no worker; its own children are none."""
    said = os.environ.pop(VARIABLE, None)
    if said is None:
        return None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    return Place(**json.loads(said))


STOPPING = {signal.SIGTERM, signal.SIGINT}
WATCHED = (*STOPPING, signal.SIGCHLD)


class Supervisor:
    """Starts `workers` copies of this very command over one socket."""

    def __init__(
        self,
        sock: socket.socket,
        memory: int,
        workers: int,
        forwarded: tuple[signal.Signals, ...] = (),
        experiment: str | None = None,
    ) -> None:
        self._sock, self._memory, self._count = sock, memory, workers
        self._forwarded = forwarded  # to every worker; each unblocks them when it can be told
        self._experiment = experiment
        self._said, self._ready = os.pipe()
        self._lifeline, self._held = os.pipe()
        self._born: dict[int, float] = {}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def run(self, serving: str) -> int:
        """Says `serving` once all listen; 0 when it was told to stop, 2 when they cannot start."""
        self._heard = Heard((*WATCHED, *self._forwarded))
        for worker in range(self._count):
            self._start(worker)
        if self._all_listen():
            print(serving, file=sys.stderr, flush=True)
            self._watch()
        else:
            self._end()
            raise BadInput("--workers", f"{self._count} could not be started")
        self._end()
        return 0

    def _start(self, worker: int) -> None:
        descriptors = (self._sock.fileno(), self._memory, self._ready, self._lifeline)
        told = Place(worker, self._count, *descriptors, self._experiment)
        warnings = [f"-W{option}" for option in sys.warnoptions]
        self._born[worker] = time.monotonic()
        # what a worker inherits: nothing ends it before it can heed it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (*WATCHED, *self._forwarded))
        try:
            self._processes[worker] = subprocess.Popen(
                [sys.executable, *warnings, *sys.argv],
                env={**os.environ, VARIABLE: json.dumps(asdict(told))},
                pass_fds=descriptors,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _all_listen(self) -> bool:
        end, heard = time.monotonic() + START_S, 0
        while heard < self._count and time.monotonic() < end:
            if select.select([self._said], [], [], 0.1)[0]:
                heard += len(os.read(self._said, self._count))
            if any(p.poll() is not None for p in self._processes.values()):
                return False
            if self._heard.wait(0) & STOPPING:
                return False
        return heard == self._count

    def _watch(self) -> None:
        """Until it is told to stop."""
        while True:
            got = self._heard.wait(1.0)
            if got & STOPPING:
                return
            for number in got.intersection(self._forwarded):
                for process in self._processes.values():
                    process.send_signal(number)
            for worker, process in list(self._processes.items()):
                code = process.poll()
                if code is None:
                    continue
                note("worker_ended", worker=worker, code=code)
                if time.monotonic() - self._born[worker] < PAUSE_S:
                    time.sleep(PAUSE_S)
                self._start(worker)

    def _end(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_S
        for process in self._processes.values():
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
