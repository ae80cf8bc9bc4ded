"""serve.py --policy-file: it starts from the registry's pointer and follows it on SIGHUP."""

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import serve as scorer
from journal import read_log
from journal.states import read_states
from policies import canonical, make
from replay import audit
from replay.release.registry import Wanted, promote

SPECS = [canonical(make(s)) for s in ("linucb:epsilon=0.3", "lin-ts:epsilon=0.2", "random")]


def promoted(registry: Path, spec: str) -> str:
    """Makes `spec` the champion; the canonical spec."""
    policy = make(spec)
    promote(registry, Wanted(policy, None, None, {}, "test", "test", force=True))
    return canonical(policy)


def prior(path: Path) -> Path:
    triangle = [float(i == j) for i in range(5) for j in range(i + 1)]
    row = {"mean": [0.1, 0.0, 0.2, 0.0, 0.0], "precision": triangle}
    record = {"schema": 1, "kind": "prior", "features": "tip-v1", "width": 5, "arms": {}}
    path.write_text(json.dumps({**record, "others": row, "learned_from": {"sketch": []}}))
    return path


def ready(server: Any) -> str:
    """The policy that /readyz shows, over a connection of its own."""
    with urllib.request.urlopen(f"{server.url}/readyz", timeout=30) as reply:
        return str(json.loads(reply.read())["policy"])


