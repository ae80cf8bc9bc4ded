"""`kill -9` at any moment of an operation: the journal audits, and it can be done again."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.upkeep.backing_up import backup
from journal.upkeep.exporting import export
from journal.upkeep.forgetting import forget
from journal.upkeep.inspecting import inspect
from journal.upkeep.pruning import prune
from policies.state import file_name
from replay import audit

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = {
    "export": "export(path, path.parent / 'killed.parquet', True)",
    "prune": "prune(path)",
    "forget": "forget(path, 'u', path.parent / 'states')",
    "backup": "backup(path, path.parent / 'copy.db')",
}
CODE = """
import sys
from pathlib import Path
from journal.upkeep import pruning
from journal.upkeep.backing_up import backup
from journal.upkeep.exporting import export
from journal.upkeep.forgetting import forget
from journal.upkeep.pruning import prune
pruning.ROWS = 4
path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.read(1)
{operation}
print("done", flush=True)
"""
MOMENTS_S = {"export": 0.1, "prune": 0.3, "forget": 0.05, "backup": 0.1}  # about what each takes


def _begun(path: Path, name: str) -> Any:
    """A process that has imported all it needs and waits for a byte."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(operation=OPERATIONS[name]), str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _again(twin: Any, name: str) -> None:
    """The same operation to its end, whatever the killed one had come to."""
    where = twin.path.parent
    if name == "export":
        done = export(twin.path, where / "again.parquet", True)
        file = "killed.parquet" if done.file is None else "again.parquet"
        assert read_log(where / file).answered.all()
    elif name == "prune":
        prune(twin.path)
        assert inspect(twin.path).pruned > 60
    elif name == "forget":
        forget(twin.path, "u", twin.states)
        assert b"home" in twin.path.read_bytes()
        assert not (twin.states / file_name("u")).exists()
        assert "u" not in read_log(twin.path).user_names
    else:
        (where / "copy.db").unlink(missing_ok=True)
        assert audit(backup(twin.path, where / "copy.db").file).ok


@pytest.mark.parametrize(
    ("name", "seed"), [("export", 1), ("prune", 2), ("prune", 3), ("forget", 4), ("backup", 5)]
)
def test_a_kill_harms_nothing(
    twins: Callable[[Path], Any], tmp_path: Path, name: str, seed: int
) -> None:
    """At a moment that the seed draws; then a server goes on with the same bits."""
    twin = twins(tmp_path)
    twin.live(100)
    if name != "export":
        export(twin.path, tmp_path / "first.parquet", True)
    if name == "forget":
        prune(twin.path)
    twin.close()  # reading a log drops the locks that this process has for it
    process = _begun(twin.path, name)
    wait = np.random.default_rng(seed).uniform(0, MOMENTS_S[name])
    with process:
        process.stdin.write("x")
        process.stdin.flush()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
    found = audit(twin.path)
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions
    copy = tmp_path / "copy.db"
    assert not copy.exists() or audit(copy).ok
    _again(twin, name)
    if name == "forget":
        twin.loops.pop("u")
        twin.made = {i: d for i, d in twin.made.items() if d.user_id != "u"}
    twin.reopen(close=False)
    twin.live(5)  # compares every bit
    found = audit(twin.path)
    assert found.ok, found.failures
    twin.close()
