"""Laws of `evaluate`: what is counted, what a policy may know, and what is refused."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from journal import Log, frame_of_log
from policies import BadInput, make
from replay.evaluation import evaluate
from replay.history.training import train
from replay.history.walk import walk
from replay.judged import Difference, Row, compare
from replay.result import QUESTION, Evaluation

LEARNER = "linucb:alpha=1,epsilon=0.05"
LOG_KEYS = {
    *("path", "sha256", "decisions", "users", "answered", "expired", "censored"),
    *("behavior_policies", "mean_reward"),
}
ESTIMATE_KEYS = {
    *("estimator", "value", "interval", "low", "high", "level", "ess", "mean_weight"),
    *("max_weight", "support", "verdict", "reasons", "chosen"),
}
DIFFERENCE_KEYS = {
    *("policy", "against", "estimator", "value", "low", "high", "verdict", "reasons"),
}


def rows(found: Evaluation, at: int = 0) -> dict[str, Row]:
    return {row.estimator: row for row in found.results[at].judged.rows}


def differences(found: Evaluation) -> dict[str, Difference]:
    return {d.estimator: d for d in found.differences}


def without(log: Log, *names: str) -> pd.DataFrame:
    """As somebody else's DataFrame, without some of our columns."""
    return frame_of_log(log).drop(columns=list(names))


@pytest.mark.parametrize("learn", ["none", "logged", "replay"])
def test_the_object_of_the_contract(log: Log, learn: str) -> None:
    found = evaluate(log, ["random", LEARNER], learn=learn, against="logged").to_dict()
    assert found["log"].keys() >= LOG_KEYS
    for entry in found["policies"]:
        assert entry["question"] == "value on logged contexts" == QUESTION
        assert entry["learn"] == learn
        assert (entry["matched"] is None) == (learn != "replay")
        learner = ["learner"] if learn == "replay" else []
        assert [row["estimator"] for row in entry["estimates"]] == [
            "auto", "ips", "snips", "dm", "dr", *learner
        ]  # fmt: skip
        for row in entry["estimates"]:
            assert row.keys() == ESTIMATE_KEYS
            assert row["verdict"] in ("reliable", "caution", "unreliable")
            assert bool(row["reasons"]) == (row["verdict"] != "reliable")
            assert (row["low"] is None) == (row["estimator"] in ("dm", "learner"))
            assert row["low"] is None or row["low"] <= row["value"] <= row["high"]
    assert all(d.keys() == DIFFERENCE_KEYS for d in found["differences"])
    json.dumps(found, allow_nan=False)


def test_none_stays_frozen_and_logged_learns(log: Log) -> None:
    """What is judged is the walk's own pmf: with the frozen start, or with earlier feedback."""
    for learn in ("none", "logged"):
        found = evaluate(log, LEARNER, learn=learn)
        pmf = walk(log, make(LEARNER), learn=learn, known=found.sample.known).pmf
        assert (found.results[0].judged.rounds.pi_e == pmf[log.chosen][found.sample.rows]).all()
    frozen, learned = (evaluate(log, LEARNER, learn=x) for x in ("none", "logged"))
    assert rows(frozen)["ips"].value != rows(learned)["ips"].value


def test_a_learner_by_replay_saw_what_it_would_have_chosen(log: Log) -> None:
    entry = evaluate(log, LEARNER, learn="replay").results[0]
    assert 0 < entry.matched < len(log)
    assert entry.accepted.sum() == entry.matched
    assert entry.replay_mean == entry.judged.rounds.reward[entry.accepted].mean()
    assert any("of the history" in reason for reason in entry.judged.rows[0].reasons)


def test_the_logging_policy_is_worth_what_it_earned(log: Log) -> None:
    found = evaluate(log, "random")
    weight = found.results[0].judged.rounds.weight
    assert (weight == 1).all()
    for name in ("ips", "snips"):
        row = rows(found)[name]
        assert row.value == pytest.approx(found.sample.reward.mean(), rel=1e-12)
        assert (row.mean_weight, row.max_weight, row.support) == (1.0, 1.0, 1.0)
        assert row.ess == pytest.approx(len(found.sample.rows))
        assert row.verdict == "reliable"


def test_truth_log_is_the_mean_of_pmf_times_expected_reward(log: Log) -> None:
    found = evaluate(log, ["random", LEARNER], learn="logged")
    for entry, spec in zip(found.results, ("random", LEARNER), strict=True):
        pmf = walk(log, make(spec), known=found.sample.known).pmf
        by_hand = [
            sum(pmf[c] * log.expected_reward[c] for c in range(log.offsets[i], log.offsets[i + 1]))
            for i in found.sample.rows
        ]
        assert entry.truth_log == pytest.approx(np.mean(by_hand), rel=1e-12)
    blind = evaluate(without(log, "expected_reward"), "random")
    assert blind.results[0].truth_log is None
    assert (
        blind.to_dict()["policies"][0]["estimates"]
        == (evaluate(log, "random").to_dict()["policies"][0]["estimates"])
    )


