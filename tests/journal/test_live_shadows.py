"""Policies in shadow: asked about what was decided, written down, and otherwise not there."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log, write_log
from journal.live import Asked, LiveJournal
from journal.live_calls import Decided, Elsewhere, Told
from journal.live_rows import records, shadows_in
from journal.live_shadows import MOST_SHADOWS, challengers
from journal.schema_sql import VERSION
from policies import BadInput, canonical, make
from policies.loop import UserLoop, probabilities
from policies.moments import moment_of, probabilities_at
from policies.policy import Batch
from policies.state import UserState
from policies.sums import Sums
from replay import audit, train
from replay.priors.training import train_prior
from sim.logs import generate

SERVED = make("linucb:alpha=0.5,epsilon=0.3")
SHADOWS = ("linucb:alpha=2", "epsilon-greedy:epsilon=0", "lin-ts", "beta-ts", "random")
MINUTE = 60_000_000


@dataclass(frozen=True)
class Hostile:
    """A challenger that does `what`, at decisions of an odd number of candidates or at all."""

    what: str = "raise"
    always: bool = True
    seed: int = 0
    explores = True

    def score(self, batch: Batch, sums: Sums) -> np.ndarray:
        out = np.zeros(len(batch.slot))
        if self.what == "write":
            for array in (batch.context, batch.offsets, batch.slot, batch.first, batch.last):
                array[...] = 0
            for array in (sums.gram, sums.moment, sums.count, sums.total):
                array[...] = np.nan
        if not self.always and not (np.diff(batch.offsets) % 2).any():
            return out
        if self.what == "raise":
            raise RuntimeError("no")
        if self.what == "exit":
            raise SystemExit(3)
        return out + np.nan if self.what == "nan" else out

    def pmf(self, scores: np.ndarray, offsets: np.ndarray) -> Any:
        k = np.diff(offsets)
        uniform = np.repeat(1.0 / np.maximum(k, 1), k)
        if self.what == "negative":
            uniform[0] -= 2.0
        if self.what == "nan-pmf":
            uniform[0] = np.nan
        made: dict[str, Any] = {
            "short": uniform[:-1], "long": np.append(uniform, 0.0), "sum": uniform * 0.9,
            "list": uniform.tolist(), "none": None, "flat": uniform[None, :],
        }  # fmt: skip
        return made.get(self.what, uniform)


BAD = ("raise", "exit", "nan", "negative", "nan-pmf", "short", "long", "sum", "list", "none",
       "flat")  # fmt: skip


@pytest.fixture(autouse=True)
def ids(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Decisions are named d0, d1, …; call it to begin anew."""

    def begin() -> None:
        numbers = count()
        monkeypatch.setattr("journal.live.new_id", lambda _now: f"d{next(numbers)}")

    begin()
    return begin


def life(where: Path, shadows: Sequence[Any], batch: int = 3, steps: int = 40) -> list[Any]:
    """Two people, decisions in batches, some answered in the batch that decides; the outcomes."""
    now = count(1_700_000_000_000_000, 7 * MINUTE)
    made: list[Any] = []
    rng = np.random.default_rng(4)
    with closing(
        LiveJournal(where / "live.db", where / "states", 3600, lambda: next(now), shadows=shadows)
    ) as journal:
        for i in range(0, steps, batch):
            calls: list[Any] = []
            for b in range(batch):
                k = int(rng.integers(1, 5))
                arms = [str(a) for a in rng.choice(["home", "work", "*"], k)]
                context = rng.uniform(-1, 1, (k, 5))
                names = [f"t{c}" for c in range(k)]
                user, request = f"u{rng.integers(2)}", f"r{i + b}"
                calls.append(Asked(user, names, arms, context, "tip-v1", request))
                if made and rng.random() < 0.8:
                    earlier = made[int(rng.integers(len(made)))].decision.decision_id
                    calls.append(Told(earlier, "done", 1.0))
            made += [o for o in journal.commit(SERVED, calls) if isinstance(o, Decided)]
    return made


def contents(where: Path) -> list[Any]:
    """All that is written but the shadows: rows and state files."""
    with closing(sqlite3.connect(where / "live.db")) as db:
        rows = [
            db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in ("decisions", "feedback", "late", "voided", "checkpoints")
        ]
    return [*rows, [(p.name, p.read_bytes()) for p in sorted((where / "states").iterdir())]]


def said(where: Path) -> list[tuple[str, str, bytes | None, str | None]]:
    with closing(sqlite3.connect(where / "live.db")) as db:
        return db.execute("SELECT * FROM shadows").fetchall()


