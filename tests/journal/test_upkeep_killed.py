"""`kill -9` at any moment of an operation: the journal audits, and it can be done again."""

import shutil
import signal
import subprocess
import sys
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
import os, signal, sys
from pathlib import Path
from journal.upkeep import pruning
from journal.upkeep.backing_up import backup
from journal.upkeep.exporting import export
from journal.upkeep.forgetting import forget
from journal.upkeep.pruning import prune
pruning.ROWS = 4
calls, last = 0, 0

def seen(_frame, event, function):
    # counts what touches the disk, and dies at the call `last`
    global calls
    if event in ("c_call", "c_return") and function.__qualname__ in NAMES:
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)

SQL = ("Connection.execute", "Connection.executemany", "Connection.backup")
NAMES = (*SQL, "flock", "fsync", "link", "replace", "unlink")
for path in map(Path, sys.argv[1:3]):  # a copy first, to know how many calls there are
    calls, last = 0, int(calls * float(sys.argv[3]))
    sys.setprofile(seen)
    {operation}
    sys.setprofile(None)
"""


def _killed(path: Path, name: str, share: float) -> None:
    """Runs it in a process of its own, which dies behind a `share` of the calls it takes."""
    copy = path.parent / "copied"
    copy.mkdir()
    shutil.copy(path, copy / path.name)
    (copy / "states").mkdir()
    code = CODE.format(operation=OPERATIONS[name])
    arguments = [str(copy / path.name), str(path), str(share)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


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
    ("name", "seed"),
    [("export", 1), ("prune", 2), ("prune", 3), ("forget", 4), ("forget", 5), ("backup", 6)],
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
    _killed(twin.path, name, np.random.default_rng(seed).uniform(0.1, 1))
    found = audit(twin.path)
    assert found.ok, found.failures
    assert found.rebuilt + found.before_base == found.decisions
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
