"""Memory over a long run: `--decisions` tips, each answered, the server's resident size as it goes.

    python -m benchmarks.serve_memory --decisions 300000

Exits 1 when the size moves by more than 5% after the first sixth of the run. --silent: nobody
answers, and what a tip that waits for its answer takes is printed.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from benchmarks.serve_client import Crowd
from benchmarks.serve_load import SPEC, request, scores, served

ALLOWED = 0.05
STEPS = 30


def resident_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def main() -> int:
    options = argparse.ArgumentParser(prog="benchmarks.serve_memory", description=__doc__)
    options.add_argument("--decisions", type=int, default=300_000)
    options.add_argument("--silent", action="store_true", help="nobody answers")
    options.add_argument("--where", type=Path, help="a directory for the journal")
    asked = options.parse_args()
    score, sizes = scores(), []
    with tempfile.TemporaryDirectory(dir=asked.where) as directory:
        where = Path(directory)
        command = [
            *(sys.executable, "serve.py", "--policy", SPEC, "--port", "0"),
            *("--state", str(where / "states"), "--journal", str(where / "live.db")),
        ]
        with served(where, command) as (port, pid):
            crowd, ids = Crowd("127.0.0.1", port, 8), list[str]()
            made = 0

            def next_request() -> bytes:
                if ids:
                    return request(
                        "POST", "/reward", {"decision_id": ids.pop(), "feedback": "done"}
                    )
                return score()

            def seen(body: bytes) -> None:
                nonlocal made
                reply = json.loads(body)
                if "pmf" in reply:
                    made += 1
                    if not asked.silent:
                        ids.append(reply["decision_id"])

            while made < asked.decisions:
                window = crowd.busy(next_request, 0.5, seen)
                assert not window.errors
                if made * STEPS >= asked.decisions * (len(sizes) + 1):
                    sizes.append((made, resident_mib(pid)))
            crowd.close()
    after = [size for count, size in sizes if count * 6 >= asked.decisions]
    spread = max(after) / min(after) - 1
    for count, size in sizes[:: max(1, len(sizes) // 6)]:
        print(f"{count:8,d} decisions {size:8.1f} MiB")
    if asked.silent:
        (few, least), (many, most) = sizes[len(sizes) // 6], sizes[-1]
        print(f"an open tip takes {(most - least) * 1024 * 1024 / (many - few):,.0f} bytes")
        return 0
    print(f"after the first sixth it moves by {spread:.1%}")
    return int(spread > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
