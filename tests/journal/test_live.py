"""The live journal: durable before the reply, a fold of its records, and no other truth."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal import read_log
from journal.live import Asked, Conflict, LiveJournal
from journal.live_requests import prepare
from journal.states import read_states
from policies import make
from policies.errors import BadInput
from policies.policy import Batch
from policies.state import to_json
from policies.sums import Sums

POLICY = make("linucb:alpha=0.5,epsilon=0.3")
SECOND = 1_000_000
START = 1_790_000_000 * SECOND


class Clock:
    """A clock that goes as it is told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Desk:
    """A journal in a directory that can be opened again and again."""

    def __init__(self, where: Path, window_s: int | None = 60) -> None:
        self.where, self.window_s, self.clock = where, window_s, Clock()
        self.journal = self.open()

    def open(self) -> LiveJournal:
        return LiveJournal(self.path, self.where / "state", self.window_s, self.clock)

    @property
    def path(self) -> Path:
        return self.where / "live.db"

    def ask(self, user: str = "u", seed: int = 0, **more: Any) -> Asked:
        rng = np.random.default_rng(seed)
        k = int(rng.integers(1, 6))
        ids = [f"t{i}" for i in range(k)]
        arms = [str(a) for a in rng.choice(["work", "home", "*"], k)]
        return Asked(user, ids, arms, rng.uniform(-1, 1, (k, 5)), "tip-v1", **more)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """As another process sees them."""
        with sqlite3.connect(self.path) as other:
            found = other.execute(f"SELECT * FROM {table}").fetchall()
        other.close()
        return found

    def audit(self) -> None:
        """Every decision rebuilt, every state the fold of its feedbacks."""
        from replay import audit

        self.journal.close()
        found = audit(read_log(self.path, values=False), read_states(self.where / "state"))
        assert found.ok, found.failures
        assert found.rebuilt == found.decisions


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_retry_is_known_by_the_digest_that_a_version_before_made(desk: Desk) -> None:
    """It decided, was ended and replaced; the client, who saw no reply, asks again."""
    features = {"hour_sin": 0, "hour_cos": 1, "is_overdue": 0, "task_age": 0.5, "priority": 1}
    body = {"user_id": "u", "request_id": "r", "candidates": [{"id": "t", "features": features}]}
    asked: Any = prepare("/score", json.dumps(body).encode())
    before = replace(asked, body=asked.earlier(), earlier=None)
    first, _ = desk.journal.decide(POLICY, before)
    again, _ = desk.journal.decide(POLICY, asked)
    assert again.decision_id == first.decision_id
    with pytest.raises(Conflict):
        desk.journal.decide(POLICY, replace(asked, body=b"another", earlier=None))


def test_what_was_decided_is_on_disk_before_it_is_told(desk: Desk) -> None:
    """Another connection sees it."""
    decision, _ = desk.journal.decide(POLICY, desk.ask())
    assert [row[1] for row in desk.rows("decisions")] == [decision.decision_id]
    desk.journal.answer(decision.decision_id, "done", 1.0)
    assert [row[0] for row in desk.rows("feedback")] == [decision.decision_id]


def test_an_answer_is_applied_once(desk: Desk) -> None:
    """Again it is a duplicate, another one a conflict, of nothing it is unknown."""
    decision, _ = desk.journal.decide(POLICY, desk.ask())
    answers = [("done", 1.0), ("done", 1.0), ("snooze", 0.0), (None, 1.0)]
    found = [desk.journal.answer(decision.decision_id, *a) for a in answers]
    assert [f.outcome for f in found] == ["applied", "duplicate", "conflict", "conflict"]
    assert [f.state_seq for f in found] == [1, 1, 1, 1]
    assert desk.journal.answer("0" * 32, "done", 1.0).outcome == "unknown"
    assert len(desk.rows("feedback")) == 1


def test_silence_is_written_by_the_users_next_request(desk: Desk) -> None:
    """By (deadline, decision_id), reward 0, before it decides."""
    first = [desk.journal.decide(POLICY, desk.ask(seed=i))[0] for i in range(3)]
    desk.clock.now += 30 * SECOND
    late = desk.journal.decide(POLICY, desk.ask(seed=9))[0]
    assert late.state_seq == 0
    desk.clock.now += 30 * SECOND
    assert desk.journal.decide(POLICY, desk.ask(seed=4))[0].state_seq == 3
    expired = sorted(desk.rows("feedback"), key=lambda row: row[5])
    assert [row[0] for row in expired] == sorted(d.decision_id for d in first)
    assert {(row[2], row[3], row[4]) for row in expired} == {("expired", 0.0, START + 60 * SECOND)}
    desk.audit()


def test_an_answer_after_the_window_is_kept_but_not_folded(desk: Desk) -> None:
    """Law 9: the silence was folded already."""
    decision, _ = desk.journal.decide(POLICY, desk.ask())
    desk.clock.now += 60 * SECOND
    found = desk.journal.answer(decision.decision_id, "done", 1.0, answered_at=START)
    assert found.outcome == "closed"
    assert [row[:3] for row in desk.rows("late")] == [(decision.decision_id, "done", 1.0)]
    assert [row[2] for row in desk.rows("feedback")] == ["expired"]
    desk.audit()


def test_a_retry_gets_the_same_decision(desk: Desk) -> None:
    """Bits and scores, also after a restart; another body under the id is refused."""
    ask = desk.ask(request_id="r", body=b"1")
    decision, scores = desk.journal.decide(POLICY, ask)
    desk.journal.close()
    desk.journal = desk.open()
    again, same = desk.journal.decide(make("random"), ask)
    assert again.decision_id == decision.decision_id
    assert np.array_equal(again.pmf.view(np.int64), decision.pmf.view(np.int64))
    assert np.array_equal(same.view(np.int64), scores.view(np.int64))
    with pytest.raises(Conflict):
        desk.journal.decide(POLICY, desk.ask(request_id="r", body=b"2"))
    other, _ = desk.journal.decide(POLICY, desk.ask("v", request_id="r", body=b"2"))
    assert other.decision_id != decision.decision_id
    assert len(desk.rows("decisions")) == 2


