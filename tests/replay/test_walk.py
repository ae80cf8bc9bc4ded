"""The same bits however a log is walked: permuted, sorted, sharded, in chunks, one by one."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import policies.state
import replay.history.arms
from journal import Log
from policies import make
from policies.loop import UserLoop, probabilities
from policies.state import UserState, to_json
from replay.history.training import train
from replay.history.walk import walk

SPECS = ["random", "linucb", "linucb:alpha=0.3,epsilon=0.2,arm=shared", "linucb:lambda=0.01"]
SPECS += ["epsilon-greedy", "lin-ts:draws=9", "lin-ts:draws=9,arm=shared", "beta-ts:draws=9"]
LEARNS = ["none", "logged", "replay"]


def bits(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values).tobytes()


def candidates_of(log: Log, rows: np.ndarray) -> np.ndarray:
    """Where the candidates of `rows`, in that order, are among all N."""
    return np.concatenate([np.arange(log.offsets[i], log.offsets[i + 1]) for i in rows])


def json_of(states: dict[str, UserState]) -> dict[str, str]:
    return {name: to_json(state) for name, state in states.items()}


def orders(log: Log) -> dict[str, np.ndarray]:
    return {
        "permuted": np.random.default_rng(5).permutation(len(log)),
        "backwards": np.arange(len(log))[::-1].copy(),
        "by user": np.argsort(log.user, kind="stable"),
        "by time": np.argsort(log.decided_at, kind="stable"),
    }


@pytest.fixture(params=["ours", "foreign"])
def any_log(request: pytest.FixtureRequest, log: Log, replaced: Callable[..., Log]) -> Log:
    """Our log, and the same one whose order must be derived from its times."""
    if request.param == "ours":
        return log
    blank = [None] * len(log)
    for name in ("state_seq", "feedback_seq", "digest"):
        log = replaced(log, name, blank)
    return log


@pytest.mark.parametrize("learn", LEARNS)
@pytest.mark.parametrize("spec", SPECS)
def test_the_order_of_rows_does_not_matter(any_log: Log, spec: str, learn: Any) -> None:
    policy = make(spec)
    whole = walk(any_log, policy, learn=learn)
    for name, turn in orders(any_log).items():
        turned = walk(any_log.take(turn), policy, learn=learn)
        assert bits(turned.pmf) == bits(whole.pmf[candidates_of(any_log, turn)]), name
        assert (turned.matched == whole.matched[turn]).all(), name


@pytest.mark.parametrize("learn", LEARNS)
@pytest.mark.parametrize("threads", [2, 3, 100])
def test_the_number_of_threads_does_not_matter(log: Log, learn: Any, threads: int) -> None:
    one = walk(log, make("linucb"), learn=learn)
    more = walk(log, make("linucb"), learn=learn, threads=threads)
    assert bits(one.pmf) == bits(more.pmf)
    assert bits(one.sums.gram) == bits(more.sums.gram)
    assert bits(one.sums.moment) == bits(more.sums.moment)


@pytest.mark.parametrize("spec", SPECS)
def test_asking_for_some_rows_changes_none_of_them(any_log: Log, spec: str) -> None:
    asked = np.random.default_rng(2).random(len(any_log)) < 0.3
    whole = walk(any_log, make(spec)).pmf
    some = walk(any_log, make(spec), score=asked).pmf
    inside = np.repeat(asked, np.diff(any_log.offsets))
    assert bits(some[inside]) == bits(whole[inside])
    assert np.isnan(some[~inside]).all()


@pytest.mark.parametrize("spec", SPECS)
def test_walking_the_loops_own_log_gives_the_loops_pmfs(lives: Callable, spec: str) -> None:
    """The loop decided one by one, live; the walk sees many users at once."""
    log = lives(spec, users=15).log()
    assert bits(walk(log, make(spec)).pmf) == bits(log.pmf)


@pytest.mark.parametrize("spec", SPECS)
def test_another_policy_one_by_one_beside_the_logged_answers(log: Log, spec: str) -> None:
    """A shadow that folds each logged answer when it came is `learn="logged"`."""
    policy, found = make(spec), walk(log, make(spec)).pmf
    for code, name in enumerate(log.user_names):
        loop = UserLoop(UserState.empty(name, log.features, 5))
        rows = np.flatnonzero(log.user == code)
        folds = rows[log.feedback_seq[rows] > 0]
        folds = list(folds[np.argsort(log.feedback_seq[folds])])
        for i in rows[np.argsort(log.decided_at[rows])]:
            while folds and log.feedback_seq[folds[0]] <= log.state_seq[i]:
                fold(loop.state, log, folds.pop(0))
            span = slice(log.offsets[i], log.offsets[i + 1])
            arms = [log.arm_names[a] for a in log.arm[span]]
            _, pmf = probabilities(policy, loop.state, arms, log.context[span], log.decision_id[i])
            assert bits(pmf) == bits(found[span])


def fold(state: UserState, log: Log, i: int) -> None:
    c = log.chosen[i]
    arm, reward = log.arm_names[log.arm[c]], float(log.reward[i])
    state.fold(arm, log.context[c], reward, log.decision_id[i], int(log.feedback_at[i]))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
def test_a_state_handed_on_goes_on_behind_what_it_folded(
    any_log: Log, spec: str, cut: float
) -> None:
    """Trained up to t, walked from t on: the bits of a walk in one go."""
    moment = int(np.quantile(any_log.decided_at, cut))
    later = any_log.decided_at >= moment
    early = train(any_log, until=moment)
    part = walk(any_log, make(spec), states=early, score=later).pmf
    inside = np.repeat(later, np.diff(any_log.offsets))
    assert bits(part[inside]) == bits(walk(any_log, make(spec)).pmf[inside])
    assert json_of(train(any_log, states=early)) == json_of(train(any_log))


def answered_at_once(log: Log, replaced: Callable[..., Log], ours: bool) -> Log:
    """Each answer came a second after its decision: a cut in time cuts the folds too."""
    at = [
        int(t) + 1_000_000 if a else None for t, a in zip(log.decided_at, log.answered, strict=True)
    ]
    seq = [None] * len(log)
    state_seq = [None] * len(log)
    if ours:
        count = dict.fromkeys(log.user_names, 0)
        for i in np.argsort(log.decided_at, kind="stable"):
            name = log.user_names[log.user[i]]
            state_seq[i] = count[name]
            if log.answered[i]:
                seq[i] = count[name] = count[name] + 1
    for column, values in (
        ("feedback_at", at),
        ("feedback_seq", seq),
        ("state_seq", state_seq),
        ("digest", [None] * len(log)),
    ):
        log = replaced(log, column, values)
    return log


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("spec", SPECS)
def test_chunks_by_time_with_states_handed_on(
    log: Log, replaced: Callable[..., Log], spec: str, ours: bool
) -> None:
    log = answered_at_once(log, replaced, ours)
    whole, policy = walk(log, make(spec)).pmf, make(spec)
    edges = [0, *np.quantile(log.decided_at, [0.2, 0.5, 0.7]).astype(int), 2**62]
    states: dict[str, UserState] = {}
    for low, high in pairwise(edges):
        rows = np.flatnonzero((log.decided_at >= low) & (log.decided_at < high))
        chunk = log.take(rows)
        part = walk(chunk, policy, states=states).pmf
        assert bits(part) == bits(whole[candidates_of(log, rows)])
        states = train(chunk, states=states)
    assert json_of(states) == json_of(train(log))


@pytest.mark.parametrize("ours", [True, False])
def test_a_chunk_may_be_taken_up_again_within(
    log: Log, replaced: Callable[..., Log], ours: bool
) -> None:
    """Trained on one chunk and half of the next, then on all of that next one."""
    log = answered_at_once(log, replaced, ours)
    early, middle = (int(t) for t in np.quantile(log.decided_at, [0.3, 0.6]))
    second = log.take(log.decided_at >= early)
    states = train(log.take(log.decided_at < early))
    states = train(second, until=middle, states=states)
    assert json_of(states) == json_of(train(log, until=middle))
    assert json_of(train(second, states=states)) == json_of(train(log))


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("share", [0.75, 0.8, 0.85])
def test_a_long_life_is_taken_up_again_though_no_sketch_remembers_its_end(
    lives: Callable, replaced: Callable[..., Log], ours: bool, share: float
) -> None:
    """A sketch holds 16 decisions of hundreds: the last few are not among them, for somebody."""
    log = answered_at_once(lives(users=12, decisions=150).log(), replaced, ours)
    early, middle = (int(t) for t in np.quantile(log.decided_at, [0.7, share]))
    second = log.take(log.decided_at >= early)
    states = train(log.take(log.decided_at < early))
    states = train(second, until=middle, states=states)
    assert any(
        second.hashes[code].isdisjoint(states[name].learned.sketch)
        for code, name in enumerate(second.user_names)
    )
    assert json_of(train(second, states=states)) == json_of(train(log))


@pytest.mark.parametrize("users", [12, 40])
def test_a_state_from_elsewhere_is_a_start_not_a_part(
    log: Log, lives: Callable, replaced: Callable[..., Log], users: int
) -> None:
    """People of the same names and days, other decisions: everything is folded on top."""
    other = lives(users=users, decisions=30, seed=5).log()
    prior = train(other)
    named = replaced(log, "decision_id", [f"here {name}" for name in log.decision_id])
    states = train(named, states=prior)
    for name, count in zip(log.user_names, np.bincount(log.user[log.answered]), strict=True):
        assert states[name].seq == count + (prior[name].seq if name in prior else 0)


def test_a_feedback_without_a_time_arrived_at_once(log: Log, replaced: Callable[..., Log]) -> None:
    for name in ("feedback_at", "feedback_seq", "state_seq", "digest"):
        log = replaced(log, name, [None] * len(log))
    middle = int(np.median(log.decided_at))
    early = train(log, until=middle)
    assert sum(s.seq for s in early.values()) == (log.answered & (log.decided_at < middle)).sum()
    assert json_of(train(log, states=early)) == json_of(train(log))


def test_training_is_what_the_loops_learned(life: Any, log: Log) -> None:
    states = train(log)
    assert states.keys() == life.loops.keys()
    for name, loop in life.loops.items():
        assert to_json(states[name]) == to_json(loop.state)


def test_training_again_on_the_same_log_changes_nothing(any_log: Log) -> None:
    once = train(any_log)
    assert json_of(train(any_log, states=once)) == json_of(once)
    turned = any_log.take(np.random.default_rng(1).permutation(len(any_log)))
    assert json_of(train(turned)) == json_of(once)


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("spec", SPECS[1:3])
def test_arms_beyond_the_limit_share_one_row_as_in_the_loop(
    lives: Callable, monkeypatch: pytest.MonkeyPatch, spec: str, most: int
) -> None:
    for module in (policies.state, replay.history.arms):
        monkeypatch.setattr(module, "MAX_ARMS", most)
    life = lives(spec, users=25, seed=most)
    log = life.log()
    assert bits(walk(log, make(spec)).pmf) == bits(log.pmf)
    states = train(log)
    for name, loop in life.loops.items():
        assert to_json(states[name]) == to_json(loop.state)


def test_a_frozen_state_does_not_know_which_arms_will_be_too_many(
    lives: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`none` is each decision's own pmf under the start, whatever the log goes on to hold."""
    for module in (policies.state, replay.history.arms):
        monkeypatch.setattr(module, "MAX_ARMS", 1)
    log = lives("linucb", users=12, seed=0).log()
    states = train(log, until=int(np.quantile(log.decided_at, 0.4)))
    found = walk(log, make("linucb"), states=states, learn="none").pmf
    for i, code in enumerate(log.user):
        span = slice(log.offsets[i], log.offsets[i + 1])
        arms = [log.arm_names[a] for a in log.arm[span]]
        state = states[log.user_names[code]]
        _, pmf = probabilities(make("linucb"), state, arms, log.context[span], log.decision_id[i])
        assert bits(pmf) == bits(found[span])
