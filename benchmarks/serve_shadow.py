"""What a policy in shadow costs the served path: commits with and without it, in turns.

    python -m benchmarks.serve_shadow --seconds 6 [--batch 8] [--shadow SPEC]

In one process, without HTTP: what a shadow adds is all in `LiveJournal.commit`, computing and
writing, so the ratio here is the upper bound of what a client sees. Each commit is one fsync.
The journals stand in --where, on the disk that is to be measured.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np

from journal.live import Asked, LiveJournal
from journal.live_shadows import challengers
from policies.spec import make

USERS, CANDIDATES, ARMS = 500, 10, 4
SPEC = "linucb:alpha=1"


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
    policy, shadows = make(SPEC), challengers(asked.shadow, make(SPEC))
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


def main() -> None:
    """Prints both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--batch", type=int, default=1, help="requests a commit")
    parser.add_argument("--shadow", action="append", default=[], metavar="SPEC")
    parser.add_argument("--where", type=Path, default=None, help="default: a temporary directory")
    asked = parser.parse_args()
    asked.shadow = asked.shadow or ["linucb:alpha=0.5"]
    with tempfile.TemporaryDirectory(dir=asked.where) as where:
        without, shadowed = measure(asked, Path(where))
    print(f"{len(without)} commits of {asked.batch}, {len(asked.shadow)} in shadow")
    for k, name in enumerate(("wall", "CPU")):
        one, other = (statistics.median(t[k] for t in took) * 1e3 for took in (without, shadowed))
        print(f"p50 {name}: {one:.3f} ms without, {other:.3f} ms with: {other / one:.2f} x")


if __name__ == "__main__":
    main()
