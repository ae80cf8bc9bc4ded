"""The scorer's goals, measured: interleaved windows, medians, and what they are compared with.

    python -m benchmarks.serve_load --rounds 9 --seconds 3 [--peer PYTHON] [--workers 2]

`--peer` is a Python that has fastapi and uvicorn beside numpy and numba: it serves the same
policy and the same commit (benchmarks/serve_peer.py). Every request is durable: one fsync a
batch. The journals stand in --where, on the disk that is to be measured. --workers 2 adds rows
of a second server, of so many processes over a journal of its own, each with its part of the
connections. Requests with a request_id go to a server of their own: the journal of the first would
be twice as long.
"""

import argparse
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.serve_client import Crowd, Window, Wire

ROOT = Path(__file__).resolve().parents[1]
USERS, CANDIDATES = 500, 10
NAMES = ("hour_sin", "hour_cos", "is_overdue", "task_age", "priority")
SPEC = "linucb:alpha=1"
NO_ID = "request_id......"
REWARD = "/reward paced 300/s"  # its goal: p99 at most 2 x a bare append's, 3 x with 2 workers
APPEND, APPENDED = "bare append paced 300/s", "the same server, bare append"


def request(method: str, path: str, body: Any = None) -> bytes:
    raw = b"" if body is None else json.dumps(body).encode()
    length = f"Content-Length: {len(raw)}\r\n" if body is not None else ""
    kind = "Content-Type: application/json\r\n" if body is not None else ""
    return f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{kind}{length}\r\n".encode() + raw


def scores(named: bool = False) -> Callable[[], bytes]:
    """POST /score of 500 people, 10 candidates with ready features each.

    `named`: each under a request_id of its own.
    """
    rng = np.random.default_rng(0)
    bodies = []
    for i in range(2_000):
        candidates = []
        for k in range(CANDIDATES):
            values = [*rng.uniform(-1, 1, 2), float(rng.integers(2)), *rng.random(2)]
            features = {n: float(v) for n, v in zip(NAMES, values, strict=True)}
            candidates.append({"id": f"t{k}", "arm": f"a{k % 4}", "features": features})
        body: dict[str, Any] = {"user_id": f"u{i % USERS}", "candidates": candidates}
        if named:
            body["request_id"] = NO_ID
        bodies.append(request("POST", "/score", body))
    following = itertools.cycle(bodies).__next__
    if not named:
        return following
    numbers, place = itertools.count(), NO_ID.encode()
    return lambda: following().replace(place, b"%016x" % next(numbers), 1)


@contextmanager
def served(where: Path, command: list[str]) -> Iterator[tuple[int, int]]:
    """A server of its own process; its port and its id."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TIPBANDIT_BENCH": str(where)}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise SystemExit(f"{command[0]} did not start")
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.communicate(timeout=60)


def cpu_seconds(pid: int) -> float:
    """What a process has used: unlike its latencies, hardly a matter of its neighbours."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def workers_of(pid: int) -> list[int]:
    """The processes of a supervisor; none when it serves itself."""
    said = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(worker) for worker in said.split()]


def spread(port: int, workers: list[int], connections: int) -> Crowd:
    """So many connections, each worker with its part: else one may accept all of a burst."""
    crowd, health = Crowd("127.0.0.1", port, 0), request("GET", "/healthz")
    try:
        for i, one in enumerate(workers, start=1):
            for worker in workers:
                os.kill(worker, signal.SIGCONT if worker == one else signal.SIGSTOP)
            while len(crowd.wires) < connections * i // len(workers):
                wire = Wire("127.0.0.1", port)
                wire.send(health, 0.0)
                assert next(wire.replies())[1] == 200
                crowd.join(wire)
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
    return crowd


