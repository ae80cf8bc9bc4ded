"""The reward window of the live journal, to the microsecond."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal.live import Asked, LiveJournal
from policies import make

START, MINUTE = 1_700_000_000_000_000, 60_000_000


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def test_silence_of_one_user_is_folded_by_deadline_then_id(twin: Any) -> None:
    """At the deadline, with reward 0; another user's silence waits for that user."""
    names = [twin.decide() for _ in range(3)]
    twin.now += 5 * MINUTE
    names.append(twin.decide())
    other = twin.decide("v")
    twin.now += 120 * MINUTE
    assert rows(twin.path, "SELECT decision_id FROM feedback") == []
    last = twin.decide()
    expected = sorted((twin.made[n].deadline, n) for n in names)
    query = "SELECT feedback_at, decision_id, feedback, reward, seq FROM feedback ORDER BY seq"
    assert rows(twin.path, query) == [
        (at, n, "expired", 0.0, seq) for seq, (at, n) in enumerate(expected, start=1)
    ]
    assert twin.made[last].state_seq == 4
    assert other not in twin.told
    twin.holds()


@pytest.mark.parametrize("late", [0, 1, 24 * 60 * MINUTE])
def test_at_the_deadline_it_is_closed(twin: Any, late: int) -> None:
    """Every late answer is kept, none is folded: the state knows of silence alone."""
    name = twin.decide()
    twin.now = twin.made[name].deadline + late
    assert [twin.answer(name, word) for word in ("done", "dismiss")] == ["closed", "closed"]
    assert rows(twin.path, "SELECT feedback, reward FROM feedback") == [("expired", 0.0)]
    kept = rows(twin.path, "SELECT decision_id, feedback, reward, feedback_at FROM late")
    assert kept == [(name, "done", 1.0, twin.now), (name, "dismiss", -1.0, twin.now)]
    twin.holds()


def test_a_microsecond_before_the_deadline_it_is_open(twin: Any) -> None:
    """The answer is applied, and no silence is written."""
    name = twin.decide()
    twin.now = twin.made[name].deadline - 1
    assert twin.answer(name) == "applied"
    twin.holds()


def test_without_a_window_an_answer_is_never_late(tmp_path: Path) -> None:
    """`never`: thirty years later it is folded."""
    times = iter([START, START + 10**15])
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states", None, lambda: next(times))
    asked = Asked("u", ["t"], ["*"], np.ones((1, 5)), "tip-v1")
    made, _ = journal.decide(make("random"), asked)
    assert journal.answer(made.decision_id, "done", 1.0).outcome == "applied"
    journal.close()
