"""What people notice of operations on a running scorer's journal, and how long these take.

    python -m benchmarks.serve_upkeep --decisions 30000

`--decisions` tips, each answered but a few; then /score at 200 a second, open loop, alone and
while each operation runs in a process of its own. Prints a line a case.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from benchmarks.serve_client import Crowd, Window
from benchmarks.serve_load import ROOT, SPEC, request, scores, served

RATE = 200  # requests a second
ALONE_S = 3.0
LEFT = 50  # tips that stay unanswered


def _filled(crowd: Crowd, score: Callable[[], bytes], decisions: int) -> None:
    ids: list[str] = []
    made = 0

    def next_request() -> bytes:
        if len(ids) > LEFT:
            said = {"decision_id": ids.pop(), "feedback": "done"}
            return request("POST", "/reward", said)
        return score()

    def seen(body: bytes) -> None:
        nonlocal made
        reply = json.loads(body)
        if "pmf" in reply:
            ids.append(reply["decision_id"])
            made += 1

    while made < decisions:
        assert not crowd.busy(next_request, 0.5, seen).errors


def main() -> int:
    options = argparse.ArgumentParser(prog="benchmarks.serve_upkeep", description=__doc__)
    options.add_argument("--decisions", type=int, default=30_000)
    options.add_argument("--where", type=Path, help="a directory for the journal")
    asked = options.parse_args()
    score = scores()
    with tempfile.TemporaryDirectory(dir=asked.where) as directory:
        where = Path(directory)
        file = where / "live.db"
        server = [
            *(sys.executable, "serve.py", "--policy", SPEC, "--port", "0"),
            *("--state", str(where / "states"), "--journal", str(file)),
        ]
        cases = {
            "alone": [],
            "inspect": ["inspect", file],
            "backup": ["backup", file, where / "copy.db"],
            "export": ["export", file, where / "a.parquet", "--since-last"],
            "prune": ["prune", file],
            "forget": ["forget", file, "u1", "--state", where / "states"],
        }
        with served(where, server) as (port, _):
            crowd = Crowd("127.0.0.1", port, 8)
            _filled(crowd, score, asked.decisions)
            for name, arguments in cases.items():
                size, began = file.stat().st_size, perf_counter()
                window = Window(ALONE_S)
                if arguments:
                    command = [sys.executable, "-m", "journal", *map(str, arguments)]
                    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
                        while process.poll() is None:
                            window.latencies += crowd.paced(score, RATE, 0.25).latencies
                    assert process.returncode == 0
                else:
                    window = crowd.paced(score, RATE, ALONE_S)
                took = perf_counter() - began
                print(
                    f"{name:8} {took:6.2f} s  {size / 2**20:6.1f} MiB -> "
                    f"{file.stat().st_size / 2**20:6.1f}  /score p50 {window.ms(50):6.2f} ms  "
                    f"p99 {window.ms(99):7.2f}  most {window.ms(100):7.2f}"
                )
            crowd.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
