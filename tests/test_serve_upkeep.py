"""Operations on the journal of a running server: people are served meanwhile, and rightly."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.cli import main_of
from journal.commands import app
from journal.states import read_states
from journal.upkeep.backing_up import backup
from journal.upkeep.exporting import export
from journal.upkeep.forgetting import forget
from journal.upkeep.inspecting import inspect
from journal.upkeep.pruning import prune
from policies.state import file_name
from replay import audit

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 5.0  # a reply that takes longer was blocked by an operation; the machine is shared


@pytest.fixture
def journal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`python -m journal` in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["journal", *map(str, arguments)])
        code = main_of(app, "journal")
        return code, *capsys.readouterr()

    return run


class _People(threading.Thread):
    """Ask and answer until told to stop; any reply but 200 is kept."""

    def __init__(self, server: Any, ask: Callable[..., Any], seed: int) -> None:
        super().__init__()
        self.server, self.ask, self.rng = server, ask, np.random.default_rng(seed)
        self.wrong: list[Any] = []
        self.told: list[tuple[Any, Any]] = []  # what was asked under which id, and the reply
        self.slowest = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        connection = self.server.connect()
        while not self.over.is_set():
            user = f"u{self.rng.integers(6)}"
            body = self.ask(self.rng, user, request_id=f"{self.ident}-{len(self.told)}")
            began = time.perf_counter()
            status, reply = self.server.send("POST", "/score", body, connection)
            self.told.append((body, reply))
            if status == 200 and self.rng.random() < 0.9:
                said = {"decision_id": reply["decision_id"], "feedback": "done"}
                status, reply = self.server.send("POST", "/reward", said, connection)
            self.slowest = max(self.slowest, time.perf_counter() - began)
            if status != 200:
                self.wrong.append(reply)
        connection.close()


def test_people_are_served_while_it_is_kept(
    serve: Callable[..., Any], ask: Callable[..., Any], tmp_path: Path
) -> None:
    """Export, prune, back up, again and again; every request is answered, retries as before."""
    server = serve(tmp_path, "--workers", "2", "--reward-window", "1s", policy="linucb")
    people = [_People(server, ask, seed) for seed in (1, 2)]
    for person in people:
        person.start()
    pruned = 0
    for part in range(4):
        time.sleep(0.3)
        export(server.journal, tmp_path / f"{part}.parquet", True)
        pruned += prune(server.journal, vacuum=part == 3).decisions
        backup(server.journal, tmp_path / f"copy{part}.db")
    for person in people:
        person.over.set()
        person.join()
    assert pruned > 50
    for person in people:
        assert person.wrong == []
        assert person.slowest < PATIENCE_S
        for body, reply in person.told[:: len(person.told) // 20]:
            assert server.post("/score", body) == (200, reply)
            assert server.post("/score", {**body, "timezone": "UTC"})[0] == 409
    code, said = server.stop()
    assert code == 0, said
    files = [tmp_path / f"{part}.parquet" for part in range(4)]
    found = audit(server.journal, read_states(server.states), exports=files)
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions == sum(len(p.told) for p in people)
    assert found.bases == 6
    assert audit(server.journal).ok
    for part in range(4):
        assert audit(tmp_path / f"copy{part}.db").ok


def test_a_running_server_forgets_too(
    serve: Callable[..., Any],
    ask: Callable[..., Any],
    rng: np.random.Generator,
    tmp_path: Path,
    journal: Callable[..., Any],
) -> None:
    """By the command line; the person starts anew, the other goes on, no state comes back."""
    server = serve(tmp_path)
    old = []
    for user in ("goes", "stays") * 20:
        made = server.post("/score", ask(rng, user))[1]
        server.post("/reward", {"decision_id": made["decision_id"], "feedback": "done"})
        old.append(made["decision_id"])
    waits = server.post("/score", ask(rng, "goes", request_id="r"))[1]
    assert (server.states / file_name("goes")).exists()
    code, out, err = journal("forget", server.journal, "goes", "--state", server.states, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"]["decisions"] == 21
    for name in (old[0], waits["decision_id"]):
        assert server.post("/reward", {"decision_id": name, "feedback": "done"})[0] == 404
    assert server.post("/score", ask(rng, "goes", request_id="r"))[1]["state_seq"] == 0
    assert server.post("/score", ask(rng, "stays"))[1]["state_seq"] == 20
    assert server.stop()[0] == 0
    assert not (server.states / file_name("goes")).exists()
    found = audit(read_log(server.journal), read_states(server.states))
    assert found.ok, found.failures
    assert found.rebuilt == found.decisions == 22


def test_a_restored_backup_is_served(
    serve: Callable[..., Any], ask: Callable[..., Any], rng: np.random.Generator, tmp_path: Path
) -> None:
    """As docs/serving.md says it: the copy in place, no companions, the states as they are."""
    server = serve(tmp_path)
    bodies = [ask(rng, "u", request_id=f"r{i}") for i in range(3)]
    told = [server.post("/score", body)[1] for body in bodies]
    subprocess.run(
        [sys.executable, "-m", "journal", "backup", server.journal, tmp_path / "copy.db"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for made in told:
        server.post("/reward", {"decision_id": made["decision_id"], "feedback": "done"})
    server.stop()
    for name in ("live.db-wal", "live.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "copy.db").replace(server.journal)
    again = serve(tmp_path)
    assert [again.post("/score", body)[1] for body in bodies] == told
    assert again.post("/score", ask(rng, "u"))[1]["state_seq"] == 0
    again.stop()
    assert audit(again.journal).ok


def test_the_command_line(
    serve: Callable[..., Any],
    ask: Callable[..., Any],
    rng: np.random.Generator,
    tmp_path: Path,
    journal: Callable[..., Any],
) -> None:
    """What each command prints, and one line with exit code 2 for bad input."""
    server = serve(tmp_path)
    for _ in range(3):
        made = server.post("/score", ask(rng, "u"))[1]
        server.post("/reward", {"decision_id": made["decision_id"], "feedback": "done"})
    file = server.journal
    out = tmp_path / "a.parquet"
    assert journal("export", file, out, "--since-last") == (
        0,
        f"{out}: 3 decisions up to row 3; 0 open ones are left for a later export\n",
        "",
    )
    said = journal("export", file, out)
    assert said[0] == 2
    assert said[2].startswith(f"journal: {out}: is an export of this journal already")
    code, text, _ = journal("prune", file, "--before", "2099-01-01T00:00:00Z", "--dry-run")
    assert (code, "2 decisions of 1 users would go" in text) == (0, True)
    assert json.loads(journal("prune", file, "--json")[1])["decisions"] == 2
    found = json.loads(journal("inspect", file, "--user", "u", "--json")[1])
    assert (found["pruned"], found["decisions"]) == (2, 1)
    assert inspect(file).bases == 1
    assert "integrity         ok" in journal("inspect", file)[1]
    assert forget(file, "u").rows["pruned"] == 2
    for arguments in (("inspect", tmp_path / "none.db"), ("prune", file, "--before", "monday")):
        code, text, err = journal(*arguments)
        assert (code, text, err.count("\n")) == (2, "", 1)
    server.stop()
