"""Parity: what was served over HTTP is rebuilt bit for bit, and any tampering is named."""

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from journal import Log, read_log, write_log
from journal.files import read_log as read
from journal.states import read_states
from policies import make
from policies.state import to_json
from replay import audit, train
from replay.history.walk import walk

ROOT = Path(__file__).parent.parent
BEFORE, AFTER = "linucb:alpha=1,epsilon=0.05", "linucb:alpha=0.3,epsilon=0.2"
DECISIONS, PEOPLE = 1_000, 50


class Server:
    """A running serve.py and one connection to it."""

    def __init__(self, spec: str, where: Path) -> None:
        arguments = ["serve.py", "--policy", spec, "--state", str(where / "state")]
        arguments += ["--journal", str(where / "live.db"), "--port", "0"]
        arguments += ["--reward-window", "1s"]
        self.process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        found = re.search(r"http://(\S+):(\d+)", self.process.stderr.readline())
        assert found is not None
        self.connection = http.client.HTTPConnection(found[1], int(found[2]), timeout=30)

    def post(self, path: str, body: object) -> tuple[int, dict[str, object]]:
        self.connection.request("POST", path, json.dumps(body))
        reply = self.connection.getresponse()
        return reply.status, json.loads(reply.read())

    def stop(self) -> None:
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0
        assert self.process.stderr is not None
        self.process.stderr.close()


