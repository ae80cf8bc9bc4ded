"""`serve.py --shadow` over HTTP: one process and two, challengers that break, what is refused."""

import json
import os
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.live_rows import shadows_in
from policies import canonical, make
from replay import audit

ROOT = Path(__file__).parent.parent
GREEDY = canonical(make("linucb:epsilon=0"))
BROKEN = '''
    from dataclasses import dataclass

    import numpy as np


    @dataclass(frozen=True)
    class Broken:
        """Its secrets are in what it raises, and it writes into what it is given."""

        seed: int = 0
        explores = True

        def score(self, batch, sums):
            sums.gram[...] = np.nan
            batch.context[...] = 0
            raise KeyError("a person's secret")

        def pmf(self, scores, offsets):
            return scores
'''


def figures(server: Any) -> dict[str, float]:
    """What /metrics says, by name and labels."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


@pytest.mark.parametrize("workers", [1, 2])
def test_shadows_are_logged_and_never_served(
    serve: Callable[..., Any], ask: Any, tmp_path: Path, workers: int
) -> None:
    """Every pmf is rebuilt, every failure counted over all workers; replies know nothing of it."""
    (tmp_path / "broken_challenger.py").write_text(textwrap.dedent(BROKEN))
    broken = "broken_challenger:Broken"
    server = serve(
        tmp_path, "--shadow", "linucb:epsilon=0", "--shadow", broken,
        "--workers", str(workers), policy="linucb:epsilon=0.3", PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    rng, count = np.random.default_rng(2), 30
    for i in range(count):
        connection = server.connect()  # any worker may take it
        body = ask(rng, f"u{i % 3}", request_id=f"r{i}")
        status, reply = server.send("POST", "/score", body, connection)
        assert status == 200
        assert set(reply) == {
            "decision_id", "action", "pscore", "pmf", "scores", "policy", "features", "state_seq",
        }  # fmt: skip
        assert server.send("POST", "/score", body, connection) == (200, reply)
        connection.close()
        answer = {"decision_id": reply["decision_id"], "feedback": "done"}
        assert server.post("/reward", answer)[0] == 200
    seen = figures(server)
    assert seen[f'tipbandit_shadow_decisions_total{{policy="{GREEDY}"}}'] == count
    assert seen[f'tipbandit_shadow_failures_total{{policy="{GREEDY}"}}'] == 0
    assert seen[f'tipbandit_shadow_failures_total{{policy="{broken}"}}'] == count
    assert seen[f'tipbandit_shadow_decisions_total{{policy="{broken}"}}'] == 0
    code, errors = server.stop()
    assert code == 0
    assert "secret" not in errors
    notes = [json.loads(line) for line in errors.splitlines()]
    failed = [n for n in notes if n["event"] == "shadow_failed"]
    assert 1 <= len(failed) <= workers
    assert failed[0] == {"event": "shadow_failed", "policy": broken, "failure": "KeyError"}
    log = read_log(server.journal)
    found = audit(log)
    assert found.ok, found.failures
    assert found.rebuilt == found.shadows_rebuilt == found.shadows == len(log) == count
    for said in shadows_in(server.journal).values():
        assert [(name, pmf is None) for name, pmf in said] == [(broken, True), (GREEDY, False)]


@pytest.mark.parametrize(
    ("shadows", "rule"),
    [
        (["linucb:alpha=1.0"], "--shadow: must not be the policy that serves"),
        (["random", "random"], "--shadow: each may be given once"),
        ([f"random:seed={i}" for i in range(9)], "--shadow: may be given at most 8 times"),
        (["linucb:alpha=-1"], "alpha"),
    ],
)
def test_what_cannot_be_a_shadow_is_refused(tmp_path: Path, shadows: list[str], rule: str) -> None:
    """One line, exit code 2, nothing written."""
    options = [part for spec in shadows for part in ("--shadow", spec)]
    where = ["--state", str(tmp_path / "s"), "--journal", str(tmp_path / "live.db"), "--port", "0"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "serve.py", "--policy", "linucb", *where, *options],
        cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("serve.py: ")
    assert rule in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
