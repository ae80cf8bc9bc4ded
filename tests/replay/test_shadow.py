"""`replay shadow` and the audit of shadows: what they said when it was decided, and its worth."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import Log, read_log, write_log
from journal.live import Asked, LiveJournal
from journal.log import log_of_table
from journal.schema import columns
from journal.shadow_columns import ShadowRow, shadow_arrays, shadows_of
from policies import BadInput, canonical, make
from policies.arrays import Floats
from replay import audit, evaluate, shadow
from replay.history.walk import walk
from replay.intervals.anytime import FIRST_LOOK
from replay.online.shadow_report import AGREEMENT
from sim.logs import generate

LINUCB = canonical(make("linucb"))
GREEDY = canonical(make("linucb:epsilon=0"))
DAY = 86_400_000_000


def with_rows(log: Log, rows: Sequence[ShadowRow], values: bool = True) -> Log:
    table, kinds = log.table, columns(log.context.shape[1])
    for name, column in zip(("shadow_policies", "shadow_pmfs"), shadow_arrays(rows), strict=True):
        table = table.set_column(table.schema.get_field_index(name), kinds.field(name), column)
    return log_of_table(table, log.path, values=values)


def pmfs_of(log: Log, spec: str) -> list[Floats]:
    """What a policy in shadow would have logged at each decision."""
    return np.split(walk(log, make(spec)).pmf, log.offsets[1:-1])


def in_shadow(log: Log, *specs: str) -> Log:
    """As a server that ran them in shadow from the first decision on writes it."""
    said = [pmfs_of(log, spec) for spec in specs]
    names = [canonical(make(spec)) for spec in specs]
    return with_rows(log, [list(zip(names, row, strict=True)) for row in zip(*said, strict=True)])


@pytest.fixture(scope="module")
def plain() -> Log:
    return generate("mornings", 30, 16, make("random"), 1)


@pytest.fixture(scope="module")
def shadowed(plain: Log) -> Log:
    return in_shadow(plain, "linucb", "linucb:epsilon=0", "random")


@pytest.fixture(scope="module")
def found(shadowed: Log) -> dict[str, dict[str, Any]]:
    return {s["policy"]: s for s in shadow(shadowed).to_dict()["shadows"]}


# ---- what it would have earned


def test_a_shadow_of_what_is_served_differs_by_nothing(found: dict[str, dict[str, Any]]) -> None:
    """Exactly, by every estimator and at every look; and it earned what was earned."""
    same = found["random"]
    for row in same["differences"]:
        assert (row["value"], row["low"], row["high"]) == (0.0, 0.0, 0.0)
    assert {(d["value"], d["low"], d["high"]) for d in same["looks"]["days"]} == {(0.0, 0.0, 0.0)}
    ips = next(row for row in same["estimates"] if row["estimator"] == "ips")
    assert ips["value"] == pytest.approx(same["served_mean_reward"], abs=1e-12)


def test_its_value_is_that_of_its_pmfs(shadowed: Log, found: dict[str, dict[str, Any]]) -> None:
    """The same rows as `evaluate` of the policy that learns from all feedback."""
    again = evaluate(
        shadowed, LINUCB, learn="logged", estimators=["sndr", "snips", "ips"], interval="anytime"
    ).to_dict()["policies"][0]
    assert found[LINUCB]["estimates"] == again["estimates"]
    assert found[LINUCB]["truth_log"] == again["truth_log"]
    assert found[LINUCB]["question"] == "value on logged contexts"


@pytest.mark.parametrize("seed", range(4))
def test_the_truth_is_within_the_intervals(seed: int) -> None:
    """Of value and difference. At level 0.999 and valid, 4 seeds x 2 x 3 all hold but 1 in 40."""
    log = in_shadow(generate("mornings", 30, 12, make("random"), seed), "linucb")
    value = shadow(log, level=0.999).shadows[0]
    served = evaluate(log, "random", estimators=["ips"]).results[0].truth_log
    assert value.truth_log is not None
    assert served is not None
    for row, d in zip(value.estimates, value.differences, strict=True):
        assert row.low <= value.truth_log <= row.high
        assert d.low <= value.truth_log - served <= d.high


def test_looks_are_those_of_the_days(shadowed: Log, found: dict[str, dict[str, Any]]) -> None:
    """From the first allowed one on; the last is the difference as reported."""
    looks = found[LINUCB]["looks"]["days"]
    assert [look["day"] for look in looks] == list(range(FIRST_LOOK, looks[-1]["day"] + 1))
    counts = [look["decisions"] for look in looks]
    assert counts == sorted(counts)
    assert counts[-1] == found[LINUCB]["decisions"]
    main = found[LINUCB]["differences"][0]
    last = looks[-1]
    assert (last["value"], last["low"], last["high"]) == (main["value"], main["low"], main["high"])
    begin = int(shadowed.decided_at.min())
    part = shadow(shadowed, as_of=begin + 9 * DAY, estimators=["ips"])
    assert part.shadows[0].looks[-1].day <= 9


def test_agreement_is_the_share_of_its_best_that_were_shown(
    shadowed: Log, found: dict[str, dict[str, Any]]
) -> None:
    """Ties shared; it goes by this name and is no value."""
    log, pmf = shadowed, shadows_of(shadowed)[0].pmf
    rows = shadow(shadowed).sample.rows
    shares = []
    for i in rows:
        mine = pmf[log.offsets[i] : log.offsets[i + 1]]
        best = np.flatnonzero(mine == mine.max())
        shares.append((log.action[i] in best) / len(best))
    assert found[GREEDY][AGREEMENT] == pytest.approx(np.mean(shares), abs=1e-12)
    lengths = np.diff(log.offsets)[rows]
    assert found["random"][AGREEMENT] == pytest.approx((1 / lengths).mean(), abs=1e-12)


# ---- failures


def broken(log: Log, spec: str, failed: Sequence[int]) -> Log:
    said = pmfs_of(log, spec)
    name = canonical(make(spec))
    return with_rows(log, [[(name, None if i in failed else p)] for i, p in enumerate(said)])


def test_a_failure_counts_as_the_lowest_reward(plain: Log) -> None:
    """Even where what was served earned the most: failing never makes a shadow look better."""
    whole = shadow(in_shadow(plain, "random")).shadows[0]
    rows = shadow(in_shadow(plain, "random")).sample.rows
    failed = set(rows[:: len(rows) // 20].tolist())
    value = shadow(broken(plain, "random", sorted(failed))).shadows[0]
    assert value.failed == len(failed)
    reward = plain.reward[rows]
    lost = sum(1 + r for i, r in zip(rows, np.nan_to_num(reward), strict=True) if i in failed)
    for row, before, d in zip(value.estimates, whole.estimates, value.differences, strict=True):
        if row.estimator != "sndr":  # a uniform shadow of a uniform logger: weights are 1
            assert row.value == pytest.approx(before.value - lost / len(rows), abs=1e-12)
            assert d.value == pytest.approx(-lost / len(rows), abs=1e-12)
        assert d.value < 0
        assert row.verdict != "reliable"
        assert any(r.startswith("it failed at ") and "counts as -1" in r for r in row.reasons)
        assert any("it failed at" in r for r in d.reasons)


def test_failing_where_it_would_lose_helps_nobody(plain: Log) -> None:
    """Who dodges the contexts it would fare worst in has a lower truth, and is held to it.

    At level 0.999 and valid, 3 intervals all hold but 1 in 300 times.
    """
    stays = shadow(in_shadow(plain, "linucb")).shadows[0]
    pmf = walk(plain, make("linucb")).pmf
    worth = np.add.reduceat(pmf * plain.expected_reward, plain.offsets[:-1])
    worst = np.argsort(worth)[: len(plain) // 10].tolist()
    dodges = shadow(broken(plain, "linucb", worst), level=0.999).shadows[0]
    assert dodges.truth_log < stays.truth_log
    for row in dodges.estimates:
        assert row.low <= dodges.truth_log <= row.high


def test_a_shadow_that_always_failed_is_unreliable(plain: Log) -> None:
    value = shadow(broken(plain, "linucb", range(len(plain)))).shadows[0]
    assert value.agreement is None
    assert {row.verdict for row in value.estimates} == {"unreliable"}
    assert {row.value for row in value.estimates} == {-1.0}


def test_a_shadow_that_came_later_has_days_of_its_own(plain: Log) -> None:
    """Only where it was asked is it judged, and its first day is day 1."""
    start = int(plain.decided_at.min()) + 5 * DAY
    name, said = LINUCB, pmfs_of(plain, "linucb")
    late = [[(name, p)] if plain.decided_at[i] >= start else [] for i, p in enumerate(said)]
    value = shadow(with_rows(plain, late)).shadows[0]
    whole = shadow(in_shadow(plain, "linucb")).shadows[0]
    assert value.decisions < whole.decisions
    assert value.looks[-1].day == whole.looks[-1].day - 5


# ---- the command


def test_the_command_tells_and_writes(run: Callable, shadowed: Log, tmp_path: Path) -> None:
    path, out = tmp_path / "log.parquet", tmp_path / "out"
    write_log(shadowed, path)
    done = run("shadow", path, "--out", out)
    assert done.code == 0
    for said in (LINUCB, "value on logged contexts", AGREEMENT, "look every day", "random"):
        assert said in done.out
    assert sorted(p.name for p in out.iterdir()) == ["shadow.json", "shadow.png", "summary.md"]
    assert (out / "shadow.png").read_bytes().startswith(b"\x89PNG")
    asked = run("shadow", path, "--json", "--estimators", "snips", "--level", "0.9")
    assert asked.code == 0
    assert [s["estimates"][0]["level"] for s in asked.json["shadows"]] == [0.9] * 3
    kept = json.loads((out / "shadow.json").read_text())
    assert kept["interval"] == "anytime"
    assert run("shadow", path, "--json").json == kept
    assert any(n.startswith("3 shadows: each interval") for n in kept["notices"])


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--estimators", "auto"), "its interval holds at one look"),
        (("--estimators", "nonsense"), "must be of"),
        (("--level", "1"), "--level: must be between 0 and 1"),
        (("--since", "2040-01-01T00:00:00Z"), "no decision is left"),
        (("--as-of", "noon"), "--as-of"),
    ],
)
def test_bad_usage_is_one_line(
    refused: Callable, shadowed: Log, tmp_path: Path, options: tuple[str, str], rule: str
) -> None:
    write_log(shadowed, tmp_path / "log.parquet")
    assert rule in refused("shadow", tmp_path / "log.parquet", *options)


def test_a_log_without_shadows_is_refused(refused: Callable, file: Path) -> None:
    assert "holds no shadows: `serve.py --shadow` logs them" in refused("shadow", file)


def test_before_day_7_there_is_no_interval(plain: Log) -> None:
    """A value, no bounds, and why."""
    log = in_shadow(plain.take(plain.decided_at < plain.decided_at.min() + 4 * DAY), "linucb")
    value = shadow(log).shadows[0]
    assert value.looks == []
    for row in value.estimates:
        assert row.low is None
        assert any("first look is on day 7" in reason for reason in row.reasons)


# ---- the audit


def live_journal(directory: Path, decisions: int = 40) -> list[str]:
    """A server's own journal with two shadows; the ids."""
    clock = iter(range(1_700_000_000_000_000, 2**62, 3_600_000_000))
    shadows = [make("lin-ts"), make("linucb:epsilon=0")]
    rng, ids = np.random.default_rng(9), []
    with closing(
        LiveJournal(
            directory / "live.db", directory / "states", 24 * 3600, lambda: next(clock),
            shadows=shadows,
        )
    ) as journal:  # fmt: skip
        for i in range(decisions):
            k = int(rng.integers(2, 5))
            context = rng.random((k, 5))
            asked = Asked(f"u{i % 2}", [f"t{c}" for c in range(k)], ["*"] * k, context, "tip-v1")
            made, _ = journal.decide(make("linucb:epsilon=0.3"), asked)
            ids.append(made.decision_id)
            if rng.random() < 0.6:
                journal.answer(made.decision_id, "done", 1.0)
    return ids


