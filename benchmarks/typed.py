"""Commands as a user would type them: each printed before it runs, and held to its exit code."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


def say(text: str) -> None:
    print(text, flush=True)


def show(arguments: list[str]) -> None:
    say(f"\n$ {shlex.join(['python', *arguments])}")


def run(*arguments: str, keep: bool = False, code: int = 0) -> str:
    """Runs a command of ours; what it printed where `keep`. Ends all when the exit code differs."""
    show(list(arguments))
    done = subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE if keep else None, text=True
    )
    if keep:
        say(done.stdout.rstrip())
    if done.returncode != code:
        sys.exit(f"exit code {done.returncode}, expected {code}")
    return done.stdout or ""


@dataclass(frozen=True)
class Served:
    """A scorer that runs."""

    url: str
    process: subprocess.Popen[str]

    def hang_up(self) -> None:
        """SIGHUP: it reads its policy file again."""
        say(f"\n$ kill -HUP {self.process.pid}")
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """`serve.py` on a free port, ended by SIGTERM."""
    command = ["serve.py", *arguments, "--port", "0"]
    show(command)
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        say(line.rstrip())
        where = re.search(r"http://\S+", line)
        if where is None:
            sys.exit("the server did not start")
        yield Served(where[0], process)
    finally:
        say("\n(stop the server: SIGTERM)")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
