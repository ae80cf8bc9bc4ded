"""The live journal goes on with the same bits after anything that may happen to it."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal import read_log
from journal.live import CHECKPOINT_EVERY, LiveJournal
from journal.schema_sql import VERSION
from policies import BadInput
from policies.rewards import ANSWERS
from policies.state import UserState, file_name, from_json, to_json

MINUTE = 60_000_000


def test_a_restart_goes_on_with_the_same_bits(twin: Any) -> None:
    """Reopening after every few requests changes nothing."""
    for _ in range(8):
        twin.live(7)
        twin.reopen()
    twin.holds()


def _ahead(file: Path) -> None:
    state = from_json(file.read_text())
    for i in range(50):
        state.fold("work", np.ones(5), 1.0, f"elsewhere-{i}", 0)
    file.write_text(to_json(state))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "kept": lambda file: file.stat(),
    "deleted": lambda file: file.unlink(),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-40]),
    "empty": lambda file: file.write_bytes(b""),
    "not text": lambda file: file.write_bytes(b"\xff\xfe\x00"),
    "ahead": _ahead,
    "a directory": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("close", [True, False], ids=["closed", "killed"])
def test_the_journal_does_not_depend_on_its_checkpoints(
    twin: Any, capsys: pytest.CaptureFixture[str], how: str, close: bool
) -> None:
    """Up to date, lagging (no close), damaged, ahead or gone: the same bits from there on."""
    twin.live(4 * CHECKPOINT_EVERY)
    if close:
        twin.close()
    files = [twin.states / file_name(user) for user in twin.loops]
    for file in files:
        assert file.exists()
        DAMAGE[how](file)
    capsys.readouterr()
    twin.reopen(close=False)
    twin.live(2)
    said = capsys.readouterr().err
    assert bool(said) == (how not in ("kept", "deleted"))
    twin.live(40)
    if how == "a directory":
        for file in files:
            file.rmdir()
    twin.holds()


def test_two_journals_of_one_file_are_as_one(twin: Any) -> None:
    """Each sees what the other wrote, and continues from it."""
    twin.journals.append(twin.opened())
    for step in range(60):
        name = twin.decide("u", journal=step % 2)
        twin.now += 25 * MINUTE
        if step % 3:
            twin.answer(name, journal=int(twin.rng.integers(2)))
    twin.holds()


def test_the_checkpoint_of_another_user_is_not_used(twin: Any) -> None:
    """A file under the wrong name: no decision is written for whom it was not asked."""
    twin.answer(twin.decide("u"))
    twin.answer(twin.decide("v"))
    twin.close()
    shutil.copy(twin.states / file_name("u"), twin.states / file_name("v"))
    twin.reopen(close=False)
    assert twin.made[twin.decide("v")].user_id == "v"


def test_the_checkpoint_of_other_features_is_not_used(twin: Any) -> None:
    """A state of three features, none folded yet past it: the journal knows better."""
    twin.answer(twin.decide())
    twin.close()
    other = UserState.empty("u", "mine-v1", 3)
    other.fold("work", np.ones(3), 1.0, "elsewhere", 0)
    (twin.states / file_name("u")).write_text(to_json(other))
    twin.reopen(close=False)
    twin.decide()


def test_time_does_not_go_backwards_between_two_journals(twin: Any) -> None:
    """The clock steps back between two processes: no answer is before its decision."""
    twin.journals.append(twin.opened())
    name = twin.decide(journal=0)
    twin.now -= 5 * MINUTE
    twin.journals[1].answer(name, "done", 1.0)
    assert read_log(twin.path).feedback_at[0] >= twin.made[name].decided_at


# ---- files that are no journal


def _other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (x)")


NONE: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("decision_id,user_id\n" * 100),
    "another database": _other_database,
    "a directory": lambda path: path.mkdir(),
    "a journal of another version": lambda path: (
        LiveJournal(path, path.parent / "s").close(),
        _execute(path, "UPDATE meta SET value = '99' WHERE key = 'schema'"),
    ),
}


def _execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


@pytest.mark.parametrize("what", NONE)
def test_what_is_no_journal_is_refused(tmp_path: Path, what: str) -> None:
    """BadInput that names the file."""
    path = tmp_path / "other.db"
    NONE[what](path)
    with pytest.raises(BadInput, match=r"other\.db"):
        LiveJournal(path, tmp_path / "states")


def test_what_is_refused_is_left_as_it_was(tmp_path: Path) -> None:
    """Another program's database keeps its bytes, and gets no companions."""
    path = tmp_path / "other.db"
    _other_database(path)
    before = path.read_bytes()
    with pytest.raises(BadInput):
        LiveJournal(path, tmp_path / "states")
    assert path.read_bytes() == before


# ---- any order of things


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), st.sampled_from("uvw")),
        st.tuples(st.just("answer"), st.integers(0, 5), st.sampled_from(ANSWERS)),
        st.tuples(st.just("wait"), st.integers(1, 70)),
        st.tuples(st.just("reopen"), st.booleans()),
        st.tuples(st.just("forget"), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(steps=STEPS)
def test_any_program_of_requests_is_what_a_dict_says_and_passes_the_audit(
    twins: Callable[[Path], Any], steps: list
) -> None:
    """Decide, answer, wait, restart, lose the checkpoints: in any order, no surprise."""
    with tempfile.TemporaryDirectory() as directory:
        twin = twins(Path(directory))
        twin.decide()
        for step in steps:
            if step[0] == "decide":
                twin.decide(step[1])
            elif step[0] == "answer":
                twin.answer(list(twin.made)[-1 - step[1] % len(twin.made)], step[2])
            elif step[0] == "wait":
                twin.now += step[1] * MINUTE
            elif step[0] == "reopen":
                twin.reopen(close=step[1])
            else:
                shutil.rmtree(twin.states)
                twin.states.mkdir()
        twin.holds()


# ---- journals of before


def test_a_journal_of_the_first_schema_is_read_and_brought_up_to_date(twin: Any) -> None:
    """Its records stay as they are; its states, which nothing vouches for, are made anew."""
    twin.live(20)
    twin.close()
    for statement in (
        "DROP TABLE voided",
        "DROP TABLE checkpoints",
        "UPDATE meta SET value = '1' WHERE key = 'schema'",
    ):
        _execute(twin.path, statement)
    assert len(read_log(twin.path)) == 20
    twin.reopen(close=False)
    with closing(sqlite3.connect(twin.path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == (
            str(VERSION),
        )
    twin.live(20)
    twin.holds()
