"""A prior's way: trained on people, kept with the logs it made, refused on its own log."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from journal import Log, frame_of_log, log_of_frame, read_log, write_log
from journal.live import Asked, LiveJournal
from policies import BadInput, make, prior
from replay import audit, evaluate
from replay.history.walk import walk
from replay.like.study import study
from replay.priors.fit import Pairs, cold, fit
from replay.priors.training import FIRST, TrainedPrior, train_prior
from replay.studies import prior as prior_study
from replay.studies.tables import prior_table
from sim.deployment import standard_error
from sim.logs import generate

PEOPLE, DAYS = 40, 8


@pytest.fixture(scope="module")
def taught() -> Log:
    return generate("mornings", PEOPLE, DAYS, make("random"), seed=77)


@pytest.fixture(scope="module")
def trained(taught: Log) -> TrainedPrior:
    return train_prior(taught)


def pairs_of(theta: np.ndarray, noise: float, feedbacks: int, seed: int) -> Pairs:
    """People with these thetas `(P, d)`, each with so many feedbacks."""
    rng = np.random.default_rng(seed)
    people, width = theta.shape
    x = rng.uniform(-1, 1, (people, feedbacks, width))
    r = np.einsum("pnd,pd->pn", x, theta) + rng.normal(0, noise, (people, feedbacks))
    count = np.full(people, float(feedbacks))
    return Pairs(
        np.einsum("pni,pnj->pij", x, x), np.einsum("pn,pni->pi", r, x), count, (r * r).sum(1)
    )


def test_the_fit_finds_the_population_it_was_drawn_from() -> None:
    """Mean and variances within 4.5 standard errors of the drawn thetas' own."""
    people, noise = 2_000, 0.5
    mean, sd = np.array([0.3, -0.2, 0.0]), np.array([0.6, 0.3, 0.15])
    theta = mean + sd * np.random.default_rng(1).normal(size=(people, 3))
    found = fit(pairs_of(theta, noise, 60, 2))
    # a person's own estimate of theta has variance noise^2 / (60 / 3)
    each = np.sqrt(sd**2 + noise**2 / 20)
    assert (np.abs(found.mean - mean) < 4.5 * each / np.sqrt(people)).all()
    variance = noise**2 * np.diag(np.linalg.inv(found.precision))
    assert (np.abs(variance - sd**2) < 4.5 * each**2 * np.sqrt(2 / people)).all()


def test_few_people_leave_it_near_the_cold_start() -> None:
    """And more of the same people move it away from there."""
    off = []
    for people in (1, 10, 100, 1_000):
        theta = np.tile([0.8, -0.5, 0.2], (people, 1))
        found = fit(pairs_of(theta, 0.5, 10, 3))
        off.append(float(np.abs(found.precision - cold(3).precision).max()))
    assert off == sorted(off)
    assert off[0] < 1.0 < off[-1]


def test_the_strength_is_the_one_that_predicts_best(taught: Log, trained: TrainedPrior) -> None:
    """And it beats the cold start on people that it has not seen."""
    best = trained.loss[f"{trained.strength:g}"]
    assert best == min(loss for name, loss in trained.loss.items() if name != "cold")
    assert best < trained.loss["cold"]
    assert (trained.users, trained.feedbacks) == (PEOPLE, int(taught.answered.sum()))
    assert FIRST > 1


def test_nobody_is_predicted_by_a_prior_that_saw_them() -> None:
    """Five people, one feedback each: the loss is that of five fits, each of the four others."""
    rewards = np.array([1.0, -1.0, -1.0, 0.0, -1.0])
    shop = pd.DataFrame({"user_id": [f"u{i}" for i in range(5)], "action": 0, "reward": rewards})
    shop["candidate_ids"] = [["a"]] * 5
    one = np.ones(5)
    pairs = Pairs(one[:, None, None], rewards[:, None], one, rewards * rewards)
    means = [float(fit(pairs.take(np.arange(5) != i)).mean[0]) for i in range(5)]
    loss = float(((rewards - means) ** 2).mean())
    found = train_prior(log_of_frame(shop, action_by="index"))
    assert found.loss["cold"] == pytest.approx(float((rewards**2).mean()))
    for strength, value in found.loss.items():
        assert strength == "cold" or value == pytest.approx(loss, rel=1e-9)
    assert float(fit(pairs).mean[0]) not in means  # else it could not tell


def test_the_order_of_rows_does_not_matter(taught: Log, trained: TrainedPrior) -> None:
    """Only the name of the log and the last digits."""
    order = np.random.default_rng(2).permutation(len(taught))
    one, other = (json.loads(t.text) for t in (trained, train_prior(taught.take(order))))
    assert one["arms"].keys() == other["arms"].keys()
    assert one["learned_from"]["sketch"] == other["learned_from"]["sketch"]
    for arm in one["arms"]:
        for part in ("mean", "precision"):
            np.testing.assert_allclose(one["arms"][arm][part], other["arms"][arm][part], rtol=1e-7)


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """As a process that has read no prior."""
    return lambda: monkeypatch.setattr(prior, "_KNOWN", {})


