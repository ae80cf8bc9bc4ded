"""What stands beside decisions while records are pruned and people forgotten."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import journal.files as files
from journal import Log, read_log, write_log
from journal.live import Asked, LiveJournal
from journal.live_calls import Decided, Told
from journal.live_inputs import inputs_of
from journal.upkeep import exporting, tables
from journal.upkeep.exporting import export
from journal.upkeep.forgetting import forget
from journal.upkeep.pruning import prune
from policies import BadInput, make
from policies.experiment import parse
from policies.features import encode, parse_instant, parse_zone
from replay import audit

EXPERIMENT = parse(
    """
    name = "tips-1"
    [[variants]]
    name = "control"
    policy = "random"
    share = 0.5
    [[variants]]
    name = "challenger"
    policy = "linucb:epsilon=0.2"
    share = 0.5
    """,
    "exp.toml",
)
NOW, ZONE = "2026-11-23T09:00:00+01:00", "Europe/Paris"
SHADOWS = ("lin-ts", "linucb")


class Kept:
    """A journal whose decisions have a variant, two shadows and their tasks' inputs."""

    def __init__(self, where: Path) -> None:
        self.path, self.states = where / "live.db", where / "states"
        self.journal = LiveJournal(self.path, self.states, shadows=[make(s) for s in SHADOWS])
        self.rng = np.random.default_rng(4)

    def live(self, steps: int, users: int = 4) -> None:
        """Every tip is answered."""
        for i in range(steps):
            task = {"id": "t", "priority": int(self.rng.integers(1, 5)), "due": None}
            row = encode(task, parse_instant(NOW, "now"), parse_zone(ZONE))
            asked = Asked(
                f"u{i % users}", ["t", "s"], ["home", "*"], np.array([row, row]), "tip-v1",
                inputs=inputs_of(NOW, ZONE, [task, task]),
            )  # fmt: skip
            (told,) = self.journal.commit(EXPERIMENT, [asked])
            assert isinstance(told, Decided), told
            self.journal.commit(EXPERIMENT, [Told(told.decision.decision_id, "done", 1.0)])

    def rows(self, table: str) -> int:
        with closing(sqlite3.connect(self.path)) as db:
            return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def audited(self, log: Log | None = None, **options: object) -> None:
        """All that stands beside each decision of the log was checked, and holds."""
        log = log or read_log(self.path, values=False)
        found = audit(log, **options)  # type: ignore[arg-type]
        assert found.ok, found.failures
        assert found.rebuilt == found.assigned == found.encoded == found.decisions
        assert found.shadows_rebuilt == 2 * found.decisions


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    out = Kept(tmp_path)
    yield out
    out.journal.close()


