"""Malformed requests against a running scorer, valid ones among them; then what must still hold.

    python -m benchmarks.serve_garbage --requests 100000 --workers 2

32 connections at a time. Every reply must be one that is meant, framed right, and tell nothing of
paths or versions; after every 20 malformed ones each client is a person of its own, whose tip must
be what was asked, the same when asked again, and counted once. At the end descriptors and threads
of every process are those of the start, the resident size has not moved, stderr is empty and the
journal audits. Exit 1 names what does not hold.
"""

import argparse
import asyncio
import json
import re
import struct
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from time import monotonic, sleep
from typing import Any

import numpy as np

from benchmarks.garbage import SLOW_S, Case, Garbage, post
from benchmarks.serve_load import NAMES, ROOT
from benchmarks.serve_memory import resident_mib

CLIENTS, SLOW_CLIENTS = 32, 8
CONTROL_EVERY = 20  # malformed requests of a client, then a valid exchange
SLOW_SHARE = 1_000  # one in so many is slow
PATIENCE_S = 60.0  # for the end of a connection: the server's own limits are far below
SETTLE_S = 15.0  # for the last connections to be gone
ALLOWED = 0.05  # of the resident size, after the first sixth
MEANT = {200, 400, 404, 405, 408, 409, 410, 411, 413, 414, 417, 431, 501, 505}
MEANT_503 = {"overloaded", "journal_busy", "journal_unavailable", "stopping"}
LEAKS = re.compile(rb"Traceback|\.py\b|[Pp]ython|sqlite3\.|numpy|asyncio|site-packages|\nServer:")
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z ]+\r\n((?:[A-Za-z-]+: [^\r\n]*\r\n)+)\r\n")
_LENGTH = re.compile(rb"Content-Length: (\d+)\r\n")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Found:
    """What a run saw; `wrong` is empty when all of it was as it must be."""

    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    controls: int = 0

    def blame(self, what: str) -> None:
        if len(self.wrong) < 50:
            self.wrong.append(what)