def holds(log: Log) -> bool:
    found = audit(log)
    return found.ok and found.rebuilt == found.digests == len(log)


def test_the_prior_travels_with_the_log_it_made(
    trained: TrainedPrior, forgotten: Callable, tmp_path: Path
) -> None:
    """Parquet, Arrow, dsjson, a directory, a DataFrame: read by who never saw the prior."""
    (tmp_path / "many").mkdir()
    log = generate("mornings", 3, 4, make(f"linucb:prior={trained.name}"), seed=5)
    half = np.arange(len(log)) < len(log) // 2
    places = ["log.parquet", "log.arrow", "vw:" + str(tmp_path / "log.json")]
    for name in places:
        write_log(log, name if ":" in name else tmp_path / name)
    write_log(log.take(half), tmp_path / "many" / "a.parquet")
    write_log(log.take(~half), tmp_path / "many" / "b.parquet")
    frame = frame_of_log(log)
    for name in [*places, "many"]:
        forgotten()
        again = read_log(name if ":" in name else tmp_path / name)
        assert again.priors == log.priors
        assert holds(again), name
    forgotten()
    assert holds(log_of_frame(frame))


def test_a_journal_keeps_the_prior_that_served(
    trained: TrainedPrior, forgotten: Callable, tmp_path: Path
) -> None:
    """Once, however many decisions it made; state files are rebuilt from raw sums."""
    clock = iter(range(1_700_000_000_000_000, 2**62, 3_600_000_000))
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states", 86_400, lambda: next(clock))
    rng = np.random.default_rng(9)
    for i in range(40):
        arms = [str(a) for a in rng.choice(["work", "home", "mine"], 3)]
        asked = Asked(f"u{i % 3}", list("abc"), arms, rng.random((3, 5)), "tip-v1")
        made, _ = journal.decide(make(f"linucb:prior={trained.name}"), asked)
        if rng.random() < 0.6:
            journal.answer(made.decision_id, "done", 1.0)
    journal.close()
    forgotten()
    log = read_log(tmp_path / "live.db")
    assert log.priors == (trained.text,)
    assert holds(log)


@pytest.mark.parametrize("said", ["[1]", '["{}"]', '["x"]', "oops", "5", "null"])
def test_metadata_that_hold_no_priors_are_refused(
    taught: Log, refused: Callable, tmp_path: Path, said: str
) -> None:
    """A log is data: what it says is checked before anything believes it."""
    about = {**(taught.table.schema.metadata or {}), b"priors": said.encode()}
    path = tmp_path / "log.parquet"
    write_log(Log(taught.table.replace_schema_metadata(about), "x"), path)
    assert "priors" in refused("audit", path)


def test_a_prior_that_was_changed_makes_nothing(
    trained: TrainedPrior, forgotten: Callable, tmp_path: Path
) -> None:
    """Its hash is another: the decisions are not checked, and never wrongly rebuilt."""
    log = generate("mornings", 2, 4, make(f"linucb:prior={trained.name}"), seed=5)
    other = json.dumps([trained.text.replace('"strength"', '"Strength"')])
    about = {**(log.table.schema.metadata or {}), b"priors": other.encode()}
    path = tmp_path / "log.parquet"
    write_log(Log(log.table.replace_schema_metadata(about), "changed"), path)
    forgotten()
    found = audit(read_log(path))
    assert found.rebuilt == 0
    assert "not kept" in str(found.unchecked)


def test_without_its_prior_a_log_is_not_checked_and_says_so(
    trained: TrainedPrior, forgotten: Callable, tmp_path: Path
) -> None:
    """Until somebody names the file."""
    log = generate("mornings", 2, 4, make(f"linucb:prior={trained.name}"), seed=5)
    bare = Log(log.table.replace_schema_metadata(None), "bare")
    forgotten()
    found = audit(bare)
    assert found.rebuilt == 0
    assert any("its prior is not kept with the log" in why for why in found.unchecked)
    path = tmp_path / "prior.json"
    trained.write(path)
    make(f"linucb:prior={path}")
    assert holds(bare)


