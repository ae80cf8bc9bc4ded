"""Where the test data is, and servers to talk to: each a `serve.py` in a process of its own."""

import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory of the test data: $TIPBANDIT_SHARED, else `shared` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    found = Path(os.environ.get("TIPBANDIT_SHARED") or beside)
    if not (found / "data").is_dir():
        pytest.skip("test data not found: put it at ../shared or set TIPBANDIT_SHARED")
    return found


class Server:
    """A running `serve.py` over a directory's `live.db` and `states`, on a free port."""

    def __init__(
        self, where: Path, *options: str, policy: str | None = "linucb", **env: str
    ) -> None:
        self.journal, self.states = where / "live.db", where / "states"
        arguments = [] if policy is None else ["--policy", policy]
        if "--policy-file" in options:
            arguments = []
        arguments += ["--state", str(self.states)]
        arguments += ["--journal", str(self.journal), "--port", "0", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "serve.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **env},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        found = re.fullmatch(r"serving (\S+) on (http://(127\.0\.0\.1):(\d+))\n", said)
        assert found is not None, said + self.process.stderr.read()
        self.spec, self.url, self.host, self.port = found[1], found[2], found[3], int(found[4])
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        """Another connection; close it."""
        return http.client.HTTPConnection(self.host, self.port, timeout=30)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        connection: http.client.HTTPConnection | None = None,
        **headers: str,
    ) -> tuple[int, Any]:
        """Status and JSON; `body` is bytes as they are, or anything as JSON."""
        used = connection or self.connection
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        used.request(method, path, raw, headers)
        reply = used.getresponse()
        text = reply.read()
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        self.headers = reply.headers
        return reply.status, json.loads(text) if text else None

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """POST over the kept connection."""
        return self.send("POST", path, body)

    def counts(self) -> list[tuple[int]]:
        """Rows of the journal's tables."""
        tables = ("decisions", "feedback", "late")
        query = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in tables)
        with closing(sqlite3.connect(self.journal)) as db:
            return db.execute(query).fetchall()

    def forget(self, user: str) -> int:
        """Deletes a user's decisions; how many there were."""
        with closing(sqlite3.connect(self.journal)) as db, db:
            return db.execute("DELETE FROM decisions WHERE user_id = ?", (user,)).rowcount

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Asks it to stop: exit code and what else it said."""
        self.connection.close()
        self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        assert self.process.stderr is not None
        with self.process.stderr as errors:
            return code, errors.read()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers: `serve(directory, "--reward-window", "1s", policy="random")`."""
    started: list[Server] = []

    def start(*arguments: Any, **options: str) -> Server:
        started.append(Server(*arguments, **options))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)
        server.connection.close()
        if server.process.stderr is not None:
            server.process.stderr.close()


def _score(rng: np.random.Generator, user: str = "u", k: int | None = None, **more: Any) -> Any:
    from policies.features import FEATURES

    candidates = []
    for i in range(int(rng.integers(1, 6)) if k is None else k):
        values = [*rng.uniform(-1, 1, 2), float(rng.integers(2)), *rng.random(2)]
        features = {f.name: v for f, v in zip(FEATURES, values, strict=True)}
        arm = str(rng.choice(["home", "work", "*"]))
        candidates.append({"id": f"t{i}", "arm": arm, "features": features})
    return {"user_id": user, "candidates": candidates, **more}


@pytest.fixture(scope="session")
def ask() -> Callable[..., Any]:
    """The body of POST /score, some candidates with ready features: `ask(rng, "u1", k=3)`."""
    return _score


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def _file_alone(path: Path) -> int:
    alone = path.with_name("alone.db")
    shutil.copyfile(path, alone)
    with closing(sqlite3.connect(alone)) as db:
        made = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'decisions'").fetchone()
        if not made[0]:
            return 0
        return int(db.execute("SELECT count(*) FROM decisions").fetchone()[0])


@pytest.fixture(scope="session")
def file_alone() -> Callable[[Path], int]:
    """Decisions that a journal's main file holds, without its write-ahead log."""
    return _file_alone
