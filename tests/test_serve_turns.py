"""What one loop of the server gathers into a commit, and what it does beside it."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.live import LiveJournal
from journal.live_calls import Asked, Call
from journal.upkeep.forgetting import forget
from policies import make
from serving.app import ENDPOINTS, App
from serving.copying import COPY_S, CopyingThread
from serving.metrics import Metrics, Names
from serving.server import BATCH_LIMIT, Server


class Loop:
    """An event loop whose turns are taken by hand."""

    def __init__(self) -> None:
        self.soon: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def call_soon(self, what: Callable[..., None], *arguments: Any) -> None:
        self.soon.append((what, arguments))

    def turn(self) -> None:
        due, self.soon = self.soon, []
        for what, arguments in due:
            what(*arguments)


class Silent:
    """As much of a connection as a batch needs."""

    began = 0.0

    def __init__(self) -> None:
        self.replies: list[int] = []

    def reply(self, status: int, *_: Any) -> None:
        self.replies.append(status)

    def advance(self) -> None:
        """It asks for nothing more."""


@pytest.fixture
def gathering(tmp_path: Path) -> Any:
    """A server without a socket; each commit's size is noted in `sizes`."""
    policy = make("random")
    with closing(LiveJournal(tmp_path / "live.db", tmp_path / "states")) as journal:
        app = App(policy, journal, Metrics(ENDPOINTS, Names(("random",))))
        server: Any = Server(app)
        server.copying.beside = nullcontext
        server.loop, server.sizes = Loop(), []
        commit = app.commit

        def noted(batch: list[Call]) -> Any:
            server.sizes.append(len(batch))
            return commit(batch)

        app.commit = noted  # type: ignore[method-assign, assignment]
        yield server
        server.copying.close()


def asked() -> Asked:
    return Asked("u", ["a"], ["*"], np.zeros((1, 5)), "tip-v1")


def test_a_lone_request_is_committed_when_a_turn_brings_no_other(gathering: Any) -> None:
    """It waits for one look at the sockets and no longer."""
    one = Silent()
    gathering._gather(one, "/score", asked())
    gathering.loop.turn()
    assert gathering.sizes == []
    gathering.loop.turn()
    assert gathering.sizes == [1]
    assert one.replies == [200]
    assert gathering.loop.soon == []


def test_what_comes_turn_by_turn_is_one_commit(gathering: Any) -> None:
    """While each turn brings more."""
    clients = [Silent() for _ in range(9)]
    for few in (clients[:2], clients[2:3], clients[3:]):
        for one in few:
            gathering._gather(one, "/score", asked())
        gathering.loop.turn()
        assert gathering.sizes == []
    gathering.loop.turn()
    assert gathering.sizes == [9]
    assert all(one.replies == [200] for one in clients)


def test_a_crowd_without_end_is_committed_at_the_limit(gathering: Any) -> None:
    """Nobody is kept waiting because others come."""
    came = 0
    while not gathering.sizes:
        for _ in range(7):
            gathering._gather(Silent(), "/score", asked())
            came += 1
        gathering.loop.turn()
        assert came <= BATCH_LIMIT + 7
    assert gathering.sizes == [BATCH_LIMIT]
    while gathering.loop.soon:
        gathering.loop.turn()
    assert sum(gathering.sizes) == came


def test_a_server_copies_its_log_while_it_serves(
    serve: Callable[..., Any],
    ask: Callable[..., Any],
    rng: np.random.Generator,
    tmp_path: Path,
    file_alone: Callable[[Path], int],
) -> None:
    """Soon after a commit, far from the size at which a commit would have to."""
    server = serve(tmp_path, policy="random")
    for _ in range(10):
        assert server.post("/score", ask(rng))[0] == 200
    end = time.monotonic() + 30
    while file_alone(server.journal) < 10:
        assert time.monotonic() < end
        time.sleep(0.05)
        server.post("/score", ask(rng))
    assert server.stop() == (0, "")


def test_an_idle_server_holds_no_place_in_the_log(
    serve: Callable[..., Any], ask: Callable[..., Any], rng: np.random.Generator, tmp_path: Path
) -> None:
    """Not even after a failure, when /readyz writes: who is forgotten then is gone from it."""
    server = serve(tmp_path, policy="random")
    for _ in range(6):
        assert server.post("/score", ask(rng, "gone@example.org"))[0] == 200
    with closing(sqlite3.connect(server.journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert server.post("/score", ask(rng, "gone@example.org"))[0] == 503
        other.execute("COMMIT")
    assert server.send("GET", "/readyz")[0] == 200
    assert forget(server.journal, "gone@example.org", server.states).clean
    for file in server.journal.parent.glob("live.db*"):
        assert b"gone@example.org" not in file.read_bytes(), file
    code, said = server.stop()
    assert code == 0
    assert "journal_unavailable" in said


def test_a_server_that_stops_waits_for_its_copying() -> None:
    """A journal is closed when nobody uses it. Of many commits, few are copied behind."""
    log: list[str] = []

    class Slow:
        wanted = is_placed = False

        def want(self) -> None:
            self.wanted = True

        def unwant(self) -> None:
            self.wanted = False

        def copy(self) -> None:
            log.append("begun")
            time.sleep(0.2)
            log.append("ended")
            self.is_placed = False

    async def life() -> None:
        slow = Slow()
        copying = CopyingThread(slow)  # type: ignore[arg-type]

        def commit(places: bool = True) -> bool:
            with copying.beside():
                wanted = slow.wanted
                slow.is_placed |= wanted and places
            return wanted

        copying.start()
        assert commit(places=False)
        assert log == []
        assert commit()
        assert not any(commit() for _ in range(5)), "one is under way"
        await asyncio.sleep(0.1)
        assert log == ["begun"]
        while slow.is_placed:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        assert not commit(), "so soon after the last"
        await asyncio.sleep(2 * COPY_S)
        with suppress(KeyError), copying.beside():
            slow.is_placed = True
            raise KeyError  # it was placed all the same
        copying.close()
        log.append("closed")
        await asyncio.sleep(2 * COPY_S)
        assert not commit()

    asyncio.run(life())
    assert log == ["begun", "ended"] * 2 + ["closed"]
