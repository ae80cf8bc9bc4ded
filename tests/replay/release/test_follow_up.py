"""Follow-up: the rule of its words, how often they are wrong, and a log since a promotion."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import log_of, write_log
from policies import canonical, make
from policies.records import micros
from replay import evaluate
from replay.estimators.estimate import mean_of
from replay.intervals.anytime import anytime
from replay.intervals.cluster import cluster_t
from replay.release.following import Observed, Promise, judged
from replay.rounds import Rounds

LINUCB = canonical(make("linucb:epsilon=0.3"))
PROMISE = Promise("auto", 0.3, 0.2, 0.4, 0.95, "reliable")


def seen(low: float | None, high: float | None, users: float = 50) -> Observed:
    return Observed(500, 50, users, 0.3, low, high, low, high, 14, 0.1)


@pytest.mark.parametrize(
    ("observed", "verdict"),
    [
        (seen(0.05, 0.15), "worse"),
        (seen(-0.5, 0.19), "worse"),  # however little is known: it is below
        (seen(0.45, 0.5), "better"),
        (seen(0.15, 0.25), "kept"),
        (seen(0.25, 0.35), "kept"),
        (seen(0.1, 0.5), "too early"),
        (seen(None, None), "too early"),
        (seen(0.05, 0.15, users=29), "too early"),
    ],
)
def test_the_rule(observed: Observed, verdict: str) -> None:
    assert judged(PROMISE, observed, (-1, 1))[0] == verdict
    assert judged(None, observed, (-1, 1))[0] is None


def test_the_words_are_seldom_wrong_however_often_one_looks() -> None:
    """The promise is true; people differ; 12 looks of 40 days: worse and better, 5% each at most.

    And where the value fell by 0.3, worse is said within those looks in most replicates.
    """
    rng = np.random.default_rng(5)
    replicates, people, days = 150, 60, 40
    wrong, found = {"worse": 0, "better": 0}, 0
    for _ in range(replicates):
        taste = rng.normal(0, 0.2, people)
        user = np.tile(np.arange(people), days)

        def rewards(fall: float, who: Any = taste, of: Any = user) -> np.ndarray:
            return np.clip(who[of] - fall + rng.uniform(-0.4, 0.4, len(of)), -1, 1)

        before = rng.normal(0, 0.2, people)  # other people of the same population
        old = np.clip(before[user[: people * 10]] + rng.uniform(-0.4, 0.4, people * 10), -1, 1)
        rounds = Rounds(old, None, np.ones(len(old)), user=user[: len(old)])
        promise = Promise("ips", 0.0, *cluster_t(rounds, mean_of(old), 0.95), 0.95, "reliable")
        for fall in (0.0, 0.3):
            said = set()
            reward, day = rewards(fall), np.repeat(np.arange(days) + 0.5, people)
            for look in range(7, days, 3):
                n = look * people
                now = Rounds(reward[:n], None, np.ones(n), user=user[:n], days=day[:n])
                span = anytime(now, mean_of(reward[:n]), 0.95)
                said.add(judged(promise, seen(*span, users=now.equal_users), (-1, 1))[0])
            if fall:
                found += "worse" in said
            else:
                wrong = {word: n + (word in said) for word, n in wrong.items()}
    error = math.sqrt(0.05 * 0.95 / replicates)
    assert max(wrong.values()) / replicates <= 0.05 + 3 * error
    assert found / replicates > 0.5


@pytest.fixture
def card(life: Any, tmp_path: Path) -> Path:
    """The metrics.json of an evaluation of the policy on a log that random made."""
    directory = tmp_path / "card"
    directory.mkdir()
    found = evaluate(life.log(), LINUCB).to_dict()
    (directory / "metrics.json").write_text(json.dumps(found))
    return directory


@pytest.fixture
def since(lives: Callable, tmp_path: Path) -> Callable[..., Path]:
    """A log of decisions that a policy makes from a moment after now on."""

    def make_log(spec: str = LINUCB, **options: Any) -> Path:
        life = lives(spec, **options)
        first = min(d.decided_at for d, _ in life.records)
        later = micros(datetime.now(UTC)) + 60_000_000 - first
        moved = [
            (
                replace(d, decided_at=d.decided_at + later),
                None if f is None else replace(f, feedback_at=f.feedback_at + later),
            )
            for d, f in sorted(life.records, key=lambda r: r[0].decided_at)
        ]
        path = tmp_path / "since.parquet"
        write_log(log_of(moved), path)
        return path

    return make_log


def test_a_log_since_the_promotion(registry: Any, card: Path, since: Callable) -> None:
    """What was promised is the card's row; what is seen is the mean of its own decisions."""
    registry.promote(LINUCB, "random", "--card", card)
    log = since(users=60, decisions=35)
    done = registry.run("follow-up", log, "--json")
    found = done.json
    assert done.code == (1 if found["verdict"] == "worse" else 0)
    rows = json.loads((card / "metrics.json").read_text())["policies"][0]["estimates"]
    row = next(r for r in rows if r["estimator"] == "auto")
    assert {k: found["promised"][k] for k in ("value", "low", "high")} == {
        k: row[k] for k in ("value", "low", "high")
    }
    assert found["promised"]["question"] == "value on logged contexts"
    seen_ = found["observed"]
    assert seen_["question"] == "value if deployed"
    assert (seen_["users"], seen_["days"]) == (60, 9)  # the last day's windows are open
    same = evaluate(log, "random", estimators=["ips"]).to_dict()["log"]
    assert seen_["mean"] == pytest.approx(same["mean_reward"], abs=1e-12)
    assert seen_["anytime_low"] < seen_["low"] < seen_["mean"] < seen_["high"]
    assert found["verdict"] in ("kept", "better", "worse", "too early")
    assert any("replay drift OLD NEW" in note for note in found["notes"])