@pytest.mark.parametrize("batch", [1, 7])
def test_a_shadow_says_what_the_state_that_decided_makes_it_say(tmp_path: Path, batch: int) -> None:
    """The pmf of a replay through `UserLoop`, bit for bit, however many one commit decides."""
    life(tmp_path, [make(spec) for spec in SHADOWS], batch)
    loops: dict[str, UserLoop] = {}
    written = shadows_in(tmp_path / "live.db")
    by_user: dict[str, list[Any]] = {}
    for decision, feedback, _ in records(tmp_path / "live.db"):
        by_user.setdefault(decision.user_id, []).append((decision, feedback))
    for user, mine in by_user.items():
        told = sorted((f.seq, d, f) for d, f in mine if f is not None)
        loop = loops.setdefault(user, UserLoop(UserState.empty(user, "tip-v1", 5)))
        for decision, _ in mine:
            while loop.state.seq < decision.state_seq:
                _, d, f = told[loop.state.seq]
                row = d.action
                loop.state.fold(d.arms[row], d.context[row], f.reward, f.decision_id, f.feedback_at)
            for name, pmf in written[decision.decision_id]:
                _, mine_again = probabilities(
                    make(name), loop.state, decision.arms, decision.context, decision.decision_id
                )
                assert pmf is not None
                assert pmf.tobytes() == mine_again.tobytes(), name
    assert len(said(tmp_path)) == len(SHADOWS) * len(written)


@pytest.mark.parametrize("batch", [1, 7])
def test_nothing_that_is_served_knows_of_shadows(
    tmp_path: Path, batch: int, ids: Callable[[], None]
) -> None:
    """Every row, every checkpoint and every reply are the same bits, whatever challengers do."""
    for name, shadows in (
        ("without", []),
        ("good", [make(spec) for spec in SHADOWS]),
        ("bad", [Hostile("write"), *map(Hostile, BAD)]),
    ):
        ids()
        (tmp_path / name).mkdir()
        made = life(tmp_path / name, shadows, batch)
        if name == "without":
            first, kept = made, contents(tmp_path / name)
        assert contents(tmp_path / name) == kept
        assert [o.decision.pmf.tobytes() for o in made] == [o.decision.pmf.tobytes() for o in first]
        assert [o.scores.tobytes() for o in made] == [o.scores.tobytes() for o in first]
    assert said(tmp_path / "without") == []