def test_a_prior_is_refused_on_the_log_it_was_trained_on(
    taught: Log, trained: TrainedPrior
) -> None:
    """On later decisions, and on other logs, it is as good as any policy."""
    middle = int(np.quantile(taught.decided_at, 0.5))
    early = train_prior(taught, until=middle)
    for spec, since, refused in (
        (f"linucb:prior={trained.name}", None, True),
        (f"linucb:prior={trained.name}", middle, True),
        (f"linucb:prior={early.name}", None, True),
        (f"linucb:prior={early.name}", middle, False),
        ("linucb", None, False),
    ):
        rows = evaluate(taught, spec, since=since, estimators=["snips"]).results[0].judged.rows
        assert ("trained on this log" in str(rows[0].reasons)) == refused, (spec, since)


def test_a_prior_of_other_features_is_refused(
    replaced: Callable, taught: Log, trained: TrainedPrior
) -> None:
    """As many numbers, of another meaning."""
    other = replaced(
        replaced(taught, "features", ["mine"] * len(taught)), "digest", [None] * len(taught)
    )
    with pytest.raises(BadInput, match="must be of the features mine, found 'tip-v1'"):
        evaluate(other, f"linucb:prior={trained.name}")


def test_the_study_has_a_row_for_the_first_tips_and_one_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In every scenario, pooled over people and seeds."""
    monkeypatch.setattr(prior_study, "parallel", lambda job, jobs: [job(j) for j in jobs])
    design = prior_study.Design(users=6, days=5, tips=4, seeds=2, train_users=8, train_days=3)
    found = prior_study.study(design)
    rows = [(r["scenario"], r["tips"]) for r in found["scenarios"]]
    assert rows == [(s, t) for s in prior_study.SCENARIOS for t in ("first", "later")]
    assert all(r["people"] == 12 and len(r["strengths"]) == 2 for r in found["scenarios"])
    assert prior_table(found).count("\n| ") == 2 + len(rows)


def test_worlds_like_a_log_know_the_prior_in_every_process(
    taught: Log, trained: TrainedPrior
) -> None:
    """And keys for who draws: as many processes as there are find what one finds."""
    specs = [f"linucb:prior={trained.name}", "lin-ts:draws=5"]
    few = taught.take(taught.user < 12)
    one, many = (
        study(few, specs, replicates=2, learn="logged", processes=processes)
        for processes in (False, True)
    )
    for mine, other in zip(one.policies, many.policies, strict=True):
        np.testing.assert_array_equal(mine.lived_deployed, other.lived_deployed)
        np.testing.assert_array_equal(mine.lived_logged, other.lived_logged)
        assert mine.lived_deployed[1].any()


def test_the_command_writes_the_file_that_the_spec_names(
    run: Callable, taught: Log, trained: TrainedPrior, tmp_path: Path
) -> None:
    log, out = tmp_path / "log.parquet", tmp_path / "prior.json"
    write_log(taught, log)
    done = run("train", log, "--prior", "--out", out)
    assert (done.code, done.err) == (0, "")
    assert f"strength {trained.strength:g}" in done.out
    name = done.out.splitlines()[-1]
    assert make(f"linucb:prior={out}") == make(f"linucb:prior={name}")
    assert json.loads(out.read_text())["learned_from"]["log"] == read_log(log).sha256


def test_what_cannot_become_a_prior_is_refused(run: Callable, taught: Log, tmp_path: Path) -> None:
    """Exit code 2, one line, nothing written."""
    write_log(taught, tmp_path / "log.parquet")
    write_log(taught.take(taught.user < 4), tmp_path / "few.parquet")
    for log, out, rule in (
        ("few", tmp_path / "prior.json", "feedback of at least 5 users, found 4"),
        ("log", tmp_path, "must be a file"),
        ("log", tmp_path / "no" / "prior.json", "the directory does not exist"),
    ):
        done = run("train", tmp_path / f"{log}.parquet", "--prior", "--out", out)
        assert done.code == 2
        assert rule in done.err
        assert done.err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["few.parquet", "log.parquet"]


def test_rewards_that_never_vary_still_make_a_prior() -> None:
    """No noise at all: the precision is bounded, not infinite."""
    shop = pd.DataFrame({"user_id": [f"u{i % 9}" for i in range(90)], "action": 0, "reward": 1.0})
    shop["candidate_ids"] = [["a", "b"]] * 90
    log = log_of_frame(shop, action_by="index")
    found = train_prior(log)
    assert np.isfinite(walk(log, make(f"linucb:prior={found.name}"), learn="none").pmf).all()


def test_in_mornings_a_prior_beats_the_cold_start_in_small() -> None:
    """Over each person's first tips, by more than three standard errors over people."""
    design = prior_study.Design(users=40, days=9, seeds=1, train_users=60, train_days=12)
    found = prior_study._worlds((design, "mornings", 1))
    warm, cold_start = found["warm"]["first"], found["cold"]["first"]
    error = standard_error(warm.influence - cold_start.influence)
    assert error is not None
    assert warm.truth_deployed - cold_start.truth_deployed > 3 * error
