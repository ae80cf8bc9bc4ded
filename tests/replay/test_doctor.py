"""The log doctor: honest logs are left in peace, every planted fault is named."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from journal import Log, log_of_frame
from journal.frame import frame_of_log
from replay import validate
from replay.doctor.counts import log_tail
from replay.doctor.diagnosis import CHANGES, Diagnosis
from replay.sample import sample_of

ROOT = Path(__file__).parents[2]
DRAWS = ("calibration", "accounted", "late", "late-suspected", "rebuilt")
OURS = ["state_seq", "feedback_seq", "digest", "expected_reward"]


def foreign(log: Log, *dropped: str) -> pd.DataFrame:
    """The log as another system would have kept it."""
    return frame_of_log(log).drop(columns=[*OURS, *dropped]).assign(policy="theirs")


def refuses(found: Diagnosis, *ids: str) -> list[str]:
    """The sentences of these findings that say what cannot be answered."""
    return [f.says for f in found.findings if f.severity == "cannot" and f.id in ids]


def shop(pscore: Any = None, rows: int = 4000, seed: int = 0) -> pd.DataFrame:
    """Three offers from a logger that never changes; no contexts, no pmfs."""
    rng = np.random.default_rng(seed)
    offers, logger = ["news", "sale", "gift"], np.array([0.5, 0.3, 0.2])
    shown = rng.choice(3, p=logger, size=rows)
    frame = pd.DataFrame(
        {"user_id": rng.integers(200, size=rows), "action": np.take(offers, shown)}
    )
    frame["candidate_ids"] = [offers] * rows
    frame["pscore"] = (logger if pscore is None else np.array(pscore))[shown]
    frame["reward"] = (rng.random(rows) < 0.1).astype(float)
    return frame


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5])
@pytest.mark.parametrize("n", [5, 100, 3000])
def test_the_bound_is_no_smaller_than_the_exact_tail(n: int, p: float) -> None:
    """Freedman's inequality holds for the plainest martingale, whose tail is known."""
    for t in np.linspace(0.5, max(1.0, min(n * p, 6 * np.sqrt(n * p * (1 - p)))), 20):
        exact = binom.cdf(np.floor(n * p - t), n, p) + binom.sf(np.ceil(n * p + t) - 1, n, p)
        assert exact <= np.exp(log_tail(t, n * p * (1 - p), 1.0)) * (1 + 1e-9)


@pytest.mark.parametrize("spec", ["random", "linucb:epsilon=0.2"])
def test_honest_logs_are_left_in_peace(lives: Callable, spec: str) -> None:
    """At most one honest log in 1,000 is accused: 24 of them are all right in 97 of 100 runs."""
    for seed in range(4):
        log = lives(spec, users=40, decisions=10, seed=100 + seed).log()
        for given in (log, foreign(log), foreign(log, "pmf")):
            found = validate(given)
            assert not refuses(found, *DRAWS)
            assert found.named("calibration")[0].figures["groups"] > 10
        assert validate(log).named("late")[0].severity == "fact"


@pytest.mark.parametrize("spec", ["linucb:epsilon=0.2", "linucb:alpha=0,epsilon=0.3"])
def test_propensities_of_after_the_update_are_named(lives: Callable, spec: str) -> None:
    """By rebuilding where the log is ours; by the draws, which do not follow them, elsewhere."""
    log = lives(spec, users=60, decisions=12, late=True).log()
    ours = validate(log)
    assert "were computed after their own feedback" in refuses(ours, "late")[0]
    assert ours.advice == CHANGES["draw"]
    assert "an audit that holds" in refuses(ours, "audit")[0]
    theirs = validate(foreign(log))
    assert "most likely computed after their feedback" in refuses(theirs, "late-suspected")[0]
    assert refuses(theirs, "calibration")
    assert refuses(validate(foreign(log, "pmf")), "calibration")


def test_a_propensity_that_is_too_high_for_one_arm(lives: Callable) -> None:
    assert not refuses(validate(shop(), reward_range=(0, 1)), *DRAWS)
    for factor, id in ((1.3, "accounted"), (1 / 1.3, "calibration")):
        found = validate(shop([0.5, 0.3, 0.2 * factor]), reward_range=(0, 1))
        assert "arm gift" in refuses(found, id)[0]
    log = lives(users=250, decisions=16).log()
    work = np.array([log.arm_names[a] == "work" for a in log.arm])
    pmf = log.pmf * np.where(work, 1.5, 1.0)
    pmf /= np.repeat(np.add.reduceat(pmf, log.offsets[:-1]), np.diff(log.offsets))
    frame = foreign(log, "pscore").assign(pmf=np.split(pmf, log.offsets[1:-1]))
    assert "arm work: drawn" in refuses(validate(frame), "calibration")[0]


