"""The write-ahead log is copied beside the commits: nothing is lost, and nobody sees of it."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from journal.live import Asked, LiveJournal, Unavailable
from journal.live_file import PAGES_LIMIT, ROWS_LIMIT
from journal.live_rows import LOG_KEPT
from journal.states import read_states
from policies import make
from replay import audit

POLICY = make("linucb:alpha=0.5,epsilon=0.3")


def ask(i: int, users: int = 3) -> Asked:
    rng = np.random.default_rng(i)
    return Asked(f"u{i % users}", ["a", "b"], ["x", "y"], rng.uniform(-1, 1, (2, 5)), "tip-v1")


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with closing(LiveJournal(tmp_path / "live.db", tmp_path / "states")) as opened:
        yield opened


def generation(path: Path) -> bytes:
    """The salts in the log's header: other ones once it has begun anew."""
    with path.with_name(f"{path.name}-wal").open("rb") as log:
        return log.read(24)[16:]


def test_what_was_committed_is_in_the_file_after_a_copying(
    journal: LiveJournal, tmp_path: Path, file_alone: Callable[[Path], int]
) -> None:
    """And was in the log alone before it; then the log begins anew."""
    path = tmp_path / "live.db"
    for i in range(19):
        journal.decide(POLICY, ask(i))
    journal.copying.want()
    assert not journal.copying.is_placed
    journal.decide(POLICY, ask(19))
    assert journal.copying.is_placed
    assert file_alone(path) == 0
    first = generation(path)
    journal.copying.copy()
    assert not journal.copying.is_placed
    assert file_alone(path) == 20
    journal.decide(POLICY, ask(20))
    assert not journal.copying.is_placed, "nobody wants another"
    assert generation(path) != first
    assert len(read_log(path)) == 21


def test_no_log_begins_anew_before_the_copying_has_ended(
    journal: LiveJournal, tmp_path: Path, file_alone: Callable[[Path], int]
) -> None:
    """Else SQLite before 3.51.3 may lose a commit; whoever else copies meanwhile, and commits."""
    path = tmp_path / "live.db"
    journal.copying.want()
    journal.decide(POLICY, ask(0))
    first = generation(path)
    for i in range(1, 5):
        with closing(sqlite3.connect(path)) as other:  # as if it were not for its turn
            busy, log, copied = other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            assert not busy
            assert (copied == log) is (i == 1), "not further than where the reader stands"
        journal.decide(POLICY, ask(i))
        assert generation(path) == first
    journal.copying.copy()
    journal.decide(POLICY, ask(5))
    assert generation(path) == first, "there were commits since: of them nothing is copied"
    journal.copying.want()
    journal.decide(POLICY, ask(6))
    journal.copying.copy()
    assert file_alone(path) == 7
    journal.decide(POLICY, ask(7))
    assert generation(path) != first


def test_a_reader_has_its_place_behind_a_commit_that_wrote(journal: LiveJournal) -> None:
    """One that wrote nothing leaves a log of which all may be copied: that holds nobody."""
    journal.decide(POLICY, ask(0))
    journal.copying.want()
    assert journal.answer("0" * 44, "done", 1.0).outcome == "unknown"
    assert not journal.copying.is_placed
    journal.check()
    assert not journal.copying.is_placed
    journal.decide(POLICY, ask(1))
    assert journal.copying.is_placed
    journal.decide(POLICY, ask(2))  # another commit, the same reader
    journal.copying.copy()


def test_a_log_that_nobody_copies_is_copied_in_the_turn_of_a_commit(
    journal: LiveJournal, tmp_path: Path, file_alone: Callable[[Path], int]
) -> None:
    """Where no thread does, in a simulation say, or where it never gets to the end."""
    path = tmp_path / "live.db"
    for i in range(0, ROWS_LIMIT, 100):
        assert file_alone(path) == 0
        journal.commit(POLICY, [ask(i + b, 50) for b in range(100)])
    assert file_alone(path) == ROWS_LIMIT
    journal.copying.want()
    for i in range(0, ROWS_LIMIT, 100):
        journal.commit(POLICY, [ask(i + b, 50) for b in range(100)])
    first = generation(path)
    journal.decide(POLICY, ask(0))
    assert generation(path) == first, "not further than where the reader stands"
    journal.copying.copy()
    journal.decide(POLICY, ask(1))
    assert file_alone(path) == 2 * ROWS_LIMIT + 2