def _candidates(rng: np.random.Generator) -> list[dict[str, object]]:
    def features() -> dict[str, float]:
        angle = float(rng.uniform(0, 2 * np.pi))
        return {
            "hour_sin": float(np.sin(angle)),
            "hour_cos": float(np.cos(angle)),
            "is_overdue": int(rng.integers(2)),
            "task_age": float(rng.random()),
            "priority": float(rng.integers(4)) / 3,
        }

    arms = ["work", "home", "errands", "*"]
    return [
        {"id": f"t{k}", "arm": str(rng.choice(arms)), "features": features()}
        for k in range(int(rng.integers(1, 9)))
    ]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 decisions, rewards late, out of order and missing, the policy changed midway."""
    where = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(4)
    words = ["done", "snooze", "dismiss"]
    waiting: list[str] = []
    statuses: list[int] = []
    server = Server(BEFORE, where)
    for n in range(DECISIONS):
        if n == DECISIONS // 2:
            server.stop()
            server = Server(AFTER, where)
        body = {"user_id": f"u{rng.integers(PEOPLE)}", "candidates": _candidates(rng)}
        status, reply = server.post("/score", body)
        assert status == 200
        if rng.random() < 0.85:
            waiting.append(str(reply["decision_id"]))
        while len(waiting) > 20 and rng.random() < 0.5:  # some wait until their window has closed
            answered = waiting.pop(int(rng.integers(len(waiting))))
            feedback = {"feedback": str(rng.choice(words))}
            if rng.random() < 0.2:
                feedback = {"reward": float(rng.uniform(-1, 1))}
            statuses.append(server.post("/reward", {"decision_id": answered, **feedback})[0])
    server.stop()
    assert {200, 410} <= set(statuses) <= {200, 410}
    return where


@pytest.fixture(scope="module")
def log(served: Path) -> Log:
    return read_log(served / "live.db")


def test_every_pmf_action_and_state_is_rebuilt_bit_for_bit(served: Path, log: Log) -> None:
    """Acceptance 4: what was evaluated is what is served."""
    assert len(log) == DECISIONS
    assert len(log.policy_names) == 2
    assert {"done", "expired"} <= set(log.feedback_names)
    for threads in (1, 2):
        found = audit(
            read(served / "live.db", values=False), read_states(served / "state"), threads
        )
        assert found.ok, found.failures[:3]
        assert found.rebuilt == found.digests == DECISIONS
        assert found.states == len(log.user_names)


def test_the_audit_holds_without_the_jit(served: Path) -> None:
    """Compiled and plain Python give the same bits."""
    done = subprocess.run(
        [sys.executable, "-m", "replay", "audit", str(served / "live.db"), "--json"],
        cwd=ROOT,
        env={"TIPBANDIT_JIT": "0", "PATH": "", "HOME": str(served)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rebuilt"] == DECISIONS


def test_every_export_keeps_what_the_audit_needs(log: Log, tmp_path: Path) -> None:
    """Parquet and Arrow keep every bit and digest."""
    for name in ("log.parquet", "log.arrow"):
        write_log(log, tmp_path / name)
        assert audit(read(tmp_path / name, values=False)).rebuilt == DECISIONS


def _by_user(log: Log) -> np.ndarray:
    return np.argsort(log.user, kind="stable")


def _by_row(log: Log) -> np.ndarray:
    return np.random.default_rng(0).permutation(len(log))


@pytest.mark.parametrize("order", [_by_user, _by_row])
@pytest.mark.parametrize("threads", [1, 2])
def test_order_and_threads_do_not_change_a_bit(
    log: Log, order: Callable[[Log], np.ndarray], threads: int
) -> None:
    """Sorted by user, shuffled, on two threads: the pmfs of the log in its own order."""
    policy = make(AFTER)
    expected = walk(log, policy).pmf
    rows = order(log)
    found = walk(log.take(rows), policy, threads=threads).pmf
    lengths = np.diff(log.offsets)[rows]
    at = np.repeat(log.offsets[rows], lengths) + _within(lengths)
    np.testing.assert_array_equal(found.view(np.int64), expected[at].view(np.int64))


def _within(lengths: np.ndarray) -> np.ndarray:
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    return np.arange(lengths.sum()) - np.repeat(starts, lengths)


def test_chunks_hand_their_states_on(served: Path, log: Log) -> None:
    """Folding a log in three parts gives the bits of folding it whole, and of the server."""
    whole = train(log)
    times = np.quantile(log.feedback_at[log.answered], [0.3, 0.7]).astype(int)
    states = train(log, int(times[0]))
    states = train(log, int(times[1]), states)
    states = train(log, None, states)
    live = read_states(served / "state")
    for name, state in whole.items():
        assert to_json(states[name]) == to_json(state) == to_json(live[name])


def _tampered(log: Log) -> Iterator[tuple[str, str, pa.Table]]:
    """(what, decision, table) with one bit changed in one row."""
    table = log.table
    row = int(np.flatnonzero(log.answered & (np.diff(log.offsets) > 1))[37])
    name = log.decision_id[row]
    start = int(log.offsets[row])

    def with_column(column: str, array: pa.Array) -> pa.Table:
        at = table.schema.get_field_index(column)
        return table.set_column(at, table.schema.field(at), array)

    pmf = log.pmf
    assert pmf is not None
    changed = pmf.copy()
    changed.view(np.int64)[start] ^= 1
    offsets = pa.array(log.offsets.astype(np.int32))
    yield "pmf", name, with_column("pmf", pa.ListArray.from_arrays(offsets, pa.array(changed)))
    context = log.context.copy()
    context.view(np.int64)[start, 3] ^= 1
    inner = pa.FixedSizeListArray.from_arrays(pa.array(context.ravel()), context.shape[1])
    yield "context", name, with_column("context", pa.ListArray.from_arrays(offsets, inner))
    reward = log.reward.copy()
    reward.view(np.int64)[row] ^= 1
    yield "reward", name, with_column("reward", pa.array(reward, mask=~log.answered))
    for column in ("decided_at", "feedback_at"):
        times = table[column].combine_chunks().cast(pa.int64())
        moved = [t.as_py() if i != row else t.as_py() ^ 1 for i, t in enumerate(times)]
        kind = table.schema.field(column).type
        yield column, name, with_column(column, pa.array(moved, pa.int64()).cast(kind))


def test_one_changed_bit_is_named_with_its_decision(log: Log, tmp_path: Path) -> None:
    """A pmf, context value, reward or timestamp: exit 1, and the decision's id."""
    for what, decision_id, table in _tampered(log):
        path = tmp_path / f"{what}.parquet"
        write_log(Log(table, str(path)), path)
        done = subprocess.run(
            [sys.executable, "-m", "replay", "audit", str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, (what, done.stdout, done.stderr)
        assert f"FAILED decision {decision_id}" in done.stdout, what
        assert done.stdout.count("FAILED") == 1, what