def test_pscores_that_fit_each_other_but_not_the_draws() -> None:
    """They add up to 1 and never change: what was not drawn has a known probability as well."""
    found = validate(shop([0.4, 0.4, 0.2], rows=1500), reward_range=(0, 1))
    assert "arm sale, its own pscore: drawn" in refuses(found, "calibration")[0]


def test_permuted_propensities(lives: Callable) -> None:
    log = lives("linucb:epsilon=0.2", users=250, decisions=16).log()
    turn = np.random.default_rng(1)
    frame = foreign(log, "pmf")
    frame["pscore"] = turn.permutation(frame["pscore"])
    assert refuses(validate(frame), "calibration")
    pmfs = list(np.split(log.pmf, log.offsets[1:-1]))
    sizes = np.diff(log.offsets)
    for k in np.unique(sizes):
        rows = np.flatnonzero(sizes == k)
        for i, j in zip(rows, turn.permutation(rows), strict=True):
            pmfs[i] = log.pmf[log.offsets[j] : log.offsets[j + 1]]
    found = validate(foreign(log, "pscore").assign(pmf=pmfs))
    assert "probabilities from 0.8 to 0.9" in refuses(found, "calibration")[0]


def test_a_decision_that_is_not_what_its_policy_gives(log: Log, replaced: Callable) -> None:
    first = log.decision_id[0]
    other = replaced(log, "policy", ["linucb:alpha=9", *log.table["policy"].to_pylist()[1:]])
    assert "its pmf is not what" in refuses(validate(other), "rebuilt")[0]
    shifted = log.table["action"].to_pylist()
    shifted[0] = (shifted[0] + 1) % int(np.diff(log.offsets)[0])
    found = validate(replaced(log, "action", shifted))
    assert (
        f"1 decisions are not what their policy makes of the journal; {first}"
        in (refuses(found, "rebuilt")[0])
    )