def test_a_log_is_of_one_time(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prune while it is read takes nothing out of it, and its audit holds."""
    kept.live(24)
    export(kept.path, kept.path.with_name("a.parquet"), True)
    went, beside = [], files.beside

    def pruned_first(db: sqlite3.Connection, ids: list[str]) -> dict[str, list[object]]:
        went.append(prune(kept.path).decisions)
        return beside(db, ids)

    monkeypatch.setattr(files, "beside", pruned_first)
    log = read_log(kept.path, values=False)
    monkeypatch.undo()
    assert went == [23]
    assert len(log) == 24
    assert not log.bases
    kept.audited(log)
    kept.audited()


def test_prune_leaves_nothing_beside_what_went(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row without its decision, in pieces of any size; the rest and the whole audit."""
    monkeypatch.setattr(tables, "PIECE", 5)
    for _ in range(2):
        kept.live(24)
        export(kept.path, kept.path.with_name(f"{kept.rows('exports')}.parquet"), True)
        assert prune(kept.path).left == 1
    kept.live(3)
    assert [kept.rows(t) for t in ("assignments", "tasks", "shadows")] == [4, 4, 8]
    kept.audited()
    kept.audited(exports=sorted(kept.path.parent.glob("*.parquet")))


def test_what_a_killed_prune_left_goes_with_the_next(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shadows whose decisions went: nobody reads them, `forget` and the next prune take them."""
    kept.live(24)
    export(kept.path, kept.path.with_name("a.parquet"), True)
    with monkeypatch.context() as patched:
        patched.setattr(tables, "SWEPT", ())
        patched.setattr(tables, "OUTLIVE_A_DECISION", (*tables.OUTLIVE_A_DECISION, "shadows"))
        prune(kept.path)
    assert kept.rows("shadows") == 48
    kept.audited()
    assert forget(kept.path, "u0", kept.states).rows["shadows"] == 12
    assert prune(kept.path).decisions == 0
    assert kept.rows("shadows") == 2


def _without(*names: str) -> Callable[[Log], Log]:
    return lambda log: Log(log.table.drop_columns(list(names)), "less")


def _another_variant(log: Log) -> Log:
    at = log.table.column_names.index("variant")
    other = {"control": "challenger", "challenger": "control"}
    words = [other[v] for v in log.table["variant"].to_pylist()]
    return Log(log.table.set_column(at, log.table.schema.field(at), [words]), "other")


@pytest.mark.parametrize(
    "change",
    [
        _without("experiment", "variant", "variant_probability"),
        _without("task_inputs"),
        _without("shadow_policies", "shadow_pmfs"),
        _another_variant,
    ],
)
def test_a_log_without_what_stands_beside_vouches_for_nothing(
    kept: Kept, change: Callable[[Log], Log]
) -> None:
    """The digests of a given log hold, and yet something would be lost: it stays."""
    kept.live(8)
    whole = read_log(kept.path)
    less = kept.path.with_name("less.parquet")
    write_log(change(whole), less)
    found = prune(kept.path, exports=[less])
    assert (found.decisions, found.left) == (0, 8)
    assert found.unusable == [f"{less} for 8 decisions: it lacks what stands beside them"]
    write_log(whole, less)
    assert prune(kept.path, exports=[less]).decisions == 7


def test_who_was_forgotten_and_comes_back_is_no_doubled_feedback(kept: Kept) -> None:
    """Exports hold the person of before; the journal's audit with them is of what it pruned."""
    kept.live(24)
    export(kept.path, kept.path.with_name("a.parquet"), True)
    prune(kept.path)
    forget(kept.path, "u1", kept.states)
    kept.live(8)
    kept.audited(exports=[kept.path.with_name("a.parquet")])
    assert kept.rows("pruned") == 17


@pytest.mark.parametrize(("table", "said"), [("assignments", "variant"), ("shadows", "shadow")])
def test_rows_that_were_taken_out_in_between_are_said(kept: Kept, table: str, said: str) -> None:
    """No digest covers them: the audit says that decisions among others lack them, no more."""
    kept.live(9)
    kept.audited()
    with closing(sqlite3.connect(kept.path)) as db, db:
        (name,) = db.execute("SELECT decision_id FROM decisions WHERE n = 4").fetchone()
        db.execute(f"DELETE FROM {table} WHERE decision_id = ?", (name,))
    found = audit(read_log(kept.path, values=False))
    assert found.ok
    assert len(found.unchecked) == (1 if table == "assignments" else len(SHADOWS))
    assert all(gap.startswith("1 decisions made between") for gap in found.unchecked)
    assert all(said in gap for gap in found.unchecked)


def test_an_export_takes_no_noted_files_place(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """By no other path to it, and not when it was noted while this one was read."""
    kept.live(8)
    folder, out = kept.path.parent, kept.path.with_name("a.parquet")
    (folder / "sub").mkdir()
    (folder / "link").symlink_to(folder)
    export(kept.path, out, True)
    written = out.read_bytes()
    kept.live(4)
    for path in (folder / "sub" / ".." / "a.parquet", folder / "link" / "a.parquet"):
        for since_last in (True, False):
            with pytest.raises(BadInput, match="is an export of this journal already"):
                export(kept.path, path, since_last)
    read, late = exporting.read_log, kept.path.with_name("b.parquet")

    def another_first(path: Path) -> Log:
        log = read(path)
        monkeypatch.setattr(exporting, "read_log", read)
        export(kept.path, late, True)
        return log

    for since_last, said in ((True, "another export was made"), (False, "is an export of this")):
        monkeypatch.setattr(exporting, "read_log", another_first)
        with pytest.raises(BadInput, match=said):
            export(kept.path, late, since_last)
        kept.live(4)
        late = kept.path.with_name("c.parquet")
    assert out.read_bytes() == written
    assert not list(folder.glob(".*"))
    assert prune(kept.path).unusable == []