def test_other_policies_and_earlier_decisions_are_not_counted(
    registry: Any, card: Path, since: Callable, file: Path
) -> None:
    registry.promote(LINUCB, "random", "--card", card)
    log = since(lambda u, _: LINUCB if u % 2 else "random", users=20)
    found = registry.run("follow-up", log, "--json").json
    assert found["observed"]["users"] == 10
    assert any("decisions since then were made by other policies" in n for n in found["notes"])
    assert found["verdict"] == "too early"
    before = registry.run("follow-up", file, "--json").json
    assert (before["observed"], before["verdict"]) == (None, "too early")
    asked = registry.run("follow-up", log, "--since", "2099-01-01T00:00:00Z", "--json").json
    assert asked["observed"] is None


def test_without_a_card_there_is_nothing_to_hold_it_against(registry: Any, since: Callable) -> None:
    registry.promote(LINUCB)
    found = registry.run("follow-up", since(), "--json").json
    assert (found["promised"], found["verdict"]) == (None, None)
    assert found["observed"]["decisions"] > 0
    assert "nothing was promised" in found["reason"]


def test_the_folder_is_whole(
    registry: Any, card: Path, since: Callable, refused: Callable, tmp_path: Path
) -> None:
    registry.promote(LINUCB, "random", "--card", card)
    log, out = since(), tmp_path / "out"
    done = registry.run("follow-up", log, "--out", out)
    assert done.code == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "follow-up.json",
        "follow-up.png",
        "summary.md",
    ]
    assert (out / "summary.md").read_text().startswith(done.out[: done.out.index("\nresults:")])
    assert "**too early**" in done.out
    refused("follow-up", log, "--registry", registry.path, "--out", log)


def test_no_champion_and_an_edited_card(
    registry: Any, card: Path, since: Callable, refused: Callable
) -> None:
    log, where = since(), ("--registry", registry.path)
    assert "has no champion" in refused("follow-up", log, *where)
    version = registry.promote(LINUCB, "random", "--card", card)
    file = registry.path / "versions" / version / "card" / "metrics.json"
    file.chmod(0o644)
    file.write_text(file.read_text() + "\n")
    assert "must be as it was registered" in refused("follow-up", log, *where)