def _keep(states: Path) -> None:
    pass


def _delete(states: Path) -> None:
    for file in states.glob("*.json"):
        file.unlink()


def _damage(states: Path) -> None:
    for file in states.glob("*.json"):
        file.write_text('{"schema": 1')


def _ahead(states: Path) -> None:
    for file in states.glob("*.json"):
        record = json.loads(file.read_text())
        file.write_text(json.dumps({**record, "seq": record["seq"] + 5}))


@pytest.mark.parametrize("happens", [_keep, _delete, _damage, _ahead])
def test_a_restart_goes_on_with_the_same_bits(
    desk: Desk, happens: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever became of the checkpoints: the journal has it all."""
    for i in range(20):
        decision, _ = desk.journal.decide(POLICY, desk.ask(seed=i))
        if i % 3:
            desk.journal.answer(decision.decision_id, None, (i % 5 - 2) / 2)
    last = desk.ask(seed=99)
    expected = desk.journal._users["u"].loop.state
    text = to_json(expected)
    desk.journal.close()
    happens(desk.where / "state")
    desk.journal = desk.open()
    decision, _ = desk.journal.decide(POLICY, last)
    assert decision.state_seq == expected.seq
    assert to_json(desk.journal._users["u"].loop.state) == text
    assert bool(capsys.readouterr().err) == (happens in (_damage, _ahead))


def test_two_processes_on_one_file_are_as_one(desk: Desk) -> None:
    """Each notices what the other has written."""
    other = desk.open()
    for i in range(30):
        journal = (desk.journal, other)[i % 2]
        decision, _ = journal.decide(POLICY, desk.ask(seed=i))
        if i % 3:
            (other, desk.journal)[i % 2].answer(decision.decision_id, "done", 1.0)
    other.close()
    desk.audit()


class Broken:
    """A policy that fails when it is asked."""

    seed = 0
    explores = True

    def score(self, batch: Batch, sums: Sums) -> Any:
        raise BadInput("policy", "fails")


def test_a_decision_that_fails_leaves_nothing(desk: Desk) -> None:
    """Not even the silences that were due: the next request writes them."""
    first, _ = desk.journal.decide(POLICY, desk.ask())
    desk.clock.now += 61 * SECOND
    broken: Any = Broken()
    with pytest.raises(BadInput):
        desk.journal.decide(broken, desk.ask())
    assert len(desk.rows("decisions")) == 1
    assert desk.rows("feedback") == []
    assert desk.journal.decide(POLICY, desk.ask())[0].state_seq == 1
    assert desk.rows("feedback")[0][0] == first.decision_id
    desk.audit()


def test_time_does_not_go_backwards(desk: Desk) -> None:
    """A clock that is put back, or starts anew, cannot unmake the order of records."""
    desk.journal.decide(POLICY, desk.ask())
    desk.clock.now -= 3600 * SECOND
    assert desk.journal.decide(POLICY, desk.ask())[0].decided_at == START
    desk.journal.close()
    desk.journal = desk.open()
    assert desk.journal.decide(POLICY, desk.ask())[0].decided_at == START


@pytest.mark.parametrize("content", [b"not a database at all, but long enough" * 9, b"PAR1"])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    """And left as it is."""
    path = tmp_path / "live.db"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"live\.db"):
        LiveJournal(path, tmp_path / "state")
    assert path.read_bytes() == content


def test_another_feature_set_is_refused_for_a_user_who_has_learned(desk: Desk) -> None:
    """Sums over other features mean something else."""
    decision, _ = desk.journal.decide(POLICY, desk.ask())
    desk.journal.answer(decision.decision_id, "done", 1.0)
    with pytest.raises(BadInput, match="features"):
        desk.journal.decide(POLICY, Asked("u", ["t"], ["*"], np.ones((1, 5)), "tip-v9"))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from("uvw"), st.integers(0, 99)),
        st.tuples(st.just("answer"), st.integers(0, 30), st.sampled_from([-1.0, 0.0, 0.5, 1.0])),
        st.tuples(st.just("wait"), st.integers(1, 90), st.just(0)),
        st.tuples(st.just("reopen"), st.booleans(), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_any_history_can_be_rebuilt(
    tmp_path_factory: pytest.TempPathFactory, program: list[tuple[Any, Any, Any]]
) -> None:
    """Asking, answering, waiting, restarting in any order; a plain model agrees."""
    desk = Desk(tmp_path_factory.mktemp("any"))
    asked: list[tuple[str, int]] = []  # decision, deadline
    said: dict[str, float] = {}
    for kind, a, b in [*program, ("ask", "u", 0)]:
        if kind == "ask":
            decision, _ = desk.journal.decide(POLICY, desk.ask(a, b))
            asked.append((decision.decision_id, desk.clock.now + 60 * SECOND))
        elif kind == "wait":
            desk.clock.now += a * SECOND
        elif kind == "reopen":
            desk.journal.close()
            if a:
                _delete(desk.where / "state")
            desk.journal = desk.open()
        elif asked:
            name, deadline = asked[a % len(asked)]
            expected = "applied"
            if name in said:
                expected = "duplicate" if said[name] == b else "conflict"
            elif deadline <= desk.clock.now:
                expected = "closed"
            assert desk.journal.answer(name, None, b).outcome == expected
            if expected == "applied":
                said[name] = b
    desk.audit()
