"""Logs from which no number should look sound: one person, one reward, one propensity lost."""

import numpy as np
import pandas as pd
import pytest

from policies import BadInput
from replay import evaluate
from replay.judged import Row

WIDE = ("auto", "ips", "snips", "dr", "cressie-read")


def frame(n: int = 600, seed: int = 1, users: int = 40) -> pd.DataFrame:
    """A uniform logger over three offers, rewards in {0, 1}, pmfs logged."""
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({"user_id": [f"u{u}" for u in rng.integers(users, size=n)]})
    out["candidate_ids"] = [["a", "b", "c"]] * n
    out["action"] = rng.integers(3, size=n)
    out["pmf"] = [[1 / 3] * 3] * n
    out["pscore"] = 1 / 3
    out["reward"] = (rng.random(n) < 0.4).astype(float)
    return out


def rows(log: pd.DataFrame, **options: object) -> dict[str, Row]:
    found = evaluate(log, "random", reward_range=(0, 1), estimators=WIDE, **options)
    return {row.estimator: row for row in found.results[0].judged.rows}


def test_one_person_is_refused_alike_in_every_row() -> None:
    log = frame().assign(user_id="only")
    for name, row in rows(log).items():
        assert row.low is None, name
        assert row.verdict == "unreliable"
        why = "reward model" if name == "dr" else "one user"  # no other user to fit it on
        assert any(why in reason for reason in row.reasons)
    plain = rows(log, interval="cressie-read")["ips"]
    assert plain.low is None


def test_a_log_that_is_mostly_one_person_is_not_reliable() -> None:
    """1,000 of 1,100 rows: as good as 1.2 people of equal size, however many are named."""
    log = frame(1100)
    log.loc[:999, "user_id"] = "big"
    for row in rows(log).values():
        assert row.verdict == "unreliable"
        assert any("of equal size" in reason for reason in row.reasons)
    log = frame(1100)
    log.loc[:199, "user_id"] = "big"  # 18%: as good as some twenty
    assert {row.verdict for row in rows(log).values()} <= {"reliable", "caution"}


@pytest.mark.parametrize("reward", [0.0, 1.0])
@pytest.mark.parametrize("interval", ["cluster-t", "bootstrap"])
def test_rewards_that_never_vary_do_not_make_a_point_reliable(reward: float, interval: str) -> None:
    found = rows(frame().assign(reward=reward), interval=interval)
    for name in ("ips", "snips", "dr"):
        assert found[name].verdict == "caution"
        assert any("rewards differ from the usual one" in r for r in found[name].reasons)
    auto = found["auto"]
    assert auto.low is not None
    assert auto.high is not None
    assert auto.high - auto.low > 0.001


def test_resamples_do_not_depend_on_the_order_of_rows() -> None:
    log = frame(users=25)
    ours = rows(log, interval="bootstrap")
    theirs = rows(log.iloc[::-1].reset_index(drop=True), interval="bootstrap")
    for name in WIDE:
        assert (ours[name].low, ours[name].high) == pytest.approx(
            (theirs[name].low, theirs[name].high), rel=1e-12
        )


def test_the_largest_range_of_rewards_is_computed_with() -> None:
    """Scaling rewards and their range scales every interval."""
    log = frame()
    big = log.assign(reward=log["reward"] * 1e100)
    found = evaluate(big, "random", reward_range=(0, 1e100), estimators=("auto",)).results[0]
    (row,) = found.judged.rows
    one = rows(log)["auto"]
    assert (row.low, row.high) == pytest.approx((one.low * 1e100, one.high * 1e100), rel=1e-6)


def test_a_lost_propensity_is_counted_not_called_a_log_without_any() -> None:
    log = frame()
    log["pmf"] = [None, *log["pmf"][1:]]
    log["pscore"] = pd.array([None, *log["pscore"][1:]], dtype="Float64")
    found = evaluate(log, "random", reward_range=(0, 1))
    assert any("1 of 600 decisions lack a propensity" in notice for notice in found.notices)


def test_what_is_asked_twice_is_answered_once() -> None:
    found = evaluate(frame(), ["random", "random"], reward_range=(0, 1), estimators="ips, ips")
    assert found.comparison is None
    assert [row.estimator for row in found.results[0].judged.rows] == ["ips"]


def test_a_function_that_says_text_is_named() -> None:
    def talk(*_: object) -> str:
        return "abc"

    with pytest.raises(BadInput, match=r"policy talk.*one probability a candidate"):
        evaluate(frame(), talk, reward_range=(0, 1))
