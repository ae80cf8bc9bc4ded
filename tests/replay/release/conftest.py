"""A registry by its commands, gates as `replay gate` writes them, a prior and some states."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journal.states import write_states


class Registry:
    """One in a temporary directory, by its commands."""

    def __init__(self, run: Callable, room: Path) -> None:
        self._run, self.room, self.path = run, room, room / "registry"
        self._gates = 0

    def gate(self, champion: str, challenger: str, /, hours: float = 0, **other: Any) -> Path:
        """A gate.json as `replay gate` writes it, run `hours` from now."""
        self._gates += 1
        path = self.room / f"gate{self._gates}.json"
        at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")
        report = {
            "passed": True,
            "champion": champion,
            "challenger": challenger,
            "log": {"path": f"log{self._gates}", "sha256": f"{self._gates:064x}"},
            "rules": [],
            "at": at,
        }
        path.write_text(json.dumps({**report, **other}))
        return path

    def run(self, command: str, *arguments: object) -> Any:
        return self._run(command, *arguments, "--registry", self.path)

    def promote(self, spec: str, against: str = "random", *more: object) -> str:
        """By a gate of its own; the version's name."""
        done = self.run("promote", spec, "--gate", self.gate(against, spec), *more, "--json")
        assert done.code == 0, done.out + done.err
        return str(done.json["rollout"]["to"])

    @property
    def champion(self) -> Any:
        return json.loads((self.path / "champion.json").read_text())


@pytest.fixture
def registry(run: Callable, tmp_path: Path) -> Registry:
    return Registry(run, tmp_path)


@pytest.fixture
def states(life: Any, tmp_path: Path) -> Path:
    """A directory of states."""
    directory = tmp_path / "states"
    write_states(directory, {user: loop.state for user, loop in life.loops.items()})
    return directory


@pytest.fixture
def prior(tmp_path: Path) -> Path:
    """The file of a prior: five features, one row for every arm."""
    path = tmp_path / "prior.json"
    triangle = [float(i == j) for i in range(5) for j in range(i + 1)]
    row = {"mean": [0.1, 0.0, 0.2, 0.0, 0.0], "precision": triangle}
    path.write_text(
        json.dumps(
            {
                "schema": 1,
                "kind": "prior",
                "features": "tip-v1",
                "width": 5,
                "arms": {},
                "others": row,
                "learned_from": {"sketch": []},
            }
        )
    )
    return path
