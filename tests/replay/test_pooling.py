"""Laws of several behavior policies in one log: balanced weights, and when they are taken."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from journal import Log, frame_of_log, log_of, log_of_frame, write_log
from policies import BadInput, make
from policies.loop import UserLoop
from policies.state import UserState
from replay.behavior.loggers import LEAST_CHOICES, Unknown, loggers_of
from replay.behavior.pooling import BY_DECISION, BY_USER, REGARDLESS, _posterior
from replay.behavior.propensities import behavior_of
from replay.evaluation import evaluate
from replay.result import Evaluation
from replay.studies.pooled import World, summaries

TARGET = "linucb:epsilon=0.05"
USERS, DECISIONS = 40, 10
LOGS = 40


def specs(seed: int) -> tuple[str, str]:
    """Loggers that draw anew in every replicate."""
    return f"random:seed={seed}", f"linucb:epsilon=0.2,seed={seed}"


def mixed(lives: Callable, seed: int, how: str, users: int = USERS) -> Log:
    """An A/B test `by user` or `by decision`, or a rollout `in time`."""
    rng = np.random.default_rng([seed, 5])
    two, whose = specs(seed), rng.integers(2, size=(users, DECISIONS))
    pick = {
        "by user": lambda u, _: two[whose[u, 0]],
        "by decision": lambda u, i: two[whose[u, i]],
        "in time": lambda _, i: two[int(i >= DECISIONS // 2)],
    }[how]
    return lives(pick, users=users, decisions=DECISIONS, seed=seed, window_s=None).log()


def run(log: Log, pool: str, **more: object) -> Evaluation:
    return evaluate(log, TARGET, pool=pool, estimators=("ips",), **{"learn": "logged", **more})


def value(found: Evaluation) -> float:
    return found.results[0].judged.rows[0].value


def weight(found: Evaluation) -> np.ndarray:
    return found.results[0].judged.rounds.weight


def test_one_logger_has_nothing_to_pool(log: Log) -> None:
    own, balanced, auto = (run(log, pool) for pool in ("own", "balanced", "auto"))
    assert own.to_dict() == balanced.to_dict() == auto.to_dict()
    assert auto.to_dict()["log"]["pool"] is None


@pytest.mark.parametrize("pool", ["balanced", "auto"])
def test_two_equal_loggers_are_one(lives: Callable, pool: str) -> None:
    """They differ in the seed alone."""
    two = lives(lambda _, i: f"linucb:epsilon=0.2,seed={i % 2}", users=20).log()
    assert (weight(run(two, pool)) == weight(run(two, "own"))).all()


@pytest.mark.parametrize(("how", "assigned"), [("by decision", BY_DECISION), ("by user", BY_USER)])
def test_balanced_weights_are_unbiased_and_narrower(
    lives: Callable, how: str, assigned: str
) -> None:
    """Paired with own weights, which are unbiased; and the weights' means are 1.

    Four standard errors over logs: each passes by chance of a false alarm below 1 in 10,000.
    """
    means, away, spread = [], [], []
    for seed in range(LOGS):
        log = mixed(lives, seed, how)
        own, found = run(log, "own"), run(log, "balanced")
        assert found.pooling.assigned == assigned
        means.append(weight(found).mean())
        away.append(value(found) - value(own))
        spread.append([weight(f).var() for f in (own, found)])
    for sample, mean in ((means, 1.0), (away, 0.0)):
        error = np.std(sample, ddof=1) / math.sqrt(LOGS)
        assert abs(np.mean(sample) - mean) < 4 * error
    narrower = np.diff(spread, axis=1)[:, 0]
    assert narrower.mean() < -4 * narrower.std(ddof=1) / math.sqrt(LOGS)


def test_a_balanced_weight_is_over_the_mixture(lives: Callable) -> None:
    """Agarwal et al., 2017: w = pi_e / sum_j (n_j/n) pi_j, for every candidate."""
    log = mixed(lives, 1, "by decision")
    found = run(log, "balanced")
    loggers = loggers_of(log, log.pscore, found.sample.rows)
    shares = np.bincount(loggers.code) / len(log)
    mixture = shares @ loggers.pmf
    rounds = found.results[0].judged.rounds
    assert rounds.pscore == pytest.approx(mixture[log.chosen], rel=1e-12)
    assert rounds.candidates.pi_b == pytest.approx(mixture, rel=1e-12)
    assert rounds.weight_bound == pytest.approx((rounds.candidates.pi_e / mixture).max(), rel=1e-12)
    assert list(found.pooling.shares.values()) == pytest.approx(shares[[0, 1]], rel=1e-12)


@pytest.mark.parametrize("how", ["by decision", "by user"])
def test_the_order_of_rows_changes_nothing(lives: Callable, how: str) -> None:
    log = mixed(lives, 1, how)
    mixture = log.take(np.random.default_rng(0).permutation(len(log)))
    found, again = (run(x, "auto") for x in (log, mixture))
    assert found.pooling.used == again.pooling.used == "balanced"
    assert value(again) == pytest.approx(value(found), rel=1e-12)


def test_who_decides_is_known_better_with_every_action(lives: Callable) -> None:
    """At a user's first decision P(j) is the share of users, then Bayes' rule by hand."""
    log = mixed(lives, 2, "by user")
    loggers = loggers_of(log, log.pscore, np.arange(len(log)))
    turn = _posterior(log, loggers, np.arange(len(log)))
    mine = np.flatnonzero(log.user == 3)
    mine = mine[np.argsort(log.decided_at[mine])]
    firsts = [np.flatnonzero(log.user == u)[0] for u in range(USERS)]
    belief = np.bincount(loggers.code[firsts]) / USERS
    for i in mine:
        assert turn[i] == pytest.approx(belief, rel=1e-9)
        belief = belief * loggers.pmf[:, log.chosen[i]]
        belief = belief / belief.sum()


def habits(users: int, decisions: int, alone: int = 0) -> Log:
    """Two arms, both pay, the first one more: the learner sticks to what it tried first.

    Of each user's decisions the last `alone` have one candidate.
    """
    records, rng = [], np.random.default_rng(8)
    two = [make(spec) for spec in ("random", "linucb:alpha=0,epsilon=0.2")]
    for u in range(users):
        loop, policy = UserLoop(UserState.empty(f"u{u}", "custom", 1)), rng.choice(2)
        for i in range(decisions):
            now, name = 10 * i + 1_000_000, f"{u}-{i}"
            arms = ["a", "b"] if i < decisions - alone else ["a"]
            decision = loop.decide(
                two[policy], name, now, arms, arms, np.ones((len(arms), 1)), None
            )[0]
            pay = (1.0, 0.5)[decision.action]
            records.append((decision, loop.answer(name, None, pay, now + 1)))
    return log_of(records)


def test_a_decision_without_a_choice_has_propensity_1() -> None:
    """Also where the shares of the mixture add up to a little more than 1."""
    log = habits(100, 12, alone=9)
    shares = _posterior(log, loggers_of(log, log.pscore, np.arange(len(log))), np.arange(len(log)))
    single = np.diff(log.offsets) == 1
    assert shares[single].sum(axis=1).max() > 1
    found = evaluate(log, "random", pool="balanced", estimators=("ips",))
    rounds = found.results[0].judged.rounds
    assert rounds.pscore[single] == pytest.approx(1, abs=1e-12)
    assert rounds.pscore.max() == 1


def test_shares_alone_would_be_wrong_by_user() -> None:
    """A learner's history says who it is: n_j/n divides by what nobody would have drawn."""
    log = habits(1500, 6)
    found = evaluate(log, lambda *_: [1.0, 0.0], pool="balanced", estimators=("ips",))
    loggers = loggers_of(log, log.pscore, np.arange(len(log)))
    naive = (np.bincount(loggers.code) / len(log)) @ loggers.pmf

    def errors(weight: np.ndarray) -> float:
        by_user = np.bincount(log.user, weight - 1) / 6
        return abs(by_user.mean()) / by_user.std(ddof=1) * math.sqrt(len(by_user))

    assert errors(weight(found)) < 3
    assert errors((log.action == 0) / naive[log.chosen]) > 4


