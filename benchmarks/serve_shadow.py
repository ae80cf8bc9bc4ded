"""What a policy in shadow costs the served path: commits with and without it, in turns.

    python -m benchmarks.serve_shadow --seconds 6 [--batch 8] [--shadow SPEC] [--http]

In one process, without HTTP: what a shadow adds is all in `LiveJournal.commit`, computing and
writing, so the ratio here bounds what a client sees. With --http two servers are asked in turns
by 8 busy connections. Each commit is one fsync. The journals stand in --where, on the disk that
is to be measured.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter, thread_time
from typing import cast

import numpy as np

from benchmarks.serve_client import Crowd
from benchmarks.serve_load import CANDIDATES, SPEC, USERS, cpu_seconds, scores, served
from journal.live import Asked, LiveJournal
from journal.live_shadows import challengers
from policies.spec import make

ARMS = 4


def requests(seed: int = 0, count: int = 2_000) -> list[Asked]:
    """Of 500 people, 10 candidates each, as `serve_load` sends them."""
    rng = np.random.default_rng(seed)
    ids = [f"t{k}" for k in range(CANDIDATES)]
    arms = [f"a{k % ARMS}" for k in range(CANDIDATES)]
    return [
        Asked(f"u{i % USERS}", ids, arms, rng.uniform(-1, 1, (CANDIDATES, 5)), "tip-v1")
        for i in range(count)
    ]


Took = list[tuple[float, float]]  # seconds of a commit, by the wall's clock and of CPU


def measure(asked: argparse.Namespace, where: Path) -> tuple[Took, Took]:
    """Each commit, without shadows and with them."""
    policy, shadows = make(SPEC), challengers(asked.shadow, [make(SPEC)])
    journals = [
        LiveJournal(where / f"{name}.db", where / f"{name}.states", shadows=tried)
        for name, tried in (("without", []), ("with", shadows))
    ]
    pool = requests()
    took: tuple[Took, Took] = ([], [])
    for journal in journals:  # kernels compiled, every person known and with some feedback
        for start in range(0, len(pool), 100):
            for made in journal.commit(policy, pool[start : start + 100]):
                journal.answer(made.decision.decision_id, "done", 1.0)  # type: ignore[union-attr]
    at, turn, end = 0, 0, perf_counter() + asked.seconds
    while perf_counter() < end:
        batch = [pool[(at + k) % len(pool)] for k in range(asked.batch)]
        for j in (turn % 2, 1 - turn % 2):
            began, used = perf_counter(), thread_time()
            journals[j].commit(policy, batch)
            took[j].append((perf_counter() - began, thread_time() - used))
        at, turn = at + asked.batch, turn + 1
    for journal in journals:
        journal.close()
    return took


def measure_http(asked: argparse.Namespace, where: Path) -> tuple[Took, Took]:
    """Each window's p50 of a /score and CPU a reply, from a server without shadows and with."""
    score, took = scores(), cast(tuple[Took, Took], ([], []))
    with contextlib.ExitStack() as stack:
        crowds = []
        for name, specs in (("without", []), ("with", asked.shadow)):
            (where / name).mkdir()
            command = [
                *(sys.executable, "serve.py", "--policy", SPEC, "--port", "0"),
                *("--state", str(where / name / "states")),
                *("--journal", str(where / name / "live.db")),
                *(part for spec in specs for part in ("--shadow", spec)),
            ]
            port, pid = stack.enter_context(served(where / name, command))
            crowds.append((Crowd("127.0.0.1", port, 8), pid))
            crowds[-1][0].busy(score, 1.0)  # warm
        for turn in range(max(2, int(asked.seconds))):
            for j in (turn % 2, 1 - turn % 2):
                crowd, pid = crowds[j]
                used = cpu_seconds(pid)
                window = crowd.busy(score, 0.5)
                replies = max(1, len(window.latencies))
                took[j].append((window.ms(50) / 1e3, (cpu_seconds(pid) - used) / replies))
    return took


def main() -> None:
    """Prints both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--batch", type=int, default=1, help="requests a commit")
    parser.add_argument("--shadow", action="append", default=[], metavar="SPEC")
    parser.add_argument("--where", type=Path, default=None, help="default: a temporary directory")
    parser.add_argument("--http", action="store_true", help="two servers; a window is 0.5 s")
    asked = parser.parse_args()
    asked.shadow = asked.shadow or ["linucb:alpha=0.5"]
    with tempfile.TemporaryDirectory(dir=asked.where) as where:
        run = measure_http if asked.http else measure
        without, shadowed = run(asked, Path(where))
    what = "windows of /score" if asked.http else f"commits of {asked.batch}"
    print(f"{len(without)} {what}, {len(asked.shadow)} in shadow")
    for k, name in enumerate(("wall", "CPU")):
        one, other = (statistics.median(t[k] for t in took) * 1e3 for took in (without, shadowed))
        print(f"p50 {name}: {one:.3f} ms without, {other:.3f} ms with: {other / one:.2f} x")


if __name__ == "__main__":
    main()
