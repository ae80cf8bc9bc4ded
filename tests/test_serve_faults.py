"""serve.py when things go wrong: kills, a full disk, damaged states. Nothing told is lost."""

import contextlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.serve_kill import Killing
from journal import read_log
from journal.states import read_states
from policies.state import file_name
from replay import audit


def audited(server: Any) -> int:
    """Everything in the journal is rebuilt bit for bit; how many decisions there are."""
    found = audit(read_log(server.journal, values=False), read_states(server.states))
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions
    return found.decisions


def live(server: Any, ask: Any, rng: np.random.Generator, steps: int, user: str = "u") -> int:
    """Decisions, each answered; the state_seq that was told last."""
    seq = 0
    for _ in range(steps):
        status, reply = server.post("/score", ask(rng, user))
        assert status == 200
        body = {"decision_id": reply["decision_id"], "feedback": "done"}
        status, said = server.post("/reward", body)
        assert (status, said["applied"]) == (200, True)
        seq = said["state_seq"]
    return seq


# ---- kills


@pytest.mark.parametrize(("workers", "kills"), [(1, 15), (2, 5)])
def test_kill_at_a_random_instant_under_load(tmp_path: Path, workers: int, kills: int) -> None:
    """Twenty kills in all: 0 acknowledged lost, 0 applied twice, the audit passes after each."""
    killing = Killing(tmp_path, 1, "--workers", str(workers))
    for _ in range(kills):
        killing.once()
    assert killing.decided
    assert killing.applied


def test_the_sync_precedes_the_reply(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """In the order of system calls: what a kill cannot show, since the page cache survives it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    server = serve(tmp_path, policy="linucb:epsilon=0.3")
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,sendto,sendmsg,write,pwrite64"
    tracing = subprocess.Popen(
        ["strace", "-f", "-y", "-e", calls, "-o", str(trace), "-p", str(server.process.pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracing.stderr is not None
    attached = tracing.stderr.readline()
    if "attached" not in attached:
        tracing.stderr.close()
        tracing.wait()
        pytest.skip(f"strace may not attach: {attached.strip()}")
    try:
        live(server, ask, rng, 10)
    finally:
        tracing.send_signal(signal.SIGINT)
        tracing.wait(timeout=30)
        tracing.stderr.close()
    written, replies = False, 0
    synced, began = True, False
    thread = f"{server.process.pid} "  # that commits and replies; another copies the log
    for line in trace.read_text().splitlines():
        if not line.startswith(thread):
            continue
        if re.search(r"pwrite64\(\d+<[^>]*live\.db-wal>", line):
            written, synced = True, False
        elif re.search(r"(fsync|fdatasync)\(\d+<[^>]*live\.db-wal>.*= 0", line):
            synced = True
        elif re.search(r"(fsync|fdatasync)\(\d+<[^>]*live\.db-wal> <unfinished", line):
            began = True
        elif began and re.search(r"(fsync|fdatasync) resumed>\)\s+= 0", line):
            synced, began = True, False
        elif re.search(r"(sendto|sendmsg|write)\(\d+<(TCP|socket)", line):
            assert written, "a reply before anything was written"
            assert synced, "a reply before what was written was synced"
            written, replies = False, replies + 1
    assert replies == 20


# ---- disks


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    where = tmp_path / "small"
    where.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"a tmpfs may not be mounted: {done.stderr.strip()}")
    yield where
    subprocess.run(["umount", "--lazy", str(where)], check=True)


def test_a_full_disk_is_503_and_the_server_recovers_by_itself(
    serve: Callable[..., Any], tmpfs: Path, ask: Any, rng: np.random.Generator
) -> None:
    """With SQLite's reason; /healthz answers, /readyz does not; nothing half written."""
    server = serve(tmpfs, policy="linucb:epsilon=0.3")
    last = live(server, ask, rng, 20)
    ballast = tmpfs / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    statuses = [server.post("/score", ask(rng, "u", k=5)) for _ in range(200)]
    refused = [said["error"] for status, said in statuses if status != 200]
    assert {status for status, _ in statuses[-5:]} == {503}
    assert {(e["code"], e["message"]) for e in refused} == {
        ("journal_unavailable", "database or disk is full")
    }
    assert server.headers["Retry-After"] == "1"
    assert server.send("GET", "/healthz")[0] == 200
    ballast.unlink()
    assert server.send("GET", "/readyz")[0] == 200
    told = 200 - len(refused)
    status, reply = server.post("/score", ask(rng))
    assert (status, reply["state_seq"]) == (200, last)
    code, said = server.stop()
    assert code == 0
    events = [json.loads(line)["event"] for line in said.splitlines() if line.startswith("{")]
    assert events == ["journal_unavailable", "journal_recovered"]
    assert audited(server) == 20 + told + 1


def test_a_state_folder_that_cannot_be_written_stops_nobody(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """A checkpoint is a convenience: said on stderr, and the next start reads the journal."""
    server = serve(tmp_path, policy="linucb:epsilon=0.3")
    shutil.rmtree(server.states)
    server.states.write_text("")  # where even root cannot make a file
    assert live(server, ask, rng, 40) == 40
    code, said = server.stop()
    assert (code, "checkpoint_not_written" in said) == (0, True)
    server.states.unlink()
    server = serve(tmp_path, policy="linucb:epsilon=0.3")
    assert live(server, ask, rng, 1) == 41
    assert server.stop()[0] == 0
    assert audited(server) == 41


# ---- states and clocks


def _edited(text: str) -> str:
    """Another sum in its right shape: no rule of the format is broken."""
    record = json.loads(text)
    arm = next(iter(record["arms"].values()))
    arm["moment"][0] += 1.0
    return json.dumps(record) + "\n"


DAMAGE: dict[str, Callable[[str], str]] = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "of other features": lambda text: text.replace("tip-v1", "tip-v9"),
    "edited by hand": _edited,
}


def test_a_damaged_state_is_rebuilt_from_the_journal(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """Said on stderr; the next decision is that of the records, and the file is made anew."""
    server = serve(tmp_path, policy="linucb:epsilon=0.3")
    for user in DAMAGE:
        live(server, ask, rng, 5, user.replace(" ", "-"))
    assert server.stop() == (0, "")
    for what, damaged in DAMAGE.items():
        file = server.states / file_name(what.replace(" ", "-"))
        text = file.read_text()
        assert damaged(text) != text
        file.write_text(damaged(text))
    server = serve(tmp_path, policy="linucb:epsilon=0.3")
    for user in DAMAGE:
        assert live(server, ask, rng, 1, user.replace(" ", "-")) == 6
    code, said = server.stop()
    assert (code, said.count("checkpoint_not_used")) == (0, len(DAMAGE))
    assert audited(server) == 6 * len(DAMAGE)


def test_another_program_that_holds_the_journal_is_503_for_a_while(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """Locked: after two seconds it is said; unlocked, it goes on by itself."""
    server = serve(tmp_path)
    with closing(sqlite3.connect(server.journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        status, said = server.post("/score", ask(rng))
        assert (status, said["error"]["message"]) == (503, "database is locked")
        assert time.monotonic() - began < 10
        other.execute("ROLLBACK")
    assert server.post("/score", ask(rng))[0] == 200
    assert server.counts()[0] == (1,)
