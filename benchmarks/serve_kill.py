"""kill -9 at random instants under load: nothing acknowledged is lost, nothing applied twice.

    python -m benchmarks.serve_kill --kills 1000 --out results/study/kills

After each kill the journal is compared with all that clients were told, and audited; what was
in flight is sent again to the next server and must be there once. A batch of 50 has a journal of
its own, a seed, and its place in SETTINGS: one worker or two, alone, with a policy in shadow or
with an experiment. With --out each batch that held leaves a file, and is not run again.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serve_load import workers_of
from journal import read_log
from journal.states import read_states
from replay import audit

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = 4
BATCH = 50  # kills of one journal: the audit reads all of it after each
POLICY = "linucb:epsilon=0.3"
EXPERIMENT = f"""name = "kills"
[[variants]]
name = "control"
policy = "{POLICY}"
share = 0.5
[[variants]]
name = "shared"
policy = "linucb:alpha=2,arm=shared,epsilon=0.1"
share = 0.5
"""
BESIDE = ("alone", "shadow", "experiment")
SETTINGS = tuple((workers, beside) for beside in BESIDE for workers in (1, 2))
"""What batch number b runs under, in turns."""


class Client(threading.Thread):
    """Asks and answers over one connection until the server is gone; remembers every reply."""

    def __init__(self, port: int, name: str, seed: int, retry: list[tuple[str, Any]]) -> None:
        super().__init__(daemon=True)
        self.port, self.who, self.rng = port, name, np.random.default_rng(seed)
        self.retry = retry  # what a killed server left unanswered
        self.told: list[tuple[str, Any, int, Any]] = []  # path, body, status, reply
        self.pending: list[tuple[str, Any]] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            for path, body in self.retry:
                self._send(connection, path, body)
            for i in range(100_000):
                user = "shared" if i % 3 == 0 else self.who
                reply = self._send(connection, "/score", self._score(user, f"{self.who}-{i}"))
                if self.rng.random() < 0.8:
                    body = {"decision_id": reply["decision_id"], "feedback": "done"}
                    self._send(connection, "/reward", body)
        except (OSError, http.client.HTTPException):
            pass  # the kill
        finally:
            connection.close()

    def _score(self, user: str, request_id: str) -> Any:
        names = ("hour_sin", "hour_cos", "is_overdue", "task_age", "priority")
        candidates = []
        for k in range(3):
            values = [0.5, -0.5, 1, *self.rng.random(2).tolist()]
            features = dict(zip(names, values, strict=True))
            candidates.append({"id": f"t{k}", "arm": f"a{k % 2}", "features": features})
        return {"user_id": user, "request_id": request_id, "candidates": candidates}

    def _send(self, connection: http.client.HTTPConnection, path: str, body: Any) -> Any:
        self.pending = [(path, body)]
        while True:
            connection.request("POST", path, json.dumps(body))
            reply = connection.getresponse()
            read = json.loads(reply.read())
            if reply.status != 503:
                break
            time.sleep(0.1)  # a disk that stood still: what is asked to come back does
        self.pending = []
        self.told.append((path, body, reply.status, read))
        return read


class Killing:
    """One journal that outlives many servers."""

    def __init__(self, where: Path, seed: int, *options: str) -> None:
        self.where, self.rng, self.options = where, np.random.default_rng(seed), options
        self.decided: dict[str, Any] = {}  # all that clients were told
        self.applied: dict[str, int] = {}
        self.unanswered: list[list[tuple[str, Any]]] = [[] for _ in range(CLIENTS)]
        self.kills = self.retried = 0

    def once(self) -> None:
        """A server, its clients, and its sudden end; then all the checks."""
        process, port = self._start()
        try:
            clients = [
                Client(port, f"u{c}-{self.kills}", int(self.rng.integers(2**31)), retry)
                for c, retry in enumerate(self.unanswered)
            ]
            for client in clients:
                client.start()
            time.sleep(float(self.rng.uniform(0.05, 0.4)))
        finally:
            processes = workers_of(process.pid)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _wait_until_gone(processes)
        for client in clients:
            client.join()
        self.kills += 1
        self.retried += sum(len(retry) for retry in self.unanswered)
        self.unanswered = [client.pending for client in clients]
        for client in clients:
            self._remember(client)
        self.check()

    def _start(self) -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [
                *(sys.executable, "serve.py", "--port", "0"),
                *("--state", str(self.where / "states"), "--journal", str(self.where / "live.db")),
                *(() if "--experiment" in self.options else ("--policy", POLICY)),
                *self.options,
            ],
            cwd=ROOT,
            env={**os.environ, "TIPBANDIT_JIT": "0"},  # the same bits, and it starts faster
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stderr is not None
        with process.stderr as said:
            line = said.readline()
        found = re.search(r"http://[^:]+:(\d+)", line)
        assert found is not None, line
        return process, int(found[1])

    def _remember(self, client: Client) -> None:
        for path, body, status, reply in client.told:
            assert status == 200, (path, body, status, reply)
            if path == "/score":
                self.decided[reply["decision_id"]] = reply
            else:
                name = body["decision_id"]
                assert self.applied.setdefault(name, reply["state_seq"]) == reply["state_seq"]

    def check(self) -> None:
        """Raises AssertionError for what was acknowledged and is not there, once, as told."""
        with closing(sqlite3.connect(self.where / "live.db")) as db:
            rows = db.execute("SELECT decision_id, pmf, state_seq, request_id FROM decisions")
            found = {name: (pmf, seq) for name, pmf, seq, _ in rows}
            seqs = dict(db.execute("SELECT decision_id, seq FROM feedback").fetchall())
            users = db.execute("SELECT user_id, seq FROM feedback ORDER BY user_id, seq").fetchall()
        for name, reply in self.decided.items():
            pmf, seq = found[name]
            assert (np.frombuffer(pmf).tolist(), seq) == (reply["pmf"], reply["state_seq"]), name
        for name, seq in self.applied.items():
            assert seqs[name] == seq, name
        for user in {user for user, _ in users}:
            mine = [seq for who, seq in users if who == user]
            assert mine == list(range(1, len(mine) + 1)), user
        log = read_log(self.where / "live.db", values=False)
        states = read_states(self.where / "states")
        audited = audit(log, states or None)
        assert audited.ok, audited.failures[:3]
        counts = (audited.rebuilt, audited.decisions, len(found))
        assert len(set(counts)) == 1, counts

    def check_beside(self, beside: str) -> None:
        """Every decision has what was to be written beside it, in the same transaction."""
        table = {"shadow": "shadows", "experiment": "assignments"}.get(beside)
        if table is None:
            return
        with closing(sqlite3.connect(self.where / "live.db")) as db:
            missing = db.execute(
                "SELECT count(*) FROM decisions WHERE decision_id NOT IN"
                f" (SELECT decision_id FROM {table})"
            ).fetchone()[0]
        assert missing == 0, f"{missing} decisions without their {beside}"


def _wait_until_gone(processes: list[int]) -> None:
    """A worker that is slow to die keeps the journal open.

    What another had written, and no reply had told, would come to light only after that, between
    two readings of one check.
    """
    end = time.monotonic() + 60
    for process in processes:
        status = Path(f"/proc/{process}/stat")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while status.read_text().rpartition(")")[2].split()[0] not in "ZX":
                assert time.monotonic() < end, f"{process} does not die"
                time.sleep(0.001)


def batch(number: int, kills: int, seed: int, workers: int, beside: str, out: Path | None) -> Any:
    """What one batch came to. Raises AssertionError, and leaves its journal in `out`."""
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        options = ["--workers", str(workers)]
        if beside == "shadow":
            options += ["--shadow", "linucb:alpha=0.5,epsilon=0.1"]
        elif beside == "experiment":
            (where / "tips.toml").write_text(EXPERIMENT)
            options += ["--experiment", str(where / "tips.toml")]
        killing = Killing(where, seed, *options)
        try:
            for _ in range(kills):
                killing.once()
        except AssertionError:
            if out is not None:
                shutil.copytree(where, out / f"failed-{number:04d}", dirs_exist_ok=True)
            raise
        killing.check_beside(beside)
    return {
        "batch": number,
        "seed": seed,
        "workers": workers,
        "beside": beside,
        "kills": kills,
        "decisions": len(killing.decided),
        "rewards": len(killing.applied),
        "sent_again": killing.retried,
    }


def done_before(file: Path | None, plan: dict[str, Any]) -> Any:
    """What a file says of the same batch; None when it is still to be run."""
    if file is None or not file.exists():
        return None
    found = json.loads(file.read_text())
    return found if plan.items() <= found.items() else None


def main() -> int:
    options = argparse.ArgumentParser(
        prog="benchmarks.serve_kill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--workers", type=int, help="default: one and two in turns")
    options.add_argument("--beside", choices=BESIDE, help="default: each in turns")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="a file a batch; what is there is not run again")
    asked = options.parse_args()
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
    found = []
    for number, first in enumerate(range(0, asked.kills, BATCH)):
        workers, beside = SETTINGS[number % len(SETTINGS)]
        plan = {
            "kills": min(BATCH, asked.kills - first),
            "seed": asked.seed + first,
            "workers": asked.workers or workers,
            "beside": asked.beside or beside,
        }
        file = None if asked.out is None else asked.out / f"kills-{number:04d}.json"
        said = done_before(file, plan)
        if said is None:
            try:
                said = batch(number, out=asked.out, **plan)
            except AssertionError as error:
                line = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(line.filename).name}:{line.lineno} {line.line}"
                print(f"batch {number} {plan}: {where} {error}", file=sys.stderr)
                return 1
            if file is not None:
                part = file.with_suffix(".part")
                part.write_text(json.dumps(said) + "\n")
                part.replace(file)
        found.append(said)
        print(json.dumps(said), file=sys.stderr, flush=True)
    kills, decisions, rewards, again = (
        sum(each[name] for each in found)
        for name in ("kills", "decisions", "rewards", "sent_again")
    )
    print(
        f"{kills} kills: {decisions} decisions and {rewards} rewards acknowledged, {again}"
        " requests sent again; 0 lost, 0 applied twice, every audit passed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