def test_a_rollout_of_a_learner_keeps_own_weights(lives: Callable) -> None:
    """Who decides is told by the time; balanced ones are to be had, with their doubt."""
    log = mixed(lives, 3, "in time")
    auto, own = run(log, "auto"), run(log, "own")
    assert auto.pooling.used == "own"
    assert "differs by" in auto.pooling.reason
    assert (weight(auto) == weight(own)).all()
    assert any("own weights: between the loggers" in notice for notice in auto.notices)
    forced = run(log, "balanced")
    row = forced.results[0].judged.rows[0]
    assert row.verdict != "reliable"
    assert any("balanced weights as asked" in reason for reason in row.reasons)


FIRST = """
from dataclasses import dataclass

import numpy as np

from policies.policy import greedy_pmf


@dataclass(frozen=True)
class ByFeature:
    epsilon: float = 0.3
    seed: int = 0
    explores = True

    def score(self, batch, sums):
        return np.ascontiguousarray(batch.context[:, 3])

    def pmf(self, scores, offsets):
        return greedy_pmf(scores, offsets, self.epsilon)
"""


def test_a_rollout_of_what_never_learns_is_pooled(
    lives: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the situation is all that counts, and it is alike; what is evaluated must not learn."""
    (tmp_path / "policy_by_feature.py").write_text(FIRST)
    monkeypatch.syspath_prepend(str(tmp_path))
    log = lives(
        lambda _, i: "random" if i < 5 else "policy_by_feature:ByFeature", decisions=10
    ).log()
    frozen, learner = run(log, "auto", learn="none"), run(log, "auto")
    assert (frozen.pooling.used, frozen.pooling.assigned) == ("balanced", REGARDLESS)
    assert learner.pooling.used == "own"
    moved = frame_of_log(log)
    later = 0.4 * (moved["policy"] != "random")
    moved["context"] = [np.stack(x) + by for x, by in zip(moved["context"], later, strict=True)]
    assert "context[" in run(moved, "auto", learn="none").pooling.reason


def test_a_logger_that_nobody_can_rebuild_keeps_its_own(lives: Callable) -> None:
    log = mixed(lives, 4, "by decision")
    frame = frame_of_log(log)
    frame["policy"] = frame["policy"].str.replace("linucb", "theirs:Secret")
    auto = run(frame, "auto")
    assert auto.pooling.used == "own"
    assert "not a policy of ours" in auto.pooling.reason
    with pytest.raises(BadInput, match="--pool balanced: needs every logger's pmf"):
        run(frame, "balanced")


def test_a_logger_that_logged_something_else_keeps_its_own(lives: Callable) -> None:
    log = mixed(lives, 5, "by decision")
    frame = frame_of_log(log)
    frame["policy"] = frame["policy"].str.replace("alpha=1.0", "alpha=3.0")
    assert "cannot be rebuilt" in run(frame, "auto").pooling.reason


def test_a_foreign_uniform_logger_is_uniform_everywhere(lives: Callable) -> None:
    log = mixed(lives, 6, "by decision")
    frame = frame_of_log(log)
    frame["policy"] = (
        frame["policy"].str.replace("random:seed=6", "control").replace("random", "control")
    )
    assert weight(run(frame, "balanced")) == pytest.approx(weight(run(log, "balanced")))
    assert (log.policy == 0).sum() > LEAST_CHOICES
    few = frame.groupby("policy").head(LEAST_CHOICES - 1)
    assert "not a policy of ours" in run(few, "auto").pooling.reason


def test_a_deterministic_logger_is_helped_by_one_that_explores(lives: Callable) -> None:
    """Own weights lack support where it decided; the mixture has it everywhere."""
    rng = np.random.default_rng(0)
    whose = rng.integers(2, size=(USERS, DECISIONS))
    two = ("random:seed=3", "linucb:epsilon=0,seed=3")
    log = lives(lambda u, i: two[whose[u, i]], users=USERS, decisions=DECISIONS, seed=9).log()
    found = [evaluate(log, "random", pool=pool, learn="logged") for pool in ("own", "balanced")]
    support = [f.results[0].judged.rows[0].support for f in found]
    assert support[0] < 0.9
    assert support[1] == pytest.approx(1.0)


def test_what_is_missing_is_not_pooled(lives: Callable) -> None:
    log = mixed(lives, 7, "by decision")
    frame = frame_of_log(log).drop(columns=["pmf", "pscore", "digest"])
    assert run(frame, "auto").pooling.reason == "not every decision has a logged propensity"
    with pytest.raises(Unknown, match="cannot be rebuilt"):
        loggers_of(log, behavior_of(log).pscore[::-1].copy(), np.arange(len(log)))


def test_pooling_from_the_command_line(
    lives: Callable, run: Callable, refused: Callable[..., str], tmp_path: Path
) -> None:
    """What was done is in the JSON and on stderr; what cannot be done is one line."""
    log = mixed(lives, 8, "by decision")
    write_log(log, tmp_path / "ab.parquet")
    done = run("evaluate", tmp_path / "ab.parquet", "--policy", "random", "--json")
    assert done.json["log"]["pool"] == evaluate(log, "random").pooling.to_dict()
    assert "note: 2 behavior policies, balanced weights: who decides looks random" in done.err
    frame = frame_of_log(log)
    frame["policy"] = frame["policy"].str.replace("linucb", "theirs:Secret")
    write_log(log_of_frame(frame), tmp_path / "theirs.parquet")
    asked = ("evaluate", tmp_path / "theirs.parquet", "--policy", "random", "--pool", "balanced")
    assert "--pool balanced: needs every logger's pmf at every decision" in refused(*asked)


@pytest.mark.parametrize("assigned", ["by decision", "by user"])
def test_the_study_of_pooling_in_small(assigned: str) -> None:
    """The same logs pooled three ways; the same again for the same seeds."""
    design = World(assigned=assigned, logs=3)
    own, balanced, auto = summaries(design)
    assert (own["balanced"], balanced["balanced"]) == (0.0, 1.0)
    assert 0 <= auto["balanced"] <= 1
    assert summaries(design) == [own, balanced, auto]
    assert balanced["width of auto"] < own["width of auto"]


def test_an_unknown_way_to_pool_is_refused(log: Log) -> None:
    with pytest.raises(BadInput, match="--pool: must be one of auto, balanced, own"):
        run(log, "both")