def figures(server: Any) -> dict[str, float]:
    """Decisions by policy, of /metrics."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    name = "tipbandit_decisions_total{policy="
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith(name)]
    return {said[len(name) + 1 : -2]: float(value) for said, value in pairs}


def taken(server: Any, spec: str, workers: int = 1) -> None:
    """Waits until as many answers in a row come from `spec`: any worker may give one."""
    end, row = time.monotonic() + 30, 0
    while row < 8 * workers and time.monotonic() < end:
        row = row + 1 if ready(server) == spec else 0
    assert row >= 8 * workers


def events(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def audited(server: Any) -> dict[str, int]:
    """Decisions by policy in the journal, all of them rebuilt bit for bit."""
    log = read_log(server.journal, values=False)
    found = audit(log, read_states(server.states))
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions
    counts = np.bincount(log.policy, minlength=len(log.policy_names))
    return dict(zip(log.policy_names, map(int, counts), strict=True))


@pytest.mark.parametrize("workers", [1, 2])
def test_swaps_under_load(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, workers: int
) -> None:
    """No request fails, each decision says who made it, and all of them are rebuilt."""
    registry = tmp_path / "registry"
    current = promoted(registry, SPECS[0])
    options = ("--policy-file", str(registry / "champion.json"), "--workers", str(workers))
    server = serve(tmp_path, *options)
    assert server.spec == current
    stop, failed, told = threading.Event(), [], [0]

    def live(n: int) -> None:
        rng = np.random.default_rng(n)
        while not stop.is_set():
            connection = server.connect()
            for _ in range(20):
                status, reply = server.send("POST", "/score", ask(rng, f"u{n}"), connection)
                if status == 200:
                    body = {"decision_id": reply["decision_id"], "feedback": "done"}
                    status, reply = server.send("POST", "/reward", body, connection)
                if status != 200:
                    failed.append((status, reply))
                told[0] += 1
            connection.close()

    threads = [threading.Thread(target=live, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for spec in (*SPECS[1:], SPECS[0]):
        promoted(registry, spec)
        server.process.send_signal(signal.SIGHUP)
        taken(server, spec, workers)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed
    assert told[0] > 0
    shown = figures(server)
    code, said = server.stop()
    replaced = [e for e in events(said) if e["event"] == "policy_replaced"]
    assert (code, len(replaced), len(events(said))) == (0, 3 * workers, 3 * workers)
    counts = audited(server)
    assert counts == {spec: int(n) for spec, n in shown.items() if n}
    assert set(counts) == set(SPECS)


def test_a_policy_that_cannot_be_served_leaves_the_old_one(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """One line with the reason each time; after that it still follows."""
    registry = tmp_path / "registry"
    pointer = registry / "champion.json"
    first = promoted(registry, f"linucb:prior={prior(tmp_path / 'prior.json')}")
    server = serve(tmp_path, "--policy-file", str(pointer))
    assert server.spec == ready(server) == first
    good = json.loads(pointer.read_text())
    edited = registry / good["priors"][0]["path"]
    edited.chmod(0o644)

    greedy = canonical(make("linucb:epsilon=0"))
    for text, told in (
        ("", "must be JSON"),
        (json.dumps({**good, "spec": "linucb:alpha=-1"}), "alpha"),
        (json.dumps({**good, "spec": greedy, "priors": []}), "is deterministic"),
    ):
        pointer.write_text(text)
        server.process.send_signal(signal.SIGHUP)
        event = said_on(server)
        assert (event["event"], event["kind"]) == ("policy_not_replaced", "BadInput")
        assert told in event["message"]
        assert server.post("/score", ask(rng))[1]["policy"] == first
    edited.write_text(edited.read_text() + " ")
    pointer.write_text(json.dumps(good))
    server.process.send_signal(signal.SIGHUP)
    event = said_on(server)
    assert (event["event"], event["kind"]) == ("policy_not_replaced", "BadInput")
    assert "must have the sha256:" in event["message"]
    second = promoted(registry, "linucb:alpha=3")
    server.process.send_signal(signal.SIGHUP)
    assert said_on(server)["policy"] == second
    assert server.post("/score", ask(rng))[1]["policy"] == second
    assert server.stop() == (0, "")
    assert audited(server) == {first: 3, second: 1}


def said_on(server: Any) -> dict[str, Any]:
    """The next line on stderr."""
    found: dict[str, Any] = json.loads(server.process.stderr.readline())
    return found


def test_a_worker_that_is_started_again_follows_too(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    """It starts from the pointer as it is by then, and SIGHUP reaches it."""
    registry = tmp_path / "registry"
    promoted(registry, SPECS[0])
    server = serve(tmp_path, "--policy-file", str(registry / "champion.json"), "--workers", "2")
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    assert said_on(server)["event"] == "worker_ended"
    spec = promoted(registry, SPECS[2])
    server.process.send_signal(signal.SIGHUP)  # while the new worker starts: it waits for it
    taken(server, spec, 2)
    assert server.stop()[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "one of the arguments --policy --policy-file"),
        (("--policy", "random", "--policy-file", "x"), "not allowed with"),
        (("--policy-file", "{room}/missing.json"), "cannot be read"),
        (("--policy-file", "{room}"), "cannot be read"),
        (("--policy-file", "{room}/edited.json"), "must be a champion.json"),
        (("--policy-file", "{room}/gone.json"), "prior-00.json: cannot be read"),
        (("--policy-file", "{room}/greedy.json"), "is deterministic"),
    ],
)
def test_what_it_cannot_start_from(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    """Exit code 2, one line, no journal."""
    since = "2026-11-24T00:00:00Z"
    pointer = {"schema": 1, "kind": "champion", "version": "v0001-0123456789ab", "since": since}
    spec, greedy = SPECS[0], canonical(make("linucb:epsilon=0"))
    gone = [{"path": "prior-00.json", "sha256": f"sha256:{'0' * 64}"}]
    for name, more in (("greedy", (greedy, [])), ("gone", (spec, gone))):
        text = json.dumps({**pointer, "spec": more[0], "priors": more[1]})
        (tmp_path / f"{name}.json").write_text(text)
    (tmp_path / "edited.json").write_text("{}")
    given = [option.format(room=tmp_path) for option in options]
    files = ["--state", str(tmp_path / "s"), "--journal", str(tmp_path / "j")]
    monkeypatch.setattr(sys, "argv", ["serve.py", *given, *files])
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        code = scorer.main()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert not (tmp_path / "j").exists()
