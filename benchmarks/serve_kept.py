"""What a decision costs more with what is kept beside it: inputs, a variant, a request_id.

CPU time of this process, medians of pairs: a request of ten raw tasks read, then decided and
committed, with and without what the encoder read; committed in an experiment or not; ten ready
features read, then decided and committed, with and without a request_id.
Run: `python -m benchmarks.serve_kept`.
"""

import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.serve_load import scores
from journal import live_requests
from journal.live import LiveJournal
from policies.experiment import Experiment, Variant
from policies.spec import canonical, make

PAIRS, CALLS = 25, 80
DUES = (
    None,
    {"date": "2026-11-22", "is_recurring": False},
    {"date": "2026-11-23T09:00:00", "is_recurring": True},
    {"date": "2026-11-23T09:00:00Z", "timezone": "Europe/Paris", "is_recurring": False},
)


def request() -> bytes:
    """Ten raw tasks of all kinds."""
    candidates = [
        {
            "id": f"t{k}",
            "task": {
                "content": "x" * 30,
                "project_id": "work",
                "priority": 1 + k % 4,
                "added_at": "2026-11-01T09:00:00.000000Z",
                "due": DUES[k % 4],
            },
        }
        for k in range(10)
    ]
    about = {"user_id": "u1", "now": "2026-11-23T09:00:00+01:00", "timezone": "Europe/Paris"}
    return json.dumps({**about, "candidates": candidates}).encode()


def paired(with_it: Callable[[], Any], without: Callable[[], Any]) -> tuple[float, float, float]:
    """Microseconds of CPU with it, without, and the median difference of the pairs."""

    def took(call: Callable[[], Any]) -> float:
        start = time.process_time()
        for _ in range(CALLS):
            call()
        return (time.process_time() - start) / CALLS * 1e6

    took(with_it)
    pairs = [(took(with_it), took(without)) for _ in range(PAIRS)]
    ours, theirs = (statistics.median(x) for x in zip(*pairs, strict=True))
    return ours, theirs, statistics.median(a - b for a, b in pairs)


def main() -> None:
    """Prints a line each."""
    raw = request()
    keep = live_requests.inputs_of
    policy = make("linucb")
    variants = tuple(Variant(name, canonical(policy), 0.5) for name in ("a", "b"))
    experiment = Experiment("bench", 0, variants)
    asked: Any = live_requests.prepare("/score", raw)
    bare = replace(asked, inputs=None)
    with_id, without_id = (scores(named)().partition(b"\r\n\r\n")[2] for named in (True, False))
    ready: Any = live_requests.prepare("/score", with_id)

    def read_without() -> None:
        live_requests.inputs_of = lambda *_: None  # type: ignore[assignment,misc]
        live_requests.prepare("/score", raw)
        live_requests.inputs_of = keep

    with tempfile.TemporaryDirectory() as where:
        journal = LiveJournal(Path(where) / "live.db", Path(where) / "states")
        rows = {
            "reading a request": (lambda: live_requests.prepare("/score", raw), read_without),
            "decision and commit": (
                lambda: journal.decide(policy, asked),
                lambda: journal.decide(policy, bare),
            ),
            "experiment": (
                lambda: journal.decide(experiment, bare),
                lambda: journal.decide(policy, bare),
            ),
            "reading a request_id": (
                lambda: live_requests.prepare("/score", with_id),
                lambda: live_requests.prepare("/score", without_id),
            ),
            "committing a request_id": (
                lambda: journal.decide(policy, replace(ready, request_id=secrets.token_hex(8))),
                lambda: journal.decide(policy, replace(ready, request_id=None)),
            ),
        }
        for name, (with_it, without) in rows.items():
            print("{}: {:.0f} us with, {:.0f} without, {:+.0f}".format(
                name, *paired(with_it, without)
            ))  # fmt: skip
        journal.close()


if __name__ == "__main__":
    main()
