"""The audit of a server's own journal: rebuilt from its rows, a changed one named."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from journal import read_log
from journal.live import Asked, LiveJournal
from journal.upkeep.exporting import export
from journal.upkeep.pruning import prune
from policies import make


def live_journal(directory: Path, decisions: int = 60) -> int:
    """A server's own journal of two people, some answers, some silence; returns the folds."""
    clock = iter(range(1_700_000_000_000_000, 2**62, 3_600_000_000))
    journal = LiveJournal(
        directory / "live.db", directory / "states", 24 * 3600, lambda: next(clock)
    )
    rng, folds = np.random.default_rng(9), 0
    for i in range(decisions):
        k = int(rng.integers(1, 5))
        asked = Asked(
            f"u{i % 2}", [f"t{c}" for c in range(k)], ["*"] * k, rng.random((k, 5)), "tip-v1"
        )
        made, _ = journal.decide(make("linucb:epsilon=0.3"), asked)
        if rng.random() < 0.6:
            folds += journal.answer(made.decision_id, "done", 1.0).outcome == "applied"
    journal.close()
    return folds


def test_a_live_journal_is_rebuilt_with_its_checkpoints(run: Callable, tmp_path: Path) -> None:
    folds = live_journal(tmp_path)
    done = run("audit", tmp_path / "live.db", "--state", tmp_path / "states", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["rebuilt"] == done.json["digests"] == done.json["decisions"] == 60
    assert done.json["states"] == 2
    assert read_log(tmp_path / "live.db").answered.sum() > folds > 0


def test_a_pruned_journal_is_audited_from_its_bases_or_from_zero(
    run: Callable, tmp_path: Path
) -> None:
    """Which of the two is said; the doctor finds that it can be."""
    live_journal(tmp_path)
    file = tmp_path / "live.db"
    (tmp_path / "logs").mkdir()
    export(file, tmp_path / "logs" / "a.parquet", True)
    left = prune(file, before=int(np.median(read_log(file).decided_at))).left
    assert 10 < left < 50
    done = run("audit", file, "--state", tmp_path / "states")
    assert (done.code, done.err) == (0, "")
    assert f"{left} of {left} digests hold" in done.out
    assert "2 users start from a base state of pruned records" in done.out
    whole = run("audit", file, "--export", tmp_path / "logs", "--state", tmp_path / "states")
    assert (whole.code, whole.err) == (0, "")
    assert "60 of 60 digests hold; 60 of 60 decisions rebuilt bit for bit; 2 states" in whole.out
    gone = f"{60 - left} pruned decisions are in the exports; 2 base states are the folds of them"
    assert gone in whole.out
    snapshot = tmp_path / "snapshot.parquet"
    export(file, snapshot)
    assert run("audit", snapshot).code == 1
    assert run("audit", snapshot, "--export", tmp_path / "logs").code == 0
    assert run("validate", file).code == 0


def test_a_changed_row_of_a_live_journal_is_named(run: Callable, tmp_path: Path) -> None:
    live_journal(tmp_path)
    with closing(sqlite3.connect(tmp_path / "live.db")) as db, db:
        (name,) = db.execute("SELECT decision_id FROM feedback WHERE reward = 1").fetchone()
        db.execute("UPDATE feedback SET reward = -1 WHERE decision_id = ?", (name,))
    done = run("audit", tmp_path / "live.db")
    assert done.code == 1
    assert f"FAILED decision {name}: its digest does not match" in done.out


@pytest.mark.parametrize("command", ["audit", "evaluate"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pmf", "x'00'"),
        ("pmf", "x''"),
        ("context", "'x'"),
        ("candidates", "'{'"),
        ("candidates", "'[]'"),
        ("candidates", '\'{"ids": [], "arms": []}\''),
        ("action", "99"),
        ("decided_at", "1e300"),
        ("user_id", "x'ff'"),
        ("policy", "CAST(x'ff' AS TEXT)"),
        ("digest", "'short'"),
    ],
)
def test_rows_that_are_no_records_are_refused(
    refused: Callable, tmp_path: Path, command: str, column: str, value: str
) -> None:
    live_journal(tmp_path, 10)
    with closing(sqlite3.connect(tmp_path / "live.db")) as db, db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute(f"UPDATE decisions SET {column} = {value} WHERE n = 4")
        if column == "digest":
            db.execute(f"UPDATE feedback SET digest = {value}")
    options = ("--policy", "random") if command == "evaluate" else ()
    assert str(tmp_path / "live.db") in refused(command, tmp_path / "live.db", *options)