def bare_append(where: Path, rate: float, seconds: float, size: int) -> Window:
    """What the disk gives: records of `size` bytes at `rate`, all that are due in one fdatasync."""
    out, sent, total = Window(seconds), 0, int(rate * seconds)
    handle = os.open(where / "append", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    began = perf_counter()
    try:
        while sent < total:
            due = min(total, int((perf_counter() - began) * rate) + 1)
            if due == sent:
                continue
            os.write(handle, bytes(size * (due - sent)))
            os.fdatasync(handle)
            now = perf_counter()
            out.latencies += [now - (began + i / rate) for i in range(sent, due)]
            sent = due
    finally:
        os.close(handle)
    return out


def measure(asked: argparse.Namespace, where: Path) -> dict[str, list[Window]]:
    """All windows, by name, in turns."""
    score, named = scores(), scores(named=True)
    health = request("GET", "/healthz")
    found: dict[str, list[Window]] = {}

    def ours(name: str, workers: int) -> list[str]:
        store = where / name
        store.mkdir()
        return [
            *(sys.executable, "serve.py", "--policy", SPEC, "--port", "0"),
            *("--state", str(store / "states"), "--journal", str(store / "live.db")),
            *("--workers", str(workers)),
        ]

    peer = [
        *(asked.peer or "", "-m", "uvicorn", "benchmarks.serve_peer:app", "--port", "0"),
        *("--no-access-log", "--log-level", "info"),
    ]

    def keep(name: str, window: Window, process: int = 0, before: float = 0.0) -> None:
        found.setdefault(name, []).append(window)
        if asked.verbose:
            took = f"p50 {window.ms(50):7.2f} ms  p99 {window.ms(99):7.2f} ms"
            print(f"{name:31} {window.rate:8,.0f}/s  {took}", file=sys.stderr)
        if process:
            window.cpu = cpu_seconds(process) - before

    with ExitStack() as stack:
        port, pid = stack.enter_context(served(where, ours("one", 1)))
        bare_port, _ = stack.enter_context(
            served(where, [sys.executable, "-m", "benchmarks.serve_bare", str(where)])
        )
        eight, many = Crowd("127.0.0.1", port, 8), Crowd("127.0.0.1", port, 64)
        crowds = {"": (eight, many)}
        third, third_pid = stack.enter_context(served(where, ours("named", 1)))
        retrying = Crowd("127.0.0.1", third, 64)
        stack.callback(retrying.close)
        retrying.busy(named, 1.0)  # warm
        answer = request("POST", "/reward", {"decision_id": "0" * 44, "feedback": "done"})
        bare = Crowd("127.0.0.1", bare_port, 8)
        stack.callback(bare.close)
        bare.busy(lambda: answer, 1.0)  # warm
        if asked.workers > 1:
            other = stack.enter_context(served(where, ours("several", asked.workers)))
            them = workers_of(other[1])
            several = f", {asked.workers} workers"
            crowds[several] = (spread(other[0], them, 8), spread(other[0], them, 64))
        for pair in crowds.values():
            for crowd in pair:
                stack.callback(crowd.close)
                crowd.busy(score, 1.0)  # warm
        ids: dict[str, list[str]] = {who: [] for who in crowds}

        def rewards(who: str) -> None:
            """As many as were decided before, a window long."""
            eight, open_tips = crowds[who][0], ids[who]

            def seen(body: bytes) -> None:
                open_tips.append(json.loads(body)["decision_id"])

            def answer() -> bytes:
                said = {"decision_id": open_tips.pop(), "feedback": "done"}
                return request("POST", "/reward", said)

            while len(open_tips) < 300 * asked.seconds + 1:
                eight.busy(score, 0.2, seen)
            keep(f"{REWARD}{who}", eight.paced(answer, 300, asked.seconds))

        for _ in range(asked.rounds):
            keep("/score paced 1000/s", eight.paced(score, 1000, asked.seconds))
            keep("/healthz paced 1000/s", eight.paced(lambda: health, 1000, asked.seconds))
            keep("bare append paced 1000/s", bare_append(where, 1000, asked.seconds, 1200))
            used = cpu_seconds(pid)
            keep("/score 64 busy", many.busy(score, asked.seconds), pid, used)
            used, window = cpu_seconds(third_pid), retrying.busy(named, asked.seconds)
            keep("/score 64 busy, request_id", window, third_pid, used)
            for who in crowds:
                rewards(who)
            keep(APPENDED, bare.paced(lambda: answer, 300, asked.seconds))
            keep(APPEND, bare_append(where, 300, asked.seconds, 300))
            used = cpu_seconds(pid)
            keep("/score 8 busy", eight.busy(score, asked.seconds), pid, used)
            if asked.workers > 1:
                keep(f"/score 64 busy{several}", crowds[several][1].busy(score, asked.seconds))
            if asked.peer:
                with served(where, peer) as (its_port, its_pid):
                    peers = Crowd("127.0.0.1", its_port, 8)
                    peers.busy(score, 1.0)
                    used = cpu_seconds(its_pid)
                    keep("fastapi 8 busy", peers.busy(score, asked.seconds), its_pid, used)
                    peers.close()
    return found


def main() -> None:
    options = argparse.ArgumentParser(
        prog="benchmarks.serve_load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--workers", type=int, default=1, help="also a server of so many")
    options.add_argument("--peer", help="a Python with fastapi and uvicorn")
    options.add_argument("--where", type=Path, help="a directory on the disk to measure")
    options.add_argument("--verbose", action="store_true", help="every window on stderr")
    options.add_argument("--json", action="store_true", help="one JSON object on stdout")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.where) as directory:
        found = measure(asked, Path(directory))
    table = {
        name: {
            "rps": statistics.median(w.rate for w in windows),
            "p50_ms": statistics.median(w.ms(50) for w in windows),
            "p99_ms": statistics.median(w.ms(99) for w in windows),
            "requests": sum(len(w.latencies) for w in windows),
            "cpu_us": statistics.median(w.cpu / len(w.latencies) * 1e6 for w in windows),
            "errors": sum(w.errors for w in windows),
        }
        for name, windows in found.items()
    }
    if asked.json:
        print(json.dumps({"load_average": os.getloadavg(), "windows": table}))
        return
    print(f"medians of {asked.rounds} windows of {asked.seconds:g} s")
    for name, row in table.items():
        print(
            f"{name:31} {row['rps']:8,.0f}/s   p50 {row['p50_ms']:7.2f} ms   p99"
            f" {row['p99_ms']:7.2f} ms   {row['requests']:8,d} requests, {row['errors']} errors"
            + (f", {row['cpu_us']:.0f} us of CPU each" if row["cpu_us"] else "")
        )
    for name in (name for name in found if name.startswith(REWARD)):
        for other in (APPEND, APPENDED):
            pairs = zip(found[name], found[other], strict=True)
            times = statistics.median(a.ms(99) / b.ms(99) for a, b in pairs)
            print(f"p99 of {name} over {other}: {times:.2f} x")
    if "fastapi 8 busy" in found:
        pairs = zip(found["/score 8 busy"], found["fastapi 8 busy"], strict=True)
        print(f"over fastapi, 8 busy: {statistics.median(a.rate / b.rate for a, b in pairs):.2f} x")
    print("load average of the machine: {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))


if __name__ == "__main__":
    main()
