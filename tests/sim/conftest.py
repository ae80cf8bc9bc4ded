"""Logs of a simulated world, and the command line run in this process."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from journal import Log
from journal.cli import main_of
from policies import make
from sim import generate
from sim.commands import app


@pytest.fixture(scope="session")
def big() -> Log:
    """Many people under a policy that does not choose: its means are the world's."""
    return generate("mornings", 150, 28, make("random"), 1)


@pytest.fixture(scope="session")
def learned() -> Log:
    """A log whose policy learned on the way."""
    return generate("steady", 12, 10, make("linucb:epsilon=0.2"), 5)


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`python -m sim …` in this process."""

    def call(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["sim", *map(str, arguments)])
        capsys.readouterr()
        code = main_of(app, "sim")
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return call


@pytest.fixture
def refused(run: Callable[..., Ran]) -> Callable[..., str]:
    """The one line of a command that must refuse with exit code 2, printing nothing else."""

    def call(*arguments: object) -> str:
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("sim: ")
        assert done.err.endswith("\n")
        assert done.err.count("\n") == 1
        return done.err

    return call
