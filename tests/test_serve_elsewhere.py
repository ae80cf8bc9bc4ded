"""POST /decision: what a caller decided by itself, and what becomes of the scorer's own."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.states import read_states
from replay import audit, train


@pytest.fixture(scope="module")
def server(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serve(tmp_path_factory.mktemp("served"), policy="linucb:epsilon=0.3")


def made(body: Any, action: int = 0, **more: Any) -> Any:
    """The same candidates, decided by the caller: half on one, the rest shared."""
    k = len(body["candidates"])
    pmf = [0.5 if i == action else 0.5 / (k - 1) for i in range(k)]
    return {**body, "pmf": pmf, "action": action, **more}


def test_it_is_recorded_once(server: Any, ask: Any, rng: np.random.Generator) -> None:
    """As it was told, under a name that is none of our policies; again it is a duplicate."""
    body = made(ask(rng, "once", k=3, request_id="r1"), 1, policy="fallback-2")
    status, first = server.post("/decision", body)
    assert (status, first["recorded"], first["voided"]) == (200, True, None)
    again = {**first, "recorded": False, "duplicate": True}
    del again["voided"]
    assert server.post("/decision", body) == (200, again)
    log = read_log(server.journal)
    row = log.decision(log.decision_id.index(first["decision_id"]))
    assert (row.policy, row.action, row.pmf.tolist()) == ("elsewhere:fallback-2", 1, body["pmf"])
    for other in (made(body, 2), {**body, "policy": "another"}):
        status, said = server.post("/decision", other)
        assert (status, said["error"]["code"]) == (409, "conflict")
    status, said = server.post(
        "/score", {k: body[k] for k in ("user_id", "candidates", "request_id")}
    )
    assert (status, said["error"]["code"]) == (409, "decided_elsewhere")


def test_its_answer_is_folded_and_the_scorers_own_is_voided(
    server: Any, ask: Any, rng: np.random.Generator
) -> None:
    """The own decision was never shown: no answer to it, and no row of the log."""
    body = ask(rng, "void", k=3, request_id="r1")
    own = server.post("/score", body)[1]["decision_id"]
    status, said = server.post("/decision", made(body))
    assert (status, said["voided"], said["state_seq"]) == (200, own, 0)
    status, refused = server.post("/reward", {"decision_id": own, "feedback": "done"})
    assert (status, refused["error"]["code"]) == (409, "voided")
    answer = {"decision_id": said["decision_id"], "feedback": "done"}
    assert server.post("/reward", answer) == (200, {"applied": True, "state_seq": 1})
    assert server.post("/score", ask(rng, "void"))[1]["state_seq"] == 1
    log = read_log(server.journal)
    assert own not in log.decision_id
    assert said["decision_id"] in log.decision_id
    assert train(log)["void"].seq == 1


def test_what_was_answered_cannot_be_voided(
    server: Any, ask: Any, rng: np.random.Generator
) -> None:
    """A fold is for ever: 409, and nothing is recorded."""
    body = ask(rng, "late", k=3, request_id="r1")
    own = server.post("/score", body)[1]["decision_id"]
    server.post("/reward", {"decision_id": own, "feedback": "done"})
    before = server.counts()
    status, said = server.post("/decision", made(body))
    assert (status, said["error"]["code"]) == (409, "answered")
    assert server.counts() == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"pmf": [0.5, 0.5]}, "pmf"),
        ({"pmf": [0.5, 0.4, 0.0]}, "pmf"),
        ({"pmf": [1.5, -0.5, 0.0]}, "pmf[0]"),
        ({"pmf": [0.0, 0.5, 0.5]}, "action"),
        ({"action": 3}, "action"),
        ({"action": 1.0}, "action"),
        ({"action": True}, "action"),
        ({"policy": "linucb:alpha=1"}, "policy"),
        ({"policy": "a\nb"}, "policy"),
        ({"request_id": None}, "request_id"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_decision_names_its_field(
    server: Any, ask: Any, rng: np.random.Generator, change: Any, field: str
) -> None:
    """A propensity that is none would spoil every estimate."""
    body = {**made(ask(rng, "bad", k=3, request_id="r")), **change}
    status, said = server.post("/decision", body)
    assert (status, said["error"]["field"]) == (400, field)


def test_a_voided_decision_never_expires(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """Its window passes in silence; the other's is folded. Also after a kill and a restart."""
    server = serve(tmp_path, "--reward-window", "1s", policy="linucb:epsilon=0.3")
    body = ask(rng, k=3, request_id="r")
    own = server.post("/score", body)[1]["decision_id"]
    other = server.post("/decision", made(body))[1]["decision_id"]
    server.process.kill()
    server.process.wait()
    server.stop()
    time.sleep(1.01)
    server = serve(tmp_path, "--reward-window", "1s", policy="linucb:epsilon=0.3")
    assert server.post("/score", ask(rng))[1]["state_seq"] == 1
    assert server.stop() == (0, "")
    with closing(sqlite3.connect(server.journal)) as db:
        assert db.execute("SELECT decision_id, feedback FROM feedback").fetchall() == [
            (other, "expired")
        ]
        assert db.execute("SELECT * FROM voided").fetchall() == [(own, "u", other)]
    found = audit(read_log(server.journal, values=False), read_states(server.states))
    assert found.ok, found.failures
    assert (found.decisions, found.rebuilt, found.digests, found.states) == (2, 1, 2, 1)
