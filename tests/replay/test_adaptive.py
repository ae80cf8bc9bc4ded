"""Logs of loggers that learn: the weights, the interval, and when the verdict warns."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from journal import Log
from journal.frame import log_of_frame
from replay import evaluate
from replay.behavior.adaptivity import shared_state
from replay.estimators import ESTIMATORS, Candidates, Rounds
from replay.estimators.adaptive import FIRST, stabilised
from replay.intervals import INTERVALS, cluster_t, martingale
from replay.rounds import NotComputable
from replay.studies import adaptive
from replay.studies.cells import Drawn, learning
from replay.studies.tables import adaptive_table

KEPT = Path(__file__).parent.parent.parent / "results" / "reference" / "study"


def faded(seed: int, n: int = 600) -> Rounds:
    """A log of a learner whose floor fades, seen by the policy of one arm."""
    drawn = adaptive.fading(np.random.default_rng(seed), n, gap=0.2, target=1)
    return adaptive.rounds_of(drawn, 28.0)


def frame(drawn: Drawn, user: np.ndarray, *, apart_s: int = 600) -> pd.DataFrame:
    """A foreign log: pmfs and times, no state_seq."""
    n, k = len(user), int(drawn.offsets[1])
    return pd.DataFrame(
        {
            "user_id": [f"u{u}" for u in user],
            "decided_at": pd.to_datetime(np.arange(n) * apart_s, unit="s", utc=True),
            "candidate_ids": [[f"t{j}" for j in range(k)]] * n,
            "arms": list(drawn.arm.astype(str).reshape(n, k)),
            "context": list(drawn.context.reshape(n, k, -1)),
            "pmf": list(drawn.pi_b.reshape(n, k)),
            "action": drawn.chosen - drawn.offsets[:-1],
            "reward": drawn.reward,
            "policy": "theirs",
        }
    )


def learned(users: int, seed: int = 0, n: int = 1000, epsilon: float = 0.2) -> Drawn:
    return learning(np.random.default_rng(seed), n, users=users, epsilon=epsilon)


def why(log: Log) -> str | None:
    return shared_state(log, log.pscore, np.arange(len(log)))


# ---- the estimator


def test_without_time_or_pmfs_or_where_noise_is_even_it_is_dr() -> None:
    rounds = faded(1)
    for change in ({"days": None}, {"spread": None}, {"spread": np.full(600, 3.0)}):
        even = replace(rounds, **change)
        ours, plain = ESTIMATORS["adaptive"](even), ESTIMATORS["dr"](even)
        assert ours.value == pytest.approx(plain.value, rel=1e-12)
        np.testing.assert_allclose(ours.influence, plain.influence, atol=1e-9)
        assert ours.chosen["least_weight"] == 1.0


def test_a_weight_knows_the_past_alone() -> None:
    """Else a round would choose its own weight, and the mean error would not be 0."""
    rounds = faded(2)
    h, t = stabilised(rounds), 400
    later = rounds.spread.copy()
    later[t:] = np.random.default_rng(0).uniform(1, 500, len(rounds) - t)
    changed = stabilised(replace(rounds, spread=later))
    np.testing.assert_array_equal(changed[: t + 1], h[: t + 1])
    assert not np.array_equal(changed[t + 1 :], h[t + 1 :])
    assert (h[: FIRST + 1] == h[0]).all()
    assert h.min() > 0
    assert h.max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_order_is_time_and_not_position(seed: int) -> None:
    """Rounds of one instant, too, have no order among them."""
    rounds, rng = faded(seed), np.random.default_rng(seed)
    rounds = replace(rounds, days=np.floor(rounds.days))
    turn = rng.permutation(len(rounds))
    names = ("reward", "pscore", "pi_e", "q_hat", "q_pi", "user", "days", "spread")
    turned = replace(rounds, **{name: getattr(rounds, name)[turn] for name in names})
    ours, theirs = ESTIMATORS["adaptive"](rounds), ESTIMATORS["adaptive"](turned)
    assert ours.value == pytest.approx(theirs.value, rel=1e-12)
    np.testing.assert_allclose(ours.influence[turn], theirs.influence, rtol=1e-9, atol=1e-12)
    spans = [martingale(r, e, 0.95) for r, e in ((rounds, ours), (turned, theirs))]
    assert spans[0] == pytest.approx(spans[1], rel=1e-9)


def test_it_keeps_the_contract_of_an_estimate() -> None:
    """With unequal weights: the columns combine, and the influence is the derivative."""
    rounds = faded(3)
    found = ESTIMATORS["adaptive"](rounds)
    assert found.chosen["least_weight"] < 0.5
    assert found.combine(found.columns.mean(axis=0)) == pytest.approx(found.value, rel=1e-12)
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)
    share = np.ones(len(rounds))
    share[450] += 1e-4
    moved = found.combine(np.average(found.columns, axis=0, weights=share))
    slope = (moved - found.value) * share.sum() / 1e-4
    assert slope == pytest.approx(found.influence[450], rel=1e-3, abs=1e-6)


def test_its_errors_are_smaller_where_the_first_fifth_is_noisier() -> None:
    """Weights of 50, then of 2: mean squared errors over 100 logs, paired, by three errors."""
    p = np.where(np.arange(1000) < 200, 0.02, 0.5)
    zero, off = np.zeros(1000), []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        took = (rng.random(1000) < p).astype(float)
        reward = rng.choice([-1.0, 1.0], 1000)
        pscore = np.where(took == 1, p, 1 - p)
        rounds = Rounds(reward, pscore, took, zero, zero, days=np.arange(1000.0), spread=1 / p)
        off.append([ESTIMATORS[name](rounds).value ** 2 for name in ("adaptive", "dr")])
    gain = np.subtract(*np.array(off).T)
    assert gain.mean() < -3 * gain.std(ddof=1) / np.sqrt(len(gain))


# ---- the interval


def test_martingale_is_never_narrower_than_users_or_rounds_say() -> None:
    """One user's rounds may go together: then users count."""
    rounds = faded(4)
    for who in (np.arange(600), np.arange(600) // 20):
        ours = replace(rounds, user=who)
        found = ESTIMATORS["ips"](ours)
        low, high = martingale(ours, found, 0.95)
        plain = cluster_t(ours, found, 0.95)
        assert low <= plain[0] + 1e-12
        assert plain[1] <= high + 1e-12


def test_martingale_counts_weights_that_are_still_to_come() -> None:
    """All rounds alike, yet the pmfs say that weights of 10 exist."""
    n = 100
    pi_b, pi_e = np.tile([0.95, 0.05], n), np.tile([0.5, 0.5], n)
    reward = np.random.default_rng(0).choice([-1.0, 1.0], n)
    kept = Rounds(reward, np.full(n, 0.95), np.full(n, 0.5), candidates=Candidates(pi_e, pi_b))
    found = ESTIMATORS["snips"](kept)
    widths = [np.ptp(f(kept, found, 0.95, 0)) for f in (martingale, cluster_t)]
    implied = (0.25 / 0.95 + 0.25 / 0.05) / (0.5 / 0.95) ** 2
    assert widths[0] == pytest.approx(np.sqrt(implied) * widths[1], rel=1e-9)
    blind = replace(kept, candidates=None)
    assert martingale(blind, found, 0.95) == pytest.approx(cluster_t(blind, found, 0.95))


def test_no_weight_no_interval() -> None:
    rounds = faded(5)
    none = replace(rounds, pi_e=np.zeros(600))
    with pytest.raises(NotComputable, match="every weight is zero"):
        martingale(none, ESTIMATORS["ips"](none), 0.95)


# ---- the verdict


def test_most_learners_without_users_are_seen_and_hardly_a_logger_that_stays() -> None:
    """At least 6 of 12 (about .83 are), and at most 1 of 12 that did not learn."""
    rows = np.arange(2000)
    seen = [why(log_of_frame(frame(learned(1, s, 2000), rows))) is not None for s in range(12)]
    assert sum(seen) >= 6
    frozen = [why(log_of_frame(frame(learned(2000, s, 2000), rows))) is not None for s in range(12)]
    assert sum(frozen) <= 1
    assert why(log_of_frame(frame(learned(1, epsilon=1.0), np.arange(1000)))) is None


def test_users_who_come_over_time_show_a_shared_state() -> None:
    """By their first decisions; where each has a state of their own, these do not change."""
    user = np.arange(1000) // 2
    shared = adaptive.fading(np.random.default_rng(0), 1000, gap=0.2, target=0)
    assert "choices in users' first decisions drift" in str(why(log_of_frame(frame(shared, user))))
    alone = learned(500)  # round after round of all users: each one's state is their own
    order = np.argsort(alone.user, kind="stable")
    table = frame(alone, alone.user).iloc[order].reset_index(drop=True)
    table["decided_at"] = pd.to_datetime(np.arange(1000) * 600, unit="s", utc=True)
    assert why(log_of_frame(table)) is None


def test_our_own_states_are_per_user_and_no_cause_for_doubt(lives: Callable) -> None:
    assert why(lives("linucb:epsilon=0.2", users=30, decisions=12).log()) is None


def test_a_prior_that_was_updated_is_seen_in_the_names() -> None:
    table = frame(learned(100), np.arange(1000) % 100)
    table["policy"] = np.where(np.arange(1000) < 500, "mine:a=1,prior=ab12", "mine:a=1,prior=cd34")
    assert "its prior was updated" in str(why(log_of_frame(table)))
    table["policy"] = np.where(np.arange(1000) < 500, "mine:a=1,prior=ab12", "mine:a=2,prior=ab12")
    assert why(log_of_frame(table)) is None


def test_the_verdict_warns_except_where_it_was_allowed_for() -> None:
    """Only `adaptive` with `martingale` or `anytime` does."""
    table = frame(learned(1, n=2000), np.arange(2000))
    names = ("auto", "snips", "dr", "adaptive")
    for interval, fine in (("martingale", {"adaptive"}), ("cluster-t", set())):
        found = evaluate(table, "random", against="logged", estimators=names, interval=interval)
        for row in [*found.results[0].judged.rows, *found.differences]:
            warned = any("adaptive logger" in reason for reason in row.reasons)
            assert warned == (row.estimator not in fine), (row.estimator, interval)
            assert row.verdict == ("caution" if warned else "reliable")


# ---- the study


def test_the_study_has_a_row_for_each_pair_and_is_the_same_again() -> None:
    design = adaptive.Design(cells=("fading,gap=0", "d-shared,epsilon=0.5-2000"), logs=2)
    found = adaptive.study(design)
    assert found == adaptive.study(design)
    assert len(found["rows"]) == 2 * len(adaptive.PAIRS)
    assert adaptive_table(found).count("\n| ") == 2 + len(design.cells)


def test_the_kept_study_covers() -> None:
    """At least .93 on logs of a learning LinUCB, short by at most two standard errors."""
    kept = json.loads((KEPT / "adaptive.json").read_text())
    assert kept["design"] == json.loads(json.dumps(asdict(adaptive.Design())))
    ours = [r for r in kept["rows"] if r["estimator"] == "adaptive"]
    assert len(ours) == 2 * len(adaptive.Design().cells)
    for row in ours:
        error = row["coverage_standard_error"]
        assert row["covered"] / row["logs"] >= 0.93 - 2 * error, row
        assert row["interval"] in INTERVALS
