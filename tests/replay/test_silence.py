"""What silence could hide, by policy; and why early answers alone must not be counted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from journal import Log, log_of, write_log
from policies import make
from policies.loop import UserLoop
from policies.records import Feedback
from policies.state import UserState
from replay import evaluate
from replay.reports.report import silence_notes, summary
from replay.sample import sample_of
from replay.silence import silence_bounds

LEARNER = "linucb:alpha=1"
HOUR = 3_600_000_000


def with_silence_as(log: Log, replaced: Callable, reward: float) -> Log:
    """The log had every silent tip of the sample been answered with `reward`."""
    sample = sample_of(log)
    values = log.table["reward"].to_pylist()
    for i in sample.rows[sample.silent]:
        values[i] = reward
    return replaced(log, "reward", values)


@pytest.mark.parametrize("policy", ["random", LEARNER])
def test_the_bounds_are_the_estimates_had_silence_been_answered(
    lives: Callable, replaced: Callable, policy: str
) -> None:
    """snips, recomputed on a log in which all the silent said the worst, or the best."""
    log = lives(users=25).log()
    found = evaluate(log, policy, estimators=["snips"])
    low, high = found.to_dict()["policies"][0]["silence_bounds"]
    for reward, bound in ((-1.0, low), (1.0, high)):
        changed = with_silence_as(log, replaced, reward)
        changed = replaced(changed, "feedback", ["done"] * len(log))
        (row,) = evaluate(changed, policy, estimators=["snips"]).results[0].judged.rows
        assert row.value == pytest.approx(bound, abs=1e-12)
    assert low < found.results[0].judged.rows[0].value < high


def test_any_answer_in_between_is_inside(log: Log) -> None:
    """Linear and increasing in the silent rewards: no mix of answers leaves the bounds."""
    found = evaluate(log, LEARNER, estimators=["snips"])
    judged, silent = found.results[0].judged, found.sample.silent
    low, high = silence_bounds(judged, silent)
    rng = np.random.default_rng(2)
    rounds = judged.rounds
    for _ in range(200):
        reward = np.where(silent, rng.uniform(-1, 1, len(rounds)), rounds.reward)
        value = (rounds.weight @ reward) / rounds.weight.sum()
        assert low - 1e-12 <= value <= high + 1e-12


def test_bounds_hold_auto_and_stay_in_the_reward_range(log: Log) -> None:
    found = evaluate(log, ["random", LEARNER])
    for entry in found.to_dict()["policies"]:
        low, high = entry["silence_bounds"]
        assert -1 <= low <= entry["estimates"][0]["value"] <= high <= 1
    uniform = evaluate(log, "random", estimators=["snips"]).to_dict()
    # the logger was uniform: its own bounds are those of the logged mean
    assert uniform["policies"][0]["silence_bounds"] == pytest.approx(
        uniform["log"]["silence_bounds"]
    )


def test_without_silence_there_is_nothing_to_say(lives: Callable) -> None:
    log = lives(window_s=None, users=25).log()
    log = log.take(log.answered)
    found = evaluate(log, "random", estimators=["snips"])
    value = found.results[0].judged.rows[0].value
    assert found.to_dict()["policies"][0]["silence_bounds"] == pytest.approx([value, value])
    assert silence_notes(found) == []


def test_no_weights_no_bounds(log: Log) -> None:
    found = evaluate(log, "random", estimators=["dm"])
    assert found.to_dict()["policies"][0]["silence_bounds"] is None
    assert silence_notes(found) == []


def test_people_read_the_bounds_where_they_read_the_number(
    log: Log, run: Callable, file: Path
) -> None:
    found = evaluate(log, ["random", LEARNER])
    notes = silence_notes(found)
    assert len(notes) == sum(
        p.judged.rows[0].verdict != "unreliable" for p in found.results
    ) > 0  # a refused number gets no bounds  # fmt: skip
    assert all(f"- {note}" in summary(found) for note in notes)
    said = run("evaluate", file, "--policy", "random", "--policy", LEARNER).out
    assert all(note in said for note in notes)


def fast_and_slow(seed: int, users: int = 60, decisions: int = 30) -> Log:
    """Who likes a tip answers within the hour, who does not after 20: half and half, mean 0."""
    rng = np.random.default_rng(seed)
    policy, records = make("random"), []
    for u in range(users):
        loop = UserLoop(UserState.empty(f"u{u}", "tip-v1", 5))
        for i in range(decisions):
            now = 1_700_000_000_000_000 + i * HOUR + u
            context = rng.uniform(-1, 1, (2, 5))
            d, _ = loop.decide(policy, f"{u}-{i}", now, ["a", "b"], ["x", "y"], context, 24 * 3600)
            d = replace(d, state_seq=0)
            liked = rng.random() < 0.5
            at = now + (1 if liked else 20) * HOUR
            records.append((d, Feedback(d.decision_id, None, 1.0 if liked else -1.0, at, None)))
    return log_of(sorted(records, key=lambda r: r[0].decided_at))


def test_counting_early_answers_would_select_fast_people() -> None:
    """As of a moment amid the tips: the sample's mean is unbiased, the answered ones' is not.

    780 independent rewards of +-1 in the sample: four standard errors are 4/sqrt(780) = 0.143.
    """
    log = fast_and_slow(3)
    now = int(log.decided_at.max()) + 7 * HOUR  # 13 of each user's 30 windows have closed
    sample = sample_of(log, as_of=now)
    assert len(sample.rows) == 60 * 13
    assert sample.censored == 60 * 17
    assert abs(sample.reward.mean()) < 4 / np.sqrt(len(sample.rows))
    asked = log.decided_at <= now
    early = asked & (log.feedback_at <= now)
    assert log.reward[early].mean() > 0.15  # what counting every answer so far would say
    assert log.reward[asked & ~early].mean() == -1


@pytest.mark.parametrize("hours", [25, 30, 41, 53])
def test_a_counted_reward_never_changes_again(hours: int) -> None:
    """Every decision in a sample as of t has the reward it has in the whole log."""
    log = fast_and_slow(4, users=20)
    whole = sample_of(log, as_of=int(log.feedback_at.max()) + 100 * HOUR)
    assert whole.censored == 0
    final = dict(zip(whole.rows.tolist(), whole.reward.tolist(), strict=True))
    part = sample_of(log, as_of=int(log.decided_at.min()) + hours * HOUR)
    assert 0 < len(part.rows) <= len(whole.rows)
    for i, reward in zip(part.rows.tolist(), part.reward.tolist(), strict=True):
        assert reward == final[i]


def test_open_windows_are_left_out_when_the_log_is_read_from_a_file(
    tmp_path: Path, run: Callable
) -> None:
    log = fast_and_slow(5, users=20)
    write_log(log, tmp_path / "log.parquet")
    now = "2023-11-16T10:13:20Z"  # 36 hours after the first tip
    found = run(
        "evaluate", tmp_path / "log.parquet", "--policy", "random", "--as-of", now, "--json"
    ).json
    assert (
        found["log"]["censored"] == sample_of(log, as_of=1_700_000_000_000_000 + 36 * HOUR).censored
    )
