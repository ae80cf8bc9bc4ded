"""Silence is data: which decisions count, from when, as of when, and with which reward."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from journal import Log
from policies import BadInput
from policies.records import micros
from replay.evaluation import evaluate
from replay.sample import MICRO, sample_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc(at: int) -> str:
    return (EPOCH + timedelta(microseconds=int(at))).isoformat()


def windows_open(log: Log, now: int) -> np.ndarray:
    return (log.decided_at <= now) & (log.decided_at + log.reward_window_s * MICRO > now)


def expired(log: Log) -> np.ndarray:
    return log.feedback == log.feedback_names.index("expired")


def last_moment(log: Log) -> int:
    return int(max(log.decided_at.max(), log.feedback_at.max()))


def test_open_windows_are_left_out_whether_answered_or_not(log: Log) -> None:
    """Censored = still open at the log's last moment, answers and silence alike."""
    sample = sample_of(log)
    still = windows_open(log, last_moment(log))
    assert (still & log.answered).any()
    assert (still & ~log.answered).any()
    assert sample.rows.tolist() == np.flatnonzero(~still).tolist()
    about = evaluate(log, "random").to_dict()["log"]
    assert about["decisions"] == len(log)
    assert about["censored"] == still.sum()
    assert about["answered"] == (log.answered & ~expired(log)).sum()
    assert about["users"] == len(set(log.user[~still].tolist()))


def test_unanswered_tips_count_with_the_default_reward(log: Log) -> None:
    sample = sample_of(log)
    kept = np.zeros(len(log), bool)
    kept[sample.rows] = True
    silent = kept & (~log.answered | expired(log))
    assert sample.silent.sum() == silent.sum() > 0
    assert (sample.reward[sample.silent] == 0).all()
    assert (sample.reward[~sample.silent] == log.reward[kept & ~silent]).all()
    found = evaluate(log, "random")
    about = found.to_dict()["log"]
    assert about["expired"] == silent.sum()
    assert about["mean_reward"] == np.where(silent, 0, log.reward)[kept].mean()
    worst, best = about["silence_bounds"]
    share = silent.sum() / kept.sum()
    assert about["mean_reward"] - worst == pytest.approx(share)
    assert best - about["mean_reward"] == pytest.approx(share)
    assert found.results[0].judged.about.expired_share == pytest.approx(share)


def test_as_of_reads_the_log_as_it_was_then(log: Log) -> None:
    """As of t: later decisions are not there, later answers not known, open windows left out."""
    now = int(np.quantile(log.decided_at, 0.7))
    about = evaluate(log, "random", as_of=now).to_dict()["log"]
    there = log.decided_at <= now
    known = log.answered & (log.feedback_at <= now)
    assert about["decisions"] == there.sum() < len(log)
    assert about["censored"] == windows_open(log, now).sum()
    assert about["answered"] == (there & known & ~expired(log)).sum()
    counted = there & ~windows_open(log, now)
    assert about["mean_reward"] == pytest.approx(np.where(known, log.reward, 0)[counted].mean())
    assert evaluate(log, "random", as_of=rfc(now)).to_dict()["log"] == about


def test_as_of_nothing_later_can_change_anything(log: Log, replaced: Callable[..., Log]) -> None:
    """The rewards that arrive after `as_of` are turned round: no estimate moves a bit."""
    now = int(np.quantile(log.decided_at, 0.7))
    late = log.answered & (log.feedback_at > now)
    turned = np.where(late, -log.reward, log.reward)
    changed = replaced(log, "reward", [None if np.isnan(r) else float(r) for r in turned])
    spec, learn = "linucb:alpha=1", "logged"
    a, b = (evaluate(x, spec, learn=learn, as_of=now).to_dict() for x in (log, changed))
    assert a["policies"] == b["policies"]
    later = (evaluate(x, spec, learn=learn).to_dict()["policies"] for x in (log, changed))
    assert len({str(entry) for entry in later}) == 2


def test_a_log_without_windows_censors_nothing(lives: Callable) -> None:
    log = lives(window_s=None, users=25).log()
    about = evaluate(log, "random").to_dict()["log"]
    assert about["censored"] == 0
    assert about["expired"] == (~log.answered).sum() > 0


def test_since_is_a_first_decision_not_a_first_memory(log: Log) -> None:
    """Only later decisions are judged, yet the learner still knows what came before."""
    middle = int(np.median(log.decided_at))
    found = evaluate(log, "linucb:alpha=1", learn="logged", since=middle)
    whole = evaluate(log, "linucb:alpha=1", learn="logged")
    inside = log.decided_at[whole.sample.rows] >= middle
    assert found.sample.rows.tolist() == whole.sample.rows[inside].tolist()
    assert found.to_dict()["log"]["decisions"] == (log.decided_at >= middle).sum()
    pi_e = whole.results[0].judged.rounds.pi_e[inside]
    assert (found.results[0].judged.rounds.pi_e == pi_e).all()
    again = evaluate(log, "linucb:alpha=1", learn="logged", since=rfc(middle))
    assert again.to_dict() == found.to_dict()


@pytest.mark.parametrize(
    "at", [1, 1_700_000_000_123_457, 253_402_300_799_999_999, -1, -(10**15) - 1]
)
def test_times_are_read_to_the_microsecond(at: int) -> None:
    assert micros(datetime.fromisoformat(rfc(at))) == at


def test_since_includes_its_own_microsecond(log: Log) -> None:
    for moment in log.decided_at[:50]:
        sample = evaluate(log, "random", since=rfc(moment), estimators=("ips",)).sample
        assert sample.decisions == (log.decided_at >= moment).sum()


def test_a_period_without_decisions_is_refused(log: Log) -> None:
    with pytest.raises(BadInput, match="no decision is left to evaluate"):
        evaluate(log, "random", since=last_moment(log) + 1)
    with pytest.raises(BadInput, match="all with an open reward window"):
        evaluate(log, "random", since=int(log.decided_at.max()))
    with pytest.raises(BadInput, match="no decision is left to evaluate, found 0"):
        evaluate(log, "random", as_of=int(log.decided_at.min()) - 1)


def test_mostly_silent_logs_are_told(lives: Callable, replaced: Callable[..., Log]) -> None:
    log = lives(window_s=None, users=25).log()
    kept = [None if i % 4 else r for i, r in enumerate(log.table["reward"].to_pylist())]
    for name in ("feedback_seq", "feedback_at", "feedback", "digest", "state_seq"):
        log = replaced(log, name, [None] * len(log))
    found = evaluate(replaced(log, "reward", kept), "random")
    assert any(r.startswith("silence: ") for r in found.results[0].judged.rows[0].reasons)
