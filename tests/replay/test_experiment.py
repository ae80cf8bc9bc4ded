"""`experiment`: users as the sample, laws of the differences, and a split that is broken."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import Log, log_of, read_log, write_log
from policies import BadInput, make
from policies.experiment import Experiment, parse
from policies.loop import UserLoop
from policies.records import Decision, Feedback
from policies.state import UserState
from replay.intervals.cluster import clustered_error, t_value
from replay.online.experiment import experiment
from replay.online.ratio import ratio_of
from replay.online.sides import bands, side_from, side_of
from replay.rounds import Rounds
from sim.logs import generate

TWO = 'name = "two"\nvariants = [{name = "a", policy = "random", share = 0.5},'
TWO += '{name = "b", policy = "linucb:epsilon=0.2", share = 0.5}]'
PAIR = parse(TWO, "two.toml")
SPLIT = {"a": 0.5, "b": 0.3, "c": 0.2}
THREE = parse(
    'name = "three"\nvariants = [{name = "a", policy = "random", share = 0.4},'
    '{name = "b", policy = "linucb", share = 0.3}, {name = "c", policy = "random", share = 0.3}]',
    "three.toml",
)


@pytest.fixture(scope="module")
def lived() -> Log:
    return generate("steady", 80, 11, PAIR, seed=3)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def three() -> Log:
    return generate("steady", 30, 5, THREE, seed=3)  # type: ignore[arg-type]


def made(
    users: dict[str, str], of: Experiment = PAIR, name: str = "two", twice: str | None = None
) -> Log:
    """A log of three decisions a user, assigned as told; `twice` changes over on the way."""
    records: list[tuple[Decision, Feedback | None]] = []
    variants = []
    for user, variant in users.items():
        rng = np.random.default_rng([4, int(user[1:])])
        loop = UserLoop(UserState.empty(user, "tip-v1", 5))
        for i in range(3):
            at = 1_700_000_000_000_000 + i * 86_400_000_000 * 4
            d, _ = loop.decide(
                make("random"), f"{user}-{i}", at, ["x", "y"], ["*", "*"], np.zeros((2, 5)), None
            )
            told = loop.answer(d.decision_id, None, float(rng.integers(-1, 2)), at)
            records.append((d, told))
            other = next(v.name for v in of.variants if v.name != variant)
            variants.append(other if user == twice and i == 2 else variant)
    share = {v.name: v.share for v in of.variants}
    further = {
        "experiment": [name] * len(records),
        "variant": variants,
        "variant_probability": [share[v] for v in variants],
    }
    return log_of(records, further=further, experiments=[of.text])


def test_each_side_is_the_mean_and_clustered_error_of_its_users(lived: Log) -> None:
    """Against `clustered_error` on the rows; users of the smaller side give the degrees."""
    found = experiment(lived)
    assert [a.variant for a in found.arms] == ["a", "b"]
    assert found.control == "a"
    window = 86_400_000_000
    latest = max(lived.decided_at.max(), lived.feedback_at.max())
    kept = lived.decided_at + window <= latest
    reward = np.where(lived.answered, lived.reward, 0.0)
    words = np.array(lived.table["variant"].to_pylist())
    means, errors, users = [], [], []
    for arm in found.arms:
        rows = kept & (words == arm.variant)
        assert arm.decisions == rows.sum()
        assert arm.mean_reward == pytest.approx(reward[rows].mean(), rel=1e-12)
        r, user = reward[rows], lived.user[rows]
        rounds = Rounds(r, None, np.ones(len(r)), user=user)
        means.append(r.mean())
        errors.append(clustered_error(rounds, r - r.mean()))
        users.append(rounds.equal_users)
    (d,) = found.differences
    error = math.hypot(*errors)
    assert d.value == pytest.approx(means[1] - means[0], rel=1e-9)
    assert d.standard_error == pytest.approx(error, rel=1e-9)
    assert d.cluster_t is not None
    half = t_value(0.95, min(users) - 1) * error
    assert d.cluster_t == pytest.approx((d.value - half, d.value + half), rel=1e-9)
    assert sum(a.users for a in found.arms) == len(lived.user_names)
    assert all(0 < (a.answered or 0) < 1 for a in found.arms)
    assert found.censored == (~kept).sum() > 0


def test_the_other_way_round_is_the_negative(lived: Log) -> None:
    (d,), (e,) = experiment(lived).differences, experiment(lived, against="b").differences
    assert (d.variant, d.against, e.variant, e.against) == ("b", "a", "a", "b")
    assert d.value == -(e.value or 0)
    for one, other in ((d.cluster_t, e.cluster_t), (d.anytime, e.anytime)):
        assert one is not None
        assert other is not None
        assert one == (-other[1], -other[0])


def test_anytime_is_the_wider_and_begins_on_day_seven(lived: Log) -> None:
    (d,) = experiment(lived).differences
    half, once = d.bands.anytime, d.bands.cluster_t
    assert np.isnan(half[:6]).all()
    assert (half[6:] > once[6:]).all()
    assert d.anytime is not None
    assert d.verdict in ("reliable", "caution")
    early = experiment(generate("steady", 80, 5, PAIR, seed=3)).differences[0]  # type: ignore[arg-type]
    assert early.anytime is None
    assert early.verdict == "caution"
    assert "anytime: the first look is on day 7, this is day 5" in early.reasons


def test_a_higher_level_is_wider(lived: Log) -> None:
    """Nested, both intervals."""
    (low,), (high,) = (experiment(lived, level=x).differences for x in (0.8, 0.99))
    assert (high.bands.cluster_t > low.bands.cluster_t)[1:].all()
    assert (high.bands.anytime > low.bands.anytime)[6:].all()


def test_sides_add_up_and_do_not_mind_the_order(rng: np.random.Generator) -> None:
    """Splitting the users and adding gives the same sums, in any order of decisions."""
    user, day = rng.integers(9, size=400), rng.integers(12, size=400)
    reward = rng.integers(-1, 2, 400).astype(float)
    whole = side_of(user, day, reward, 12)
    some = user < 4
    both = side_of(user[some], day[some], reward[some], 12)
    both += side_of(user[~some], day[~some], reward[~some], 12)
    mixed = rng.permutation(400)
    again = side_of(user[mixed], day[mixed], reward[mixed], 12)
    for name in ("users", "decisions", "reward", "reward_squared", "cross"):
        assert (getattr(whole, name) == getattr(both, name)).all()
        assert (getattr(whole, name) == getattr(again, name)).all()


def test_people_who_are_all_alike_leave_no_error() -> None:
    """One user a side has no error at all."""
    one = side_from(np.ones((5, 8)).cumsum(axis=1), np.ones((5, 8)).cumsum(axis=1))
    assert (one.variance == 0).all()
    assert (one.equal_users == 5).all()
    alone = side_from(np.ones((1, 8)), np.ones((1, 8)))
    assert np.isnan(bands(one, alone, 0.95).cluster_t).all()


def test_three_variants_and_any_of_them_as_the_control(three: Log) -> None:
    found = experiment(three, "three", against="b")
    assert [d.variant for d in found.differences] == ["a", "c"]
    assert found.ratio.test == "chi-square"
    assert any("2 differences, each at 0.95" in note for note in found.notes)


def test_a_broken_split_leads_the_report_and_refuses(run: Callable, tmp_path: Path) -> None:
    """40 against 10 of a half each: binomial p 2.4e-5."""
    users = {f"u{i}": "a" if i < 40 else "b" for i in range(50)}
    write_log(made(users), tmp_path / "log.parquet")
    done = run("experiment", tmp_path / "log.parquet", "--out", tmp_path / "out")
    assert done.code == 0
    assert done.out.splitlines()[2].startswith("**Sample ratio mismatch: nothing below can be")
    assert "| b | refused | refused | unreliable |" in done.out
    told = json.loads((tmp_path / "out" / "experiment.json").read_text())
    assert told["sample_ratio"]["p"] == pytest.approx(2 * 1.193e-5, rel=1e-2)
    assert told["differences"][0]["verdict"] == "unreliable"
    assert (tmp_path / "out" / "summary.md").read_text() in done.out


def test_a_user_under_two_variants_is_named_and_left_out() -> None:
    users = {f"u{i}": "ab"[i % 2] for i in range(40)}
    found = experiment(made(users, twice="u7"))
    assert found.sample.crossed == ["u7"]
    assert found.ratio.users == {"a": 20, "b": 19}
    assert sum(a.decisions for a in found.arms) == 39 * 3
    assert "1 users were seen under two variants and are left out: u7" in found.notes
    assert found.differences[0].verdict == "caution"
    assert experiment(made({u: v for u, v in users.items() if u != "u7"})).differences[0].value == (
        found.differences[0].value
    )


def test_a_variant_that_nobody_had_is_missed_by_the_ratio() -> None:
    """Its logs were lost: the content of the experiment knows of it."""
    found = experiment(made({f"u{i}": "a" for i in range(30)}))
    assert found.ratio.users == {"a": 30, "b": 0}
    assert found.broken
    (d,) = found.differences
    assert (d.value, d.cluster_t, d.verdict) == (None, None, "unreliable")


@pytest.mark.parametrize(
    ("users", "shares", "test", "p"),
    [
        ({"a": 6, "b": 4}, {"a": 0.5, "b": 0.5}, "binomial", 0.75390625),
        ({"a": 0, "b": 10}, {"a": 0.5, "b": 0.5}, "binomial", 2 / 1024),
        ({"a": 50, "b": 30, "c": 20}, SPLIT, "chi-square", 1.0),
        (
            {"a": 30, "b": 50, "c": 20},
            {"a": 0.5, "b": 0.3, "c": 0.2},
            "chi-square",
            math.exp(-32 / 3),
        ),
    ],
)
def test_the_ratio_test_is_exact_where_it_can_be(
    users: dict[str, int], shares: dict[str, float], test: str, p: float
) -> None:
    found = ratio_of(users, shares)
    assert found.test == test
    assert found.p == pytest.approx(p, rel=1e-9)


def test_the_drawn_multinomial_is_that_of_all_outcomes() -> None:
    """Three variants of few: every outcome of 6 users counted; 4.5 Monte-Carlo errors."""
    share = np.array([0.8, 0.1, 0.1])

    def statistic(counts: Any) -> float:
        return float((np.square(counts - 6 * share) / (6 * share)).sum())

    p, seen = 0.0, statistic([4, 2, 0])
    for i in range(7):
        for j in range(7 - i):
            counts = [i, j, 6 - i - j]
            ways = math.factorial(6) / math.prod(math.factorial(c) for c in counts)
            p += ways * math.prod(share**counts) * (statistic(counts) >= seen - 1e-9)
    found = ratio_of({"a": 4, "b": 2, "c": 0}, dict(zip("abc", share.tolist(), strict=True)))
    assert found.test == "multinomial"
    assert abs(found.p - p) < 4.5 * math.sqrt(p * (1 - p) / 99_999) + 1e-5


def test_the_command_writes_whole_and_answers_a_script(
    run: Callable, lived: Log, tmp_path: Path
) -> None:
    write_log(lived, tmp_path / "log.parquet")
    done = run("experiment", tmp_path / "log.parquet", "--out", tmp_path / "out", "--json")
    assert done.code == 0
    assert json.loads((tmp_path / "out" / "experiment.json").read_text()) == done.json
    assert done.json["question"] == "value if deployed"
    assert any("no spill-over" in a for a in done.json["assumes"])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "experiment.json", "experiment.png", "summary.md",
    ]  # fmt: skip
    assert read_log(tmp_path / "log.parquet").sha256 == done.json["log"]["sha256"]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--experiment", "four"], "--experiment: must be one of two, found 'four'"),
        (["--against", "z"], "--against: must be one of a, b, found 'z'"),
        (["--level", "1.5"], "--level: must be in (0.5, 1), found 1.5"),
    ],
)
def test_bad_usage_is_one_line(
    refused: Callable, lived: Log, tmp_path: Path, options: list[str], rule: str
) -> None:
    write_log(lived, tmp_path / "log.parquet")
    assert rule in refused("experiment", tmp_path / "log.parquet", *options)


def test_a_log_without_one_and_a_log_of_two(log: Log, three: Log, lived: Log) -> None:
    with pytest.raises(BadInput, match="holds no decision of an experiment"):
        experiment(log)
    two = replace(three, table=_renamed(three))
    with pytest.raises(BadInput, match="the log has several, name one of them, found 'other"):
        experiment(two)
    assert lived is not two


def _renamed(log: Log) -> Any:
    import pyarrow as pa

    names = ["other" if i % 2 else "three" for i in range(len(log))]
    at = log.table.schema.get_field_index("experiment")
    return log.table.set_column(at, "experiment", pa.array(names, pa.string()))