@pytest.mark.parametrize("kind", ["live.db", "log.parquet"])
def test_shadows_are_rebuilt_bit_for_bit(run: Callable, tmp_path: Path, kind: str) -> None:
    live_journal(tmp_path)
    if kind != "live.db":
        write_log(read_log(tmp_path / "live.db"), tmp_path / kind)
    done = run("audit", tmp_path / kind, "--json")
    assert done.code == 0
    assert (done.json["shadows"], done.json["shadows_rebuilt"]) == (80, 80)
    assert "; 80 of 80 pmfs in shadow" in run("audit", tmp_path / kind).out


@pytest.mark.parametrize("how", ["one ulp", "two swapped", "no pmf any more"])
def test_a_changed_shadow_is_named(run: Callable, tmp_path: Path, how: str) -> None:
    """No digest covers it, and no change of it passes."""
    name = live_journal(tmp_path)[7]
    with closing(sqlite3.connect(tmp_path / "live.db")) as db, db:
        where = "decision_id = ? AND policy = ?"
        spec = canonical(make("lin-ts"))
        (blob,) = db.execute(f"SELECT pmf FROM shadows WHERE {where}", (name, spec)).fetchone()
        pmf = np.frombuffer(blob, "<f8").copy()
        if how == "one ulp":
            pmf[0] = np.nextafter(pmf[0], 1)
        elif how == "two swapped":
            at = int(pmf.argmax())
            pmf[[at, at - 1]] = pmf[[at - 1, at]]
        else:
            pmf[:] = 7.0
        db.execute(f"UPDATE shadows SET pmf = ? WHERE {where}", (pmf.tobytes(), name, spec))
    done = run("audit", tmp_path / "live.db")
    assert done.code == 1
    assert f"FAILED decision {name}: the pmf of {spec} in shadow is not what it gives" in done.out
    assert "; 79 of 80 pmfs in shadow" in done.out
    if how == "no pmf any more":
        assert run("shadow", tmp_path / "live.db").code == 2


@pytest.mark.parametrize("blob", ["x'00'", "x''", "'text'"])
@pytest.mark.parametrize("command", ["audit", "shadow"])
def test_a_shadow_that_is_none_is_refused(
    refused: Callable, tmp_path: Path, command: str, blob: str
) -> None:
    live_journal(tmp_path, 4)
    with closing(sqlite3.connect(tmp_path / "live.db")) as db, db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute(f"UPDATE shadows SET pmf = {blob} WHERE rowid = 3")
    assert str(tmp_path / "live.db") in refused(command, tmp_path / "live.db")


def test_a_shadow_of_ones_own_needs_its_module(plain: Log) -> None:
    """Nothing is imported because a log names it; what it says is still checked to be pmfs."""
    name, said = "nobodys_module:Theirs:seed=0", pmfs_of(plain, "random")
    found = audit(with_rows(plain, [[(name, p)] for p in said]))
    assert found.ok
    assert (found.shadows, found.shadows_rebuilt) == (len(plain), 0)
    assert f"{len(plain)} pmfs of {name} in shadow: not a policy of ours" in found.unchecked
    with pytest.raises(BadInput, match="shadow_pmfs: must sum to 1"):
        audit(with_rows(plain, [[(name, p / 2)] for p in said], values=False))
