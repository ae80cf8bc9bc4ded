"""A process that keeps the writers' lock: the others say so in time, and go on by themselves."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.live_calls import Busy
from journal.live_turn import Turn
from journal.states import read_states
from replay import audit

BUSY = {"code": "journal_busy", "message": "another process holds the journal's lock"}


@contextmanager
def held(journal: Path) -> Iterator[None]:
    """The lock in the hand of this process."""
    with journal.with_name(f"{journal.name}-lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_held(journal: Path) -> bool:
    """Whether some process has the lock now."""
    with journal.with_name(f"{journal.name}-lock").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def events(said: str) -> list[Any]:
    return [json.loads(line) for line in said.splitlines()]


def holds(server: Any, decisions: int) -> None:
    """Audited, with so many decisions."""
    found = audit(read_log(server.journal, values=False), read_states(server.states))
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions == decisions


# ---- the queue alone


def test_a_wait_ends_at_its_time(tmp_path: Path) -> None:
    """Busy names the holder; who gave up holds nothing, and the timer of before goes on."""
    first, second = Turn(tmp_path / "j"), Turn(tmp_path / "j")
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        first.take(0)
        for wait_s in (0, 0.001, 0.02):
            began = time.monotonic()
            with pytest.raises(Busy) as raised:
                second.take(wait_s)
            assert raised.value.holder == os.getpid()
            assert time.monotonic() - began >= wait_s
        first.give()
        first.take(0)
        threading.Timer(0.05, first.give).start()
        second.take(10)
        with pytest.raises(Busy):
            first.take(0)
        second.give()
        first.take(10)
        end = time.monotonic() + 10
        while not heard and time.monotonic() < end:
            time.sleep(0.01)
        assert heard == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    first.close()
    second.close()


def test_a_signal_at_any_instant_leaves_no_lock(tmp_path: Path) -> None:
    """A thousand waits that end about when the lock comes: it is had or it is not."""
    first, second = Turn(tmp_path / "j"), Turn(tmp_path / "j")
    outcomes = set()
    for i in range(1000):
        first.take(10)
        giving = threading.Timer(0.0005, first.give)
        giving.start()
        try:
            second.take(0.0002 + i % 10 * 0.0001)
            second.give()
            outcomes.add("had")
        except Busy:
            outcomes.add("late")
        giving.join()
    assert outcomes == {"had", "late"}
    first.take(0)  # nobody has kept it
    first.close()
    second.close()


def test_another_thread_waits_as_long_as_it_takes(tmp_path: Path) -> None:
    """No timer can wake it; the lock does."""
    first, second = Turn(tmp_path / "j"), Turn(tmp_path / "j")
    first.take(0)
    waiting = threading.Thread(target=second.take, args=(0,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    first.give()
    waiting.join(10)
    assert not waiting.is_alive()
    with pytest.raises(Busy):
        first.take(0)
    first.close()
    second.close()


# ---- servers


def test_a_lock_that_is_kept_is_503_and_the_server_recovers_by_itself(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """First after two seconds, then soon: /healthz answers meanwhile."""
    server = serve(tmp_path, policy="linucb:epsilon=0.3")
    assert server.post("/score", ask(rng))[0] == 200
    with held(server.journal):
        began = time.monotonic()
        status, said = server.post("/score", ask(rng))
        assert (status, said["error"], server.headers["Retry-After"]) == (503, BUSY, "1")
        assert 2 <= time.monotonic() - began < 10
        began = time.monotonic()
        for _ in range(10):
            assert server.post("/score", ask(rng))[0] == 503
            assert server.send("GET", "/healthz")[0] == 200
        assert time.monotonic() - began < 10  # not two seconds each
        assert server.send("GET", "/readyz") == (503, {"error": BUSY})
    assert server.post("/score", ask(rng))[0] == 200
    code, said = server.stop()
    told = {
        "event": "journal_unavailable",
        "message": BUSY["message"],
        "kind": "Busy",
        "holder": os.getpid(),
    }
    assert (code, events(said)) == (0, [told, {"event": "journal_recovered"}])
    holds(server, 2)


@pytest.mark.parametrize("how", [signal.SIGCONT, signal.SIGKILL])
def test_a_server_that_is_stopped_in_its_turn_holds_nobody_for_ever(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator, how: Any
) -> None:
    """SIGSTOP while it writes: others are 503 until it goes on or dies; nothing told is lost."""
    stopped, other = (serve(tmp_path, policy="linucb:epsilon=0.3") for _ in range(2))
    told: list[int] = []

    def load() -> None:
        mine = np.random.default_rng(1)
        try:
            while True:
                told.append(stopped.post("/score", ask(mine, "u", k=50))[0])
        except (OSError, AttributeError):
            pass  # its end

    loading = threading.Thread(target=load, daemon=True)
    loading.start()
    end = time.monotonic() + 30
    while True:
        time.sleep(float(rng.uniform(0.001, 0.02)))
        stopped.process.send_signal(signal.SIGSTOP)
        _wait_until_stopped(stopped.process.pid)
        if is_held(stopped.journal):
            break
        stopped.process.send_signal(signal.SIGCONT)
        assert time.monotonic() < end, "it was never met in its turn"
    status, said = other.post("/score", ask(rng, "v"))
    assert (status, said["error"]) == (503, BUSY)
    assert other.send("GET", "/healthz")[0] == 200
    stopped.process.send_signal(how)
    while other.post("/score", ask(rng, "v"))[0] != 200:
        assert time.monotonic() < end + 30
    if how == signal.SIGCONT:
        stopped.process.send_signal(signal.SIGKILL)
    loading.join(timeout=30)
    assert set(told) <= {200}
    assert other.stop()[0] == 0
    decided = other.counts()[0][0]
    assert decided - len(told) in (1, 2)  # what the kill left unanswered may be written or not
    holds(other, decided)


def _wait_until_stopped(pid: int) -> None:
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.0005)


def test_a_start_that_finds_the_lock_kept_is_one_line(tmp_path: Path) -> None:
    """Exit code 2, no traceback; the seconds of patience are shortened for the test."""
    journal = tmp_path / "live.db"
    (tmp_path / "live.db-lock").touch()
    code = (
        "import sys, journal.live_file as f; f.OPENING_S = 0.1; import serve;"
        f"sys.argv = ['serve.py', '--policy', 'linucb', '--state', {str(tmp_path)!r},"
        f" '--journal', {str(journal)!r}, '--port', '0']; sys.exit(serve.main())"
    )
    with held(journal):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    said = f"another process holds the journal's lock: process {os.getpid()}"
    assert done.stderr == f"serve.py: {journal}: {said}\n"
