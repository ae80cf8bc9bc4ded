"""Run by test_registry_crash.py: the real commands in processes that are killed, or race.

`killed.py kill ROOM COMMAND…` runs a command on copies of ROOM/start, the k-th copy in a
process that ends by SIGKILL at its k-th operation on a file (a write: half of it done),
until one ends by itself. `killed.py race ROOM ROUNDS` has two processes promote at once.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.main import get_command

import journal.cli
from journal.cli import main_of
from policies import canonical, make
from replay.commands import app
from replay.release import registry, registry_gate, registry_intake  # noqa: F401  loaded once

OPERATIONS = ("write", "fsync", "replace", "rename", "mkdir", "ftruncate", "unlink", "rmdir")


def kill_at(k: int) -> None:
    """From here on the k-th operation is the last."""
    left = k

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return operation

    for name in OPERATIONS:
        setattr(os, name, counted(name, getattr(os, name)))


def child(command: list[str], out: Path, k: int | None = None, wait: int | None = None) -> int:
    """Forks a process that runs `command`; its id. With `wait`, once that pipe is closed."""
    pid = os.fork()
    if pid:
        return pid
    said = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["replay", *command]
    if wait is not None:
        os.read(wait, 1)
    if k is not None:
        kill_at(k)
    code = main_of(app, "replay")
    sys.stdout.flush()
    os._exit(code)


def kill(room: Path, command: list[str]) -> None:
    """Prints how many operations there were."""
    k = 0
    while True:
        k += 1
        place = room / f"{k:03d}"
        shutil.copytree(room / "start", place)
        _, how = os.waitpid(child([*command, "--registry", str(place)], room / "said", k), 0)
        if os.WIFEXITED(how):
            assert os.WEXITSTATUS(how) == 0, (room / "said").read_text()
            print(k)
            return
        assert os.WTERMSIG(how) == signal.SIGKILL


def race(room: Path, rounds: int) -> None:
    """Prints a JSON object a round: exit codes and what was said."""
    champion = "random"
    for i in range(rounds):
        specs = [canonical(make(f"linucb:alpha={1 + i + half}")) for half in (0, 0.5)]
        ready, go = os.pipe()
        pids = []
        for j, spec in enumerate(specs):
            gate, at = room / f"gate{j}.json", datetime.now(UTC) + timedelta(seconds=1)
            report = {"passed": True, "champion": champion, "challenger": spec, "rules": []}
            report |= {"log": {"sha256": "0" * 64}, "at": at.isoformat()}
            gate.write_text(json.dumps(report))
            command = ["promote", spec, "--gate", str(gate), "--registry", str(room / "start")]
            pids.append(child(command, room / f"said{j}", wait=ready))
        os.write(go, b"..")
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        os.close(ready)
        os.close(go)
        said = [(room / f"said{j}").read_text() for j in range(2)]
        print(json.dumps({"codes": codes, "said": said, "specs": specs}))
        champion = specs[codes.index(0)] if 0 in codes else champion


if __name__ == "__main__":
    built = get_command(app)
    journal.cli.get_command = lambda _: built  # built once, for all that are forked
    if sys.argv[1] == "kill":
        kill(Path(sys.argv[2]), sys.argv[3:])
    else:
        race(Path(sys.argv[2]), int(sys.argv[3]))