@pytest.mark.parametrize("what", BAD)
def test_a_failure_is_logged_by_its_class_and_noted_once(
    tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And costs no other shadow anything."""
    bad = Hostile(what)
    made = life(tmp_path, [bad, make("random")])
    rows = said(tmp_path)
    failed = [row for row in rows if row[1] == canonical(bad)]
    assert len(failed) == len(made) == len(rows) / 2
    assert {row[2] for row in failed} == {None}
    kinds = {row[3] for row in failed}
    assert len(kinds) <= 2  # a decision of one candidate may be broken in another way
    assert all(row[3] is None and row[2] for row in rows if row[1] == "random")
    notes = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert sorted(n["failure"] for n in notes) == sorted(str(k) for k in kinds)
    assert {(n["event"], n["policy"]) for n in notes} == {("shadow_failed", canonical(bad))}
    assert [s.failure for s in made[0].shadows] == [failed[0][3], None]


def test_only_what_fails_is_lost(tmp_path: Path) -> None:
    """One decision of a batch that a challenger cannot stand costs the others nothing."""
    made = life(tmp_path, [Hostile("raise", always=False)], batch=8)
    for outcome in made:
        odd = len(outcome.decision.arms) % 2 == 1
        assert outcome.shadows[0].failure == ("RuntimeError" if odd else None)
    assert 0 < sum(o.shadows[0].pmf is None for o in made) < len(made)


def test_a_moment_is_one_decision_however_many_are_asked(rng: np.random.Generator) -> None:
    """Together or alone, and with a state of its own each."""
    moments = []
    loop = UserLoop(UserState.empty("u", "tip-v1", 5))
    for i in range(12):
        k = int(rng.integers(1, 6))
        arms = [str(a) for a in rng.choice(["a", "b", "c", "*"], k)]
        names = [f"t{c}" for c in range(k)]
        made, _ = loop.decide(SERVED, f"m{i}", i, names, arms, rng.random((k, 5)), None)
        moments.append(moment_of(loop.state, made))
        loop.answer(f"m{i}", "done", float(rng.integers(-1, 2)), i)
    for spec in SHADOWS:
        together = probabilities_at(make(spec), moments)
        alone = [probabilities_at(make(spec), [m])[0] for m in moments]
        assert [p.tobytes() for p in together] == [p.tobytes() for p in alone]


def test_a_retry_is_asked_of_nobody(tmp_path: Path) -> None:
    """In the same batch or later; nor is what was decided elsewhere."""
    with closing(
        LiveJournal(tmp_path / "live.db", tmp_path / "s", shadows=[make("random")])
    ) as journal:
        asked = Asked("u", ["a", "b"], ["*", "*"], np.zeros((2, 5)), "tip-v1", "r1")
        first, again = journal.commit(SERVED, [asked, asked])
        (later,) = journal.commit(SERVED, [asked])
        assert isinstance(first, Decided)
        assert isinstance(again, Decided)
        assert isinstance(later, Decided)
        assert [len(o.shadows) for o in (first, again, later)] == [1, 0, 0]
        journal.commit(SERVED, [Elsewhere(asked, "elsewhere:app", np.array([0.5, 0.5]), 0)])
    assert len(said(tmp_path)) == 1
    log = read_log(tmp_path / "live.db")  # the decision in shadow was voided: never shown
    assert len(log) == 1
    assert log.table["shadow_policies"].null_count == 1


def test_a_batch_that_is_not_written_leaves_no_shadow(tmp_path: Path) -> None:
    with closing(
        LiveJournal(tmp_path / "live.db", tmp_path / "s", shadows=[make("random")])
    ) as journal:
        asked = Asked("u", ["a", "b"], ["*", "*"], np.zeros((2, 5)), "tip-v1")
        broken = Asked("u", ["a"], ["*"], np.zeros((1, 4)), "tip-v1")  # of other features
        made = journal.commit(SERVED, [asked, broken, asked])
        assert [type(o) for o in made] == [Decided, BadInput, Decided]
    assert len(said(tmp_path)) == 2


def test_a_shadows_prior_is_kept(tmp_path: Path) -> None:
    """What it started from is beside its pmfs, here and in the columnar log."""
    prior = train_prior(generate("steady", 12, 6, make("random"), seed=3))
    prior.write(tmp_path / "prior.json")
    life(tmp_path, [make(f"linucb:prior={tmp_path / 'prior.json'}")])
    with closing(sqlite3.connect(tmp_path / "live.db")) as db:
        assert db.execute("SELECT count(*) FROM meta WHERE key GLOB 'prior *'").fetchone() == (1,)
    log = read_log(tmp_path / "live.db")
    assert len(log.priors) == 1
    found = audit(log)
    assert found.ok
    assert found.shadows_rebuilt == found.shadows == len(log)


# ---- which challengers


@pytest.mark.parametrize(
    ("specs", "rule"),
    [
        (["linucb:alpha=0.5,epsilon=0.30"], "must not be the policy that serves"),
        (["random", "random:seed=0"], "each may be given once"),
        ([f"random:seed={i}" for i in range(MOST_SHADOWS + 1)], "at most 8 times, found 9"),
        (["nonsense"], "must be one of"),
    ],
)
def test_challengers_differ(specs: list[str], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        challengers(specs, [SERVED])


def test_eight_challengers_keep_their_order() -> None:
    specs = [f"random:seed={i}" for i in range(MOST_SHADOWS, 0, -1)]
    assert [canonical(p) for p in challengers(specs, [SERVED])] == specs


# ---- journals of before


def test_a_journal_of_the_second_schema_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    life(tmp_path, [])
    with closing(sqlite3.connect(tmp_path / "live.db")) as db, db:
        db.execute("DROP TABLE shadows")
        db.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    before = read_log(tmp_path / "live.db")
    assert shadows_in(tmp_path / "live.db") == {}
    with closing(
        LiveJournal(tmp_path / "live.db", tmp_path / "states", shadows=[make("random")])
    ) as journal:
        asked = Asked("u0", ["a", "b"], ["*", "*"], np.zeros((2, 5)), "tip-v1")
        decision, _ = journal.decide(SERVED, asked)
    with closing(sqlite3.connect(tmp_path / "live.db")) as db:
        (found,) = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    assert found == str(VERSION)
    after = read_log(tmp_path / "live.db")
    assert after.decision_id == [*before.decision_id, decision.decision_id]
    assert list(shadows_in(tmp_path / "live.db")) == [decision.decision_id]
    assert audit(after).ok
    write_log(after, tmp_path / "log.parquet")
    assert train(read_log(tmp_path / "log.parquet")).keys() == train(after).keys()
