"""A log made by the loop itself, and the command line run in this process or its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from journal import Log, log_of, write_log
from journal.cli import main_of
from policies import make
from policies.loop import UserLoop, probabilities
from policies.records import Decision, Feedback
from policies.state import UserState
from replay.commands import app

START = 1_700_000_000_000_000  # microseconds
HOUR = 3_600_000_000
WINDOW_S = 24 * 3600
ARMS = ("home", "work", "garden", "*")
WORTH = {1.0: "done", 0.0: "snooze", -1.0: "dismiss"}


@dataclass
class Life:
    """The records of some users, the truth of each decision, and the loops they left."""

    records: list[tuple[Decision, Feedback | None]] = field(default_factory=list)
    truth: list[np.ndarray] = field(default_factory=list)  # (K,) expected rewards
    loops: dict[str, UserLoop] = field(default_factory=dict)

    def log(self, *, with_truth: bool = False) -> Log:
        """The columnar log by time, as a journal writes it."""
        order = sorted(range(len(self.records)), key=lambda i: self.records[i][0].decided_at)
        truth = [self.truth[i] for i in order] if with_truth else None
        return log_of([self.records[i] for i in order], expected_reward=truth)


def _tastes(arms: Sequence[str], context: np.ndarray) -> np.ndarray:
    """Expected rewards `(K,)` in [-1, 1]: who is done with what depends on arm and context."""
    slope = np.array([0.9 if arm == "work" else -0.6 for arm in arms])
    return np.clip(0.3 * context[:, 4] + slope * context[:, 0], -1, 1)


def live(
    spec: str | Callable[[int, int], str] = "random",
    users: int = 40,
    decisions: int = 9,
    seed: int = 11,
    window_s: int | None = WINDOW_S,
    late: bool = False,
) -> Life:
    """Lives through `UserLoop`: answers come late or never, and windows close on silence.

    `spec` may be a function of user and decision: several policies in one log. `late`: the
    logger folds an answer first, then computes the pmf again and logs that one.
    """
    rng = np.random.default_rng(seed)
    life = Life()
    for u in range(users):
        loop = UserLoop(UserState.empty(f"u{u}", "tip-v1", 5))
        made: list[tuple[Decision, np.ndarray]] = []
        told: dict[str, Feedback] = {}
        shown: dict[str, Decision] = {}
        again: dict[str, np.ndarray] = {}  # pmfs computed after the answer
        pending: list[tuple[int, str, float]] = []
        for i in range(decisions):
            now = START + i * 7 * HOUR + u * 1_000
            for at, name, reward in sorted(p for p in pending if p[0] < now):
                told |= {f.decision_id: f for f in loop.expire(at)}
                told[name] = loop.answer(name, WORTH[reward], reward, at)
                d = shown[name]
                again[name] = probabilities(make(d.policy), loop.state, d.arms, d.context)[1]
            pending = [p for p in pending if p[0] >= now]
            told |= {f.decision_id: f for f in loop.expire(now)}
            k = int(rng.integers(2, 7))
            arms = [str(a) for a in rng.choice(ARMS, k)]
            context = rng.uniform(-1, 1, (k, 5))
            name = f"{u}-{i}"
            ids = [f"t{c}" for c in range(k)]
            policy = make(spec if isinstance(spec, str) else spec(u, i))
            made.append(
                (
                    loop.decide(policy, name, now, ids, arms, context, window_s)[0],
                    _tastes(arms, context),
                )
            )
            shown[name] = made[-1][0]
            if rng.random() < 0.8:
                mean = made[-1][1][made[-1][0].action]
                draw = rng.random()
                reward = 1.0 if draw < (1 + mean) / 3 else 0.0 if draw < 2 / 3 else -1.0
                pending.append((now + int(rng.uniform(0.1, 20) * HOUR), name, reward))
        if late:
            made = [(replace(d, pmf=again.get(d.decision_id, d.pmf)), q) for d, q in made]
        life.records += [(d, told.get(d.decision_id)) for d, _ in made]
        life.truth += [q for _, q in made]
        life.loops[f"u{u}"] = loop
    return life


@pytest.fixture(scope="session")
def lives() -> Callable[..., Life]:
    """Makes further lives: `lives("linucb:epsilon=0.2", users=10)`."""
    return live


@pytest.fixture(scope="session")
def life() -> Life:
    return live()


@pytest.fixture(scope="session")
def log(life: Life) -> Log:
    return life.log(with_truth=True)


@pytest.fixture
def file(log: Log, tmp_path: Path) -> Path:
    """The log as a Parquet file."""
    path = tmp_path / "log.parquet"
    write_log(log, path)
    return path


def _replaced(log: Log, column: str, values: Sequence[Any] | pa.Array) -> Log:
    kind = log.table.schema.field(column)
    array = pa.array(values, kind.type)
    at = log.table.schema.get_field_index(column)
    return Log(log.table.set_column(at, kind, array), log.path)


@pytest.fixture(scope="session")
def replaced() -> Callable[..., Log]:
    """A log with another column: `replaced(log, "pscore", values)`; nothing is validated."""
    return _replaced


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
    """`python -m replay …` in this process."""

    def call(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["replay", *map(str, arguments)])
        capsys.readouterr()
        code = main_of(app, "replay")
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def spawn() -> Callable[..., Ran]:
    """`python -m replay …` in a process of its own, from the root of the checkout."""

    def call(*arguments: object, **environment: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "replay", *map(str, arguments)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return call


def _listing(directory: Path) -> list[tuple[str, bytes | None]]:
    """Everything in a directory, with its bytes."""
    found = sorted(directory.rglob("*"))
    return [(str(p), p.read_bytes() if p.is_file() else None) for p in found]


@pytest.fixture
def refused(run: Callable[..., Ran], tmp_path: Path) -> Callable[..., str]:
    """The one line of a command that must refuse: exit code 2, and nothing printed or written."""

    def call(*arguments: object, by: Callable[..., Ran] = run) -> str:
        before = _listing(tmp_path)
        done = by(*arguments)
        assert done.code == 2
        assert done.out == ""
        assert done.err.startswith("replay: ")
        assert done.err.endswith("\n")
        assert done.err.count("\n") == 1
        assert "Traceback" not in done.err
        assert len(done.err) < 1000
        assert _listing(tmp_path) == before
        return done.err

    return call
