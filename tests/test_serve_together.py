"""serve.py with several of its features at once: pairs that each author tested alone."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from journal import read_log
from journal.states import read_states
from journal.upkeep.exporting import export
from journal.upkeep.forgetting import forget
from journal.upkeep.pruning import prune
from policies import canonical, make
from policies.experiment import parse
from replay import audit
from replay.release.registry import Wanted, promote

TEXT = """
name = "tips-1"
[[variants]]
name = "control"
policy = "random"
share = 0.5
[[variants]]
name = "challenger"
policy = "linucb:epsilon=0.2"
share = 0.5
"""
SERVED, SHADOW = (canonical(make(s)) for s in ("linucb:epsilon=0.3", "lin-ts:epsilon=0.2"))


def promoted(registry: Path, spec: str) -> None:
    promote(registry, Wanted(make(spec), None, None, {}, "test", "test", force=True))


def figures(server: Any) -> dict[str, float]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name.removeprefix("tipbandit_"): float(value) for name, value in pairs}


def replies(server: Any, path: str, body: Any = None, count: int = 16) -> list[Any]:
    """Over connections of their own, so that each worker gives some."""
    out = []
    for _ in range(count):
        connection = server.connect()
        status, reply = server.send("GET" if body is None else "POST", path, body, connection)
        assert status == 200, reply
        out.append(reply)
        connection.close()
    return out


def ready(server: Any, key: str, wanted: str) -> None:
    """Waits until as many workers as are asked serve what is wanted."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if all(reply.get(key) == wanted for reply in replies(server, "/readyz")):
            return
    raise AssertionError(wanted)


def kill_a_worker(server: Any) -> None:
    """Until the supervisor has said that the next one starts; the other one goes."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    first = children.read_text().split()
    os.kill(int(first[0]), signal.SIGKILL)
    assert json.loads(server.process.stderr.readline())["event"] == "worker_ended"
    end = time.monotonic() + 30
    while len(set(children.read_text().split()) - {first[0]}) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    (new,) = set(children.read_text().split()) - set(first)
    os.kill(int(first[1]), signal.SIGSTOP)  # whoever answers now is the new one
    try:
        replies(server, "/readyz", count=1)
    finally:
        os.kill(int(first[1]), signal.SIGCONT)
    assert Path(f"/proc/{new}").exists()


def test_a_shadow_may_become_the_champion(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """It serves after SIGHUP, in a worker that is replaced and after a restart; still asked."""
    registry = tmp_path / "registry"
    promoted(registry, SERVED)
    options = ("--policy-file", str(registry / "champion.json"), "--shadow", SHADOW)
    server = serve(tmp_path, *options, "--workers", "2")
    replies(server, "/score", ask(rng, "u1"), 4)
    promoted(registry, SHADOW)
    server.process.send_signal(signal.SIGHUP)
    ready(server, "policy", SHADOW)
    for _ in range(2):
        assert json.loads(server.process.stderr.readline())["event"] == "policy_replaced"
    kill_a_worker(server)
    replies(server, "/score", ask(rng, "u2"), 6)
    said = figures(server)
    assert said[f'decisions_total{{policy="{SERVED}"}}'] == 4
    assert said[f'decisions_total{{policy="{SHADOW}"}}'] == 6
    assert said[f'shadow_decisions_total{{policy="{SHADOW}"}}'] == 10
    assert server.stop() == (0, "")
    server = serve(tmp_path, *options)
    assert server.spec == SHADOW
    replies(server, "/score", ask(rng, "u1"), 2)
    assert server.stop()[0] == 0
    log = read_log(server.journal, values=False)
    found = audit(log, read_states(server.states))
    assert found.ok, found.failures
    assert (found.rebuilt, found.shadows_rebuilt) == (12, 12)
    for i, pmfs in enumerate(log.table["shadow_pmfs"].to_pylist()):
        same = pmfs[0] == log.table["pmf"][i].as_py()
        assert same or log.policy_names[log.policy[i]] == SERVED


def test_a_worker_that_is_replaced_serves_the_same_experiment(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """An edited file counts at the next start: till then every worker assigns as at this one.

    Records are exported and pruned and a person is forgotten meanwhile; all of it audits.
    """
    file = tmp_path / "exp.toml"
    file.write_text(TEXT)
    options = ("--experiment", str(file), "--shadow", SHADOW, "--workers", "2")
    server = serve(tmp_path, *options, policy=None)
    own = {f"u{i}": parse(TEXT, "exp.toml").assigned(f"u{i}") for i in range(6)}

    def lives() -> None:
        for user, variant in own.items():
            for _ in range(3):
                (reply,) = replies(server, "/score", ask(rng, user), 1)
                assert reply["policy"] == variant.policy
                said = {"decision_id": reply["decision_id"], "feedback": "done"}
                replies(server, "/reward", said, 1)

    lives()
    three = TEXT.replace("share = 0.5", "share = 0.25").replace("tips-1", "tips-2")
    file.write_text(three + '[[variants]]\nname = "third"\npolicy = "random"\nshare = 0.5\n')
    kill_a_worker(server)
    export(server.journal, tmp_path / "a.parquet", True)
    assert prune(server.journal).decisions == 17
    lives()
    ready(server, "experiment", "tips-1")
    said = figures(server)
    for variant in ("control", "challenger"):
        count = 6 * sum(v.name == variant for v in own.values())
        assert said[f'variant_decisions_total{{variant="{variant}"}}'] == count
    assert said[f'shadow_decisions_total{{policy="{SHADOW}"}}'] == 36
    forget(server.journal, "u0", server.states)
    lives()
    assert server.stop() == (0, "")
    log, states = read_log(server.journal, values=False), read_states(server.states)
    for exports in ([], [tmp_path / "a.parquet"]):
        found = audit(log, states, exports=exports)
        assert found.ok, found.failures
        assert found.decisions == found.rebuilt == found.assigned == found.shadows_rebuilt
    assert found.decisions == 18 * 3 - 6