class Barrage:
    """Clients of a server at a port of this machine; `private` may stand in no reply."""

    def __init__(self, port: int, seed: int, private: Sequence[Path] = ()) -> None:
        self.port, self.found = port, Found()
        self._private = [str(path).encode() for path in (ROOT, *private)]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=30) as reply:
            document = json.loads(reply.read())
        rngs = np.random.default_rng(seed).spawn(CLIENTS + SLOW_CLIENTS)
        self._garbage = [Garbage(document, rng) for rng in rngs]
        self._seqs = [0] * CLIENTS  # feedbacks of each client's own person

    async def send(self, requests: int, slow: int = 0) -> None:
        """That many malformed requests in all, and so many slow ones beside them."""
        shares = [requests // CLIENTS + (c < requests % CLIENTS) for c in range(CLIENTS)]
        slows = [slow // SLOW_CLIENTS + (c < slow % SLOW_CLIENTS) for c in range(SLOW_CLIENTS)]
        await asyncio.gather(
            *(self._client(c, n) for c, n in enumerate(shares)),
            *(self._slow(CLIENTS + c, n) for c, n in enumerate(slows)),
        )

    async def _client(self, c: int, requests: int) -> None:
        garbage = self._garbage[c]
        for i in range(requests):
            case = garbage.next()
            garbage.decisions[:-20] = []
            garbage.decisions += self._read(case, await self._exchange(case))
            if i % CONTROL_EVERY == 0:
                await self._control(c, garbage.rng)

    async def _slow(self, c: int, requests: int) -> None:
        for _ in range(requests):
            case = self._garbage[c].slow()
            began = monotonic()
            got = await self._exchange(case)
            self._read(case, got)
            if case.end == "wait" and not (
                got.startswith(b"HTTP/1.1 4") and monotonic() - began < 2 * SLOW_S + 5
            ):
                self.found.blame(f"{case.kind}: it was not cut off: {got[:60]!r}")

    async def _exchange(self, case: Case) -> bytes:
        """All that came until the server's end; empty after a reset."""
        self.found.kinds[case.kind] += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        got = b""
        try:
            async with asyncio.timeout(PATIENCE_S):
                try:
                    for piece in case.pieces:
                        writer.write(piece)
                        await writer.drain()
                        if case.pause_s:
                            await asyncio.sleep(case.pause_s)
                    if case.end == "reset":
                        wire = writer.get_extra_info("socket")
                        wire.setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
                        writer.transport.abort()
                        return b""
                    if case.end == "half-close":
                        writer.write_eof()
                except OSError:
                    pass  # it had its reply before it had sent all
                while chunk := await reader.read(1 << 16):
                    got += chunk
        except TimeoutError:
            self.found.blame(f"{case.kind}: no end in {PATIENCE_S:g} s: {case.pieces[0][:80]!r}")
        except OSError:
            pass
        finally:
            writer.close()
        return got

    def _read(self, case: Case, got: bytes) -> list[str]:
        """Checks and counts the replies; the decisions that they tell of."""
        found, decided, at = self.found, [], 0
        if LEAKS.search(got) or any(path in got for path in self._private):
            found.blame(f"{case.kind}: a leak: {got[:400]!r}")
        while at < len(got):
            if got.startswith(_CONTINUE, at):
                at += len(_CONTINUE)
                continue
            head = _HEAD.match(got, at)
            length = _LENGTH.search(head[2]) if head else None
            if head is None or length is None:
                found.blame(f"{case.kind}: no reply of HTTP: {got[at : at + 80]!r}")
                break
            size = int(length[1])
            if head.end() == len(got) or got.startswith(b"HTTP/1.1 ", head.end()):
                size = 0  # to HEAD
            body = got[head.end() : head.end() + size]
            at = head.end() + size
            status, code = int(head[1]), ""
            if body and b"\r\nContent-Type: application/json" in b"\r\n" + head[2]:
                try:
                    said = json.loads(body)
                except ValueError:
                    found.blame(f"{case.kind}: no JSON: {body[:80]!r}")
                    break
                code = said.get("error", {}).get("code", "")
                decided += [said["decision_id"]] if "decision_id" in said else []
            found.statuses[f"{status} {code}".strip()] += 1
            if status not in MEANT and not (status == 503 and code in MEANT_503):
                found.blame(f"{case.kind}: {status} {body[:200]!r} to {case.pieces[0][:200]!r}")
        if not got:
            found.statuses["no reply"] += 1
        return decided

    async def _control(self, c: int, rng: np.random.Generator) -> None:
        """A tip, the same again, its answer: as they must be whatever is sent beside them."""
        number, user = self.found.controls, f"control-{c}"
        self.found.controls += 1
        candidates = []
        for k in range(int(rng.integers(1, 5))):
            values = [*rng.uniform(-1, 1, 2), float(rng.integers(2)), *rng.random(2)]
            features = {n: float(v) for n, v in zip(NAMES, values, strict=True)}
            candidates.append({"id": f"c{number}-{k}", "arm": f"a{k % 2}", "features": features})
        body = {"user_id": user, "request_id": f"r{number}", "candidates": candidates}
        first = await self._ask("/score", body)
        again = await self._ask("/score", body)
        action, pmf = first.get("action", {}), first.get("pmf", [])
        if (
            first != again
            or len(pmf) != len(candidates)
            or abs(sum(pmf) - 1) > 1e-9
            or first["pscore"] != pmf[action["index"]]
            or action["id"] != candidates[action["index"]]["id"]
            or first["state_seq"] != self._seqs[c]
        ):
            self.found.blame(f"{user}: a wrong tip: {first}, again {again}")
            return
        told = {"decision_id": first["decision_id"], "feedback": "done"}
        said = await self._ask("/reward", told)
        self._seqs[c] += 1
        if said != {"applied": True, "state_seq": self._seqs[c]}:
            self.found.blame(f"{user}: a wrong answer: {said}")

    async def _ask(self, path: str, body: Any) -> Any:
        raw = post(path, json.dumps(body).encode())
        while True:
            got = await self._exchange(Case("control", [raw]))
            if not got.startswith(b"HTTP/1.1 503 "):
                break
            await asyncio.sleep(0.1)
        return json.loads(got.partition(b"\r\n\r\n")[2] or b"{}")


def processes(pid: int) -> list[int]:
    """A server's process and its workers."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def handles(pid: int) -> dict[int, tuple[int, int]]:
    """Descriptors and threads of each process of a server."""
    return {
        p: (
            len(list(Path(f"/proc/{p}/fd").iterdir())),
            len(list(Path(f"/proc/{p}/task").iterdir())),
        )
        for p in processes(pid)
    }


def settled(pid: int, before: dict[int, tuple[int, int]], seconds: float = SETTLE_S) -> Any:
    """The handles once they are those of before, or as they are after so long."""
    end = monotonic() + seconds
    while (now := handles(pid)) != before and monotonic() < end:
        sleep(0.1)
    return now


def run(where: Path, requests: int, workers: int, seed: int) -> Found:
    """The whole of it against a server of its own."""
    command = [
        *(sys.executable, "-W", "error", "serve.py", "--policy", "linucb:alpha=1,epsilon=0.1"),
        *("--state", str(where / "states"), "--journal", str(where / "live.db"), "--port", "0"),
        *("--workers", str(workers), "--reward-window", "30s"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        try:
            port = int(line.rpartition(":")[2])
            barrage = Barrage(port, seed, [where])
            found = barrage.found
            sleep(1.0)  # the connection that read the document is gone
            idle = handles(process.pid)
            sizes = []
            steps = 12
            for step in range(steps):
                share = requests // steps + (step < requests % steps)
                slow = requests // SLOW_SHARE // steps
                asyncio.run(barrage.send(share, slow))
                sizes.append([resident_mib(p) for p in processes(process.pid)])
                print(
                    f"{sum(found.kinds.values()):8,d} connections, resident MiB "
                    + " ".join(f"{size:.1f}" for size in sizes[-1]),
                    file=sys.stderr,
                )
            after = settled(process.pid, idle)
            if after != idle:
                found.blame(f"descriptors and threads were {idle}, are {after}")
            for sizes_of in zip(*sizes[steps // 6 :], strict=True):
                if max(sizes_of) > min(sizes_of) * (1 + ALLOWED):
                    found.blame(f"the resident size moved: {sizes_of}")
        finally:
            process.terminate()
            said = process.communicate(timeout=60)[1]
    if said or process.returncode:
        found.blame(f"exit code {process.returncode}, stderr: {said[:1000]}")
    audit = [sys.executable, "-m", "replay", "audit", str(where / "live.db")]
    audit += ["--state", str(where / "states")]
    done = subprocess.run(audit, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        found.blame(f"the audit: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return found


def main() -> int:
    options = argparse.ArgumentParser(
        prog="benchmarks.serve_garbage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--where", type=Path, help="a directory for the journal")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.where) as directory:
        found = run(Path(directory), asked.requests, asked.workers, asked.seed)
    kinds = ", ".join(f"{n:,d} {kind}" for kind, n in sorted(found.kinds.items()))
    print(f"{asked.workers} worker(s), {found.controls:,d} valid exchanges; connections: {kinds}")
    for status, n in sorted(found.statuses.items()):
        print(f"{n:8,d} {status}")
    for what in found.wrong:
        print(f"wrong: {what}")
    print("nothing wrong" if not found.wrong else f"{len(found.wrong)} things are wrong")
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main())