def test_the_truth_is_within_the_intervals_reach(lives: Callable) -> None:
    """Four standard errors: the chance of missing is below 1 in 1,000 for ips and dr each."""
    life = lives(users=150, seed=3)
    found = evaluate(life.log(with_truth=True), LEARNER, learn="logged", level=0.9999)
    for name in ("ips", "dr"):
        row = rows(found)[name]
        assert row.low <= found.results[0].truth_log <= row.high


def test_differences_to_what_was_logged_are_paired(log: Log) -> None:
    found = evaluate(log, LEARNER, learn="logged", against="logged")
    for name in ("ips", "snips", "dm", "dr"):
        d = differences(found)[name]
        assert d.against == "logged"
        assert d.value == pytest.approx(rows(found)[name].value - found.sample.reward.mean())
    assert differences(found)["dm"].low is None
    assert differences(found)["ips"].low < differences(found)["ips"].value


def test_differences_to_a_spec_are_paired(log: Log) -> None:
    found = evaluate(log, ["random", LEARNER], learn="logged", against="random")
    assert {d.policy for d in found.differences} == {found.results[1].policy}
    for name in ("ips", "snips", "dm", "dr"):
        d = differences(found)[name]
        assert d.value == pytest.approx(rows(found, 1)[name].value - rows(found, 0)[name].value)


def test_a_difference_of_a_policy_with_itself_is_zero(log: Log) -> None:
    found = evaluate(log, LEARNER, learn="logged", against="linucb:alpha=1,seed=7")
    itself = found.results[0].judged
    for d in [*found.differences, *compare(itself, itself, found.setting)]:
        assert d.value == 0
        assert (d.low, d.high) == ((None, None) if d.estimator == "dm" else (0, 0))
    uniform = evaluate(log, "random", against="logged", estimators=("ips", "snips"))
    for d in uniform.differences:
        assert d.value == pytest.approx(0, abs=1e-15)
        assert (d.low, d.high) == pytest.approx((0, 0), abs=1e-15)


def test_a_deterministic_logger_is_refused(lives: Callable) -> None:
    log = lives("linucb:epsilon=0", users=25).log()
    found = evaluate(log, "random", against="logged")
    for name in ("ips", "snips", "dr"):
        for row in (rows(found)[name], differences(found)[name]):
            assert (row.value, row.low, row.high) == (None, None, None)
            assert row.verdict == "unreliable"
            assert "deterministic logger" in " ".join(row.reasons)
    assert rows(found)["dm"].value is not None
    assert rows(found)["dm"].verdict == "unreliable"
    assert found.computable


def test_a_deterministic_logger_can_judge_itself(lives: Callable) -> None:
    log = lives("linucb:epsilon=0", users=25).log()
    found = evaluate(log, "linucb:epsilon=0", learn="logged")
    assert rows(found)["ips"].value == pytest.approx(found.sample.reward.mean())


def test_a_log_without_propensities_is_read(log: Log) -> None:
    found = evaluate(without(log, "pscore", "pmf", "digest"), "random")
    for name in ("ips", "snips", "dr"):
        row = rows(found)[name]
        assert (row.value, row.ess, row.mean_weight, row.support) == (None, None, None, None)
        assert row.verdict == "unreliable"
        assert "no propensities" in " ".join(row.reasons)
    assert rows(found)["dm"].value == rows(evaluate(log, "random"))["dm"].value
    assert rows(found)["dm"].verdict == "caution"
    assert found.computable
    alone = evaluate(without(log, "pscore", "pmf", "digest"), "random", estimators=("ips",))
    assert not alone.computable


def test_a_declared_logger_is_used_and_said(log: Log) -> None:
    blind = without(log, "pscore", "pmf", "digest")
    found = evaluate(blind, LEARNER, learn="logged", behavior="random")
    known = evaluate(log, LEARNER, learn="logged")
    for name in ("ips", "snips", "dr"):
        assert rows(found)[name].value == rows(known)[name].value
        assert rows(found)[name].verdict == "caution"
        assert "declared: random" in " ".join(rows(found)[name].reasons)
    assert any("random" in notice for notice in found.notices)
    ignored = evaluate(log, LEARNER, learn="logged", behavior="linucb")
    assert ignored.to_dict() == known.to_dict()


def test_a_logger_that_could_not_have_acted_so_is_refused(log: Log) -> None:
    blind = without(log, "pscore", "pmf", "digest")
    with pytest.raises(BadInput, match=r"--behavior linucb:epsilon=0: could not have taken"):
        evaluate(blind, "random", behavior="linucb:epsilon=0")


def test_a_state_that_learned_from_the_log_is_told(log: Log) -> None:
    found = evaluate(log, LEARNER, state=train(log))
    for row in rows(found).values():
        assert row.verdict == "unreliable"
        assert "trained on this log" in row.reasons[0]
        assert row.value is not None


def test_a_state_that_learned_from_earlier_rows_is_not(log: Log) -> None:
    middle = int(np.median(log.decided_at))
    early = train(log.take(log.decided_at < middle), until=middle)
    found = evaluate(log, LEARNER, state=early, since=middle)
    assert not any("trained" in r for row in rows(found).values() for r in row.reasons)
    again = evaluate(log, LEARNER, state=early)
    assert all("trained" in row.reasons[0] for row in rows(again).values())