def test_a_log_that_grew_gives_its_space_back(journal: LiveJournal, tmp_path: Path) -> None:
    """While a reader stood in it, of a process that was stopped say, it could not begin anew."""
    log = tmp_path / "live.db-wal"
    names, arms = [f"t{i}" for i in range(1000)], ["x"] * 1000
    large = [Asked(f"u{i}", names, arms, np.zeros((1000, 5)), "tip-v1") for i in range(100)]
    journal.copying.want()
    journal.decide(POLICY, ask(0))
    while log.stat().st_size <= LOG_KEPT:
        journal.commit(POLICY, large)
    journal.copying.copy()
    journal.copying.want()
    journal.decide(POLICY, ask(1))
    journal.copying.copy()
    journal.decide(POLICY, ask(2))
    assert log.stat().st_size <= LOG_KEPT


def test_a_long_log_is_copied_in_the_turn_of_a_commit_however_few_its_rows(
    journal: LiveJournal, tmp_path: Path, file_alone: Callable[[Path], int]
) -> None:
    """Of decisions among a thousand candidates each takes many pages; the last copying knows."""
    journal.decide(POLICY, ask(0))
    journal.copying.pages = PAGES_LIMIT
    journal.decide(POLICY, ask(1))
    assert file_alone(tmp_path / "live.db") == 2
    assert journal.copying.pages == 0
    journal.copying.want()
    journal.decide(POLICY, ask(2))
    journal.copying.copy()
    assert 0 < journal.copying.pages < 20


def test_what_is_no_commit_of_the_one_who_wants_it_holds_no_place(journal: LiveJournal) -> None:
    """Nobody would copy behind it: the log could not begin anew, nor `forget` cut it."""
    journal.decide(POLICY, ask(0))
    journal.copying.want()
    journal.answer("0" * 44, "done", 1.0)
    journal.copying.unwant()
    journal._file.failed = True
    journal.check()  # it writes a row then
    assert not journal.copying.is_placed
    journal.copying.want()
    journal.decide(POLICY, ask(1))
    journal.copying.close()
    journal.copying.want()
    journal.copying.unwant()
    assert not journal.copying.is_placed, "its place went with its connection"
    journal.copying.copy()  # which is nothing without one
    journal.decide(POLICY, ask(2))


def test_a_journal_that_is_opened_again_is_copied_where_it_is_now(
    journal: LiveJournal, tmp_path: Path, file_alone: Callable[[Path], int]
) -> None:
    """A restored backup in its place, say: the connections of the old file are of no use."""
    path = tmp_path / "live.db"
    journal.copying.want()
    journal.decide(POLICY, ask(0))
    journal.copying.copy()
    restored, old = tmp_path / "restored.db", tmp_path / "old"
    old.mkdir()
    with closing(sqlite3.connect(path)) as here, closing(sqlite3.connect(restored)) as there:
        here.backup(there)
    for file in (path, *(path.with_name(f"live.db-{kind}") for kind in ("wal", "shm"))):
        file.rename(old / file.name)
    restored.rename(path)
    damage = sqlite3.OperationalError("disk I/O error")
    damage.sqlite_errorcode = sqlite3.SQLITE_IOERR  # type: ignore[misc]
    with pytest.raises(Unavailable), journal._transaction():
        raise damage
    for i in (1, 2):
        journal.copying.want()
        journal.decide(POLICY, ask(i))
        journal.copying.copy()
    assert file_alone(path) == 3


def test_commits_and_copyings_at_once_lose_nothing(tmp_path: Path) -> None:
    """Two journals of one file, each with a thread that copies whenever it may."""
    path, states = tmp_path / "live.db", tmp_path / "states"
    journals = [LiveJournal(path, states) for _ in range(2)]
    done, copied = threading.Event(), [0, 0]

    def copying(one: int) -> None:
        while not done.wait(0.0005):
            if journals[one].copying.is_placed:
                journals[one].copying.copy()
                copied[one] += 1

    threads = [threading.Thread(target=copying, args=(one,)) for one in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(400):
            journals[i % 2].copying.want()
            decision, _ = journals[i % 2].decide(POLICY, ask(i))
            if i % 3:
                told = journals[(i + 1) % 2].answer(decision.decision_id, "done", 1.0)
                assert told.outcome == "applied"
    finally:
        done.set()
        for thread in threads:
            thread.join()
        for one in journals:
            one.close()
    assert min(copied) > 10
    assert len(read_log(path)) == 400
    assert audit(read_log(path), read_states(states)).ok
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_copying_that_cannot_be_done_is_no_failure(
    journal: LiveJournal, tmp_path: Path, file_alone: Callable[[Path], int]
) -> None:
    """The file is away when the connections are to be made: that makes none."""
    path = tmp_path / "live.db"
    journal.decide(POLICY, ask(0))
    away = path.rename(tmp_path / "away.db")
    journal.copying.want()
    journal.decide(POLICY, ask(1))
    assert not path.exists()
    assert not journal.copying.is_placed
    away.rename(path)
    journal.copying.want()
    journal.decide(POLICY, ask(2))
    assert journal.copying.is_placed
    journal.copying.copy()
    assert file_alone(path) == 3