def test_a_part_of_a_journal_is_not_accused(lives: Callable) -> None:
    """Its later half cannot be rebuilt, and that is no fault of its propensities."""
    log = lives("linucb:epsilon=0.2", users=30).log()
    found = validate(log.take(np.arange(len(log) // 2, len(log))))
    assert not refuses(found, *DRAWS)
    assert "it needs the journal from its start" in refuses(found, "audit")[0]
    assert "the log is a part of its journal" in found.named("late-unknown")[0].says


def test_a_declared_logger_is_tested_as_well(log: Log) -> None:
    """`--behavior random` for a log of other propensities does not survive its draws."""
    assert not refuses(validate(foreign(log, "pmf", "pscore"), behavior="random"), "calibration")
    blind = shop().drop(columns="pscore")
    found = validate(blind, behavior="random", reward_range=(0, 1))
    assert "arm news: drawn" in refuses(found, "calibration")[0]


def test_loggers_without_a_choice(lives: Callable, log: Log) -> None:
    found = validate(lives("linucb:epsilon=0", users=25).log())
    assert "the logger is deterministic" in refuses(found, "deterministic")[0]
    assert found.advice == CHANGES["exploration"]
    assert "deterministic logger" in refuses(found, "policy")[0]
    frame = foreign(log, "pmf")
    frame.loc[::3, "pscore"] = 1.0
    assert re.search(
        r"on 3\d% of the decisions", refuses(validate(frame), "deterministic-share")[0]
    )
    alone = frame_of_log(log).iloc[:, :0].assign(user_id=log.table["user_id"].to_pylist())
    alone = alone.assign(candidate_ids=[["a"]] * len(log), action="a", pscore=1.0, reward=0.5)
    assert "a single candidate" in refuses(validate(alone), "single-candidates")[0]


def test_what_the_logger_could_not_draw() -> None:
    rows = 600
    rng = np.random.default_rng(0)
    shown = rng.choice(2, size=rows)
    frame = pd.DataFrame({"user_id": rng.integers(60, size=rows), "action": shown})
    frame["candidate_ids"] = [["a", "b", "c"]] * rows
    frame["pmf"] = [[0.5, 0.5, 0.0]] * rows
    frame["reward"] = rng.choice([0.0, 1.0], size=rows)
    found = validate(frame)
    assert "33.3% of candidates" in refuses(found, "support")[0]
    assert "support 0.667" in refuses(found, "policy")[0]
    frame["pmf"] = [[0.5, 0.4999, 0.0001]] * rows
    assert "one decision can weigh as much as 1e+04" in refuses(validate(frame), "floor")[0]
    missing = validate(frame.drop(columns="pmf"))
    assert missing.advice == CHANGES["pscore"]
    frame["pmf"] = [None, *frame["pmf"][1:]]
    assert "1 decisions lack a propensity" in refuses(validate(frame), "propensities")[0]


def test_people_few_dominant_unequal_and_unknown(log: Log) -> None:
    frame = foreign(log)
    assert validate(frame).named("users")[0].figures["equal_users"] == pytest.approx(40)
    few = validate(frame[frame["user_id"].isin([f"u{i}" for i in range(7)])])
    assert "7 users, at least 20" in refuses(few, "few-users")[0]
    frame["user_id"] = np.where(np.arange(len(frame)) < 0.6 * len(frame), "u0", frame["user_id"])
    assert "61% of the decisions are of user u0" in refuses(validate(frame), "dominant-user")[0]
    rows = validate(frame.assign(user_id=[f"row-{i}" for i in range(len(frame))]))
    assert refuses(rows, "no-users")
    alike = validate(foreign(log).replace({"user_id": {"u1": "U0"}}))
    assert "u0 and U0" in alike.named("alike-users")[0].says


def test_decisions_that_are_there_twice_under_other_users(log: Log) -> None:
    frame = foreign(log)
    again = frame.assign(user_id="copy-" + frame["user_id"], decision_id="x" + frame["decision_id"])
    found = validate(pd.concat([frame, again], ignore_index=True))
    assert f"{len(log)} of {2 * len(log)} decisions are there again" in refuses(found, "copies")[0]
    assert found.advice == CHANGES["once"]
    assert not refuses(validate(frame), "copies")
    same_day = shop().assign(decided_at="2024-01-01")  # one moment for all, and no contexts
    assert not refuses(validate(same_day, reward_range=(0, 1)), "copies")


def test_silence_is_bounded(lives: Callable) -> None:
    log = lives(window_s=None, users=25).log()
    found = validate(log)
    low, high = found.named("silence")[0].figures["bounds"]
    mean = np.where(log.answered, log.reward, 0.0).mean()
    assert (low, high) == pytest.approx(
        (mean - (~log.answered).mean(), mean + (~log.answered).mean())
    )
    assert "no reward window is logged" in refuses(found, "window")[0]
    frame = foreign(log, "feedback")
    frame.loc[np.arange(len(frame)) % 4 > 0, ["reward", "feedback_at"]] = [np.nan, pd.NaT]
    assert "what most tips are worth" in refuses(validate(frame), "silence")[0]
    assert validate(lives(users=25).log()).named("censored")[0].figures["censored"] > 0


def test_contexts_that_tell_nothing_apart(log: Log) -> None:
    def with_context(change: Callable[[np.ndarray], np.ndarray], arms: bool = True) -> Diagnosis:
        frame = foreign(log, *(() if arms else ("arms",)))
        frame["context"] = [change(np.stack(list(x))).tolist() for x in frame["context"]]
        return validate(frame)

    def column(j: int, values: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda x: np.column_stack(
            [x[:, :j], np.broadcast_to(values(x), len(x)), x[:, j + 1 :]]
        )

    assert refuses(with_context(column(2, lambda _: 7.0)), "constant-feature") == [
        "what feature is_overdue is worth: it is 7 everywhere"
    ]
    flat = with_context(column(1, lambda x: x[0, 1])).named("flat-feature")
    assert flat[0].figures["features"] == [1]
    equal = refuses(with_context(column(3, lambda x: x[:, 0])), "double-feature")
    assert "hour_sin and feature task_age matters: they are equal" in equal[0]
    scaled = refuses(with_context(column(3, lambda x: 3 - 2 * x[:, 0])), "double-feature")
    assert "linear functions of each other" in scaled[0]
    assert "only 4 arms differ" in refuses(with_context(np.zeros_like), "context")[0]
    one = with_context(lambda x: np.repeat(x[:1], len(x), axis=0), arms=False)
    assert "which candidate is better" in refuses(one, "context")[0]
    clean = validate(log)
    assert not refuses(clean, "context", "constant-feature", "double-feature", "rare-arms")


def test_arms_that_were_hardly_shown(log: Log, replaced: Callable) -> None:
    arms = log.table["arms"].to_pylist()
    shown = int(log.action[5])
    arms[5][shown] = "new"
    found = validate(replaced(log, "arms", arms))
    assert "new, shown fewer than 5 times" in refuses(found, "rare-arms")[0]


def test_several_loggers_one_after_the_other_or_side_by_side(log: Log, replaced: Callable) -> None:
    n = len(log)
    halves = replaced(foreign_log(log), "policy", ["old"] * (n // 2) + ["new"] * (n - n // 2))
    found = validate(halves)
    assert [f.figures["policy"] for f in found.named("logger")] == ["old", "new"]
    assert refuses(found, "one-after-the-other")
    mixed = validate(replaced(foreign_log(log), "policy", ["old", "new"] * (n // 2)))
    assert "they can be compared" in mixed.named("side-by-side")[0].says
    assert not mixed.named("overlap")  # both could take everything
    assert not validate(log).named("logger")


def foreign_log(log: Log) -> Log:
    return log_of_frame(foreign(log))


def test_policies_one_asks_about(log: Log) -> None:
    found = validate(log, ["linucb:alpha=0", "linucb:epsilon=0,lambda=2"])
    asked = {f.figures["policy"]: f.figures for f in found.named("policy")}
    assert len(asked) == 4
    assert asked["random"]["ess"] == pytest.approx(asked["random"]["mean_weight"] * 280, rel=0.3)
    greedy = asked["greedy on q_hat"]
    assert greedy["ess"] < asked["random"]["ess"]
    assert greedy["support"] == pytest.approx(1)

    def first(candidate_ids: list[str], _: np.ndarray) -> list[float]:
        return [float(i == 0) for i in range(len(candidate_ids))]

    (named,) = (f for f in validate(log, first).findings if f.figures.get("policy") == "first")
    rows = sample_of(log).rows
    weight = np.diff(log.offsets)[rows] * (log.action[rows] == 0)  # of a uniform logger: K or 0
    assert named.figures["ess"] == pytest.approx(weight.sum() ** 2 / (weight @ weight))


def test_advice_is_the_change_that_opens_most(log: Log) -> None:
    """Whatever else is wrong, a log without propensities needs them first."""
    found = validate(foreign(log, "pmf", "pscore").iloc[:30])
    assert found.advice == CHANGES["pscore"]
    keys = list(CHANGES)
    for case in (found, validate(foreign(log)), validate(shop(), reward_range=(0, 1))):
        asked = [f.helps for f in case.findings if f.helps is not None]
        assert asked
        assert case.advice == CHANGES[min(asked, key=keys.index)]
    assert validate(log).advice is None


def test_a_frame_with_its_own_column_names() -> None:
    renamed = shop().rename(columns={"user_id": "customer", "pscore": "p", "reward": "bought"})
    columns = {"user_id": "customer", "pscore": "p", "reward": "bought"}
    found = validate(renamed, columns=columns, reward_range=(0, 1))
    assert found.to_dict() == validate(shop(), reward_range=(0, 1)).to_dict()


def test_the_command_asks_about_policies(file: Path, run: Callable, refused: Callable) -> None:
    done = run("validate", file, "--policy", "linucb:alpha=0", "--behavior", "random", "--json")
    assert done.code == 0
    assert any(f["figures"].get("policy", "").startswith("linucb") for f in done.json["findings"])
    assert "must be one of random, linucb or module:Class, found 'nope'" in refused(
        "validate", file, "--policy", "nope"
    )


def test_every_finding_and_change_is_documented() -> None:
    """In docs/doctor.md, by its id."""
    page = (ROOT / "docs" / "doctor.md").read_text()
    source = "\n".join(p.read_text() for p in sorted((ROOT / "replay" / "doctor").glob("*.py")))
    ids = set(re.findall(r'(?:said|Finding)\(\s*"([a-z-]+)",\s*(?=["\w])', source))
    assert len(ids) > 30
    assert {i for i in ids if f"`{i}`" not in page} == set()
    helps = set(re.findall(r'"helps": "([a-z-]+)"', source)) | set(CHANGES)
    assert helps <= set(CHANGES)
