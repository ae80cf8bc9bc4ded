"""A world like a log: what it is made of, and the laws of those who live in it."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from journal import Log, read_log
from journal.frame import log_of_frame
from policies import BadInput, make
from policies.policy import Batch, greedy_pmf
from policies.sums import Sums
from replay import study, train
from replay.behavior.propensities import behavior_of
from replay.history.walk import walk
from replay.like.deployment import deploy
from replay.like.lists import NEVER
from replay.like.logs import Written, frozen, rounds_of, shadow, write
from replay.like.people import people_of
from replay.like.world import World, world_of
from replay.sample import sample_of

MINUTE = pd.Timedelta(minutes=1)
NOON = pd.Timestamp("2026-01-05T12:00:00Z")


def world_from(log: Log) -> World:
    return world_of(log, sample_of(log), behavior_of(log), {})


def everyone(world: World, seed: int = 0) -> Any:
    return people_of(world, np.random.default_rng(seed), np.arange(world.users))


def shop(rows: list[tuple[str, int, list[str], str, float]], **more: Any) -> pd.DataFrame:
    """Rows of (user, minute, candidates, action, reward), a feature of each candidate's own."""
    frame = pd.DataFrame(rows, columns=["user_id", "minute", "candidate_ids", "action", "reward"])
    frame["decided_at"] = NOON + frame.pop("minute") * MINUTE
    frame["context"] = [
        [[float(i), float(ord(c[0]))] for c in ids] for i, ids in enumerate(frame.candidate_ids)
    ]
    frame["arms"] = [["*"] * len(ids) for ids in frame.candidate_ids]
    frame["pscore"] = [1 / len(ids) for ids in frame.candidate_ids]
    for name, values in more.items():
        frame[name] = values
    return frame


ROWS = [
    ("a", 0, ["x", "y"], "x", 1.0),  # x gets done and is not seen again
    ("a", 10, ["y", "w"], "w", 1.0),  # w gets done and comes back
    ("a", 20, ["w"], "w", 0.0),
    ("a", 30, ["y", "w", "z"], "y", -1.0),
    ("a", 40, ["w", "z"], "z", -1.0),  # y has left unprompted
    ("b", 0, ["x", "y"], "y", 0.0),
    ("b", 40, ["x", "y"], "y", -1.0),
]


@pytest.fixture(scope="module")
def small() -> World:
    return world_from(log_of_frame(shop(ROWS)))


def test_tasks_live_as_the_log_shows(small: World) -> None:
    """Done and gone, done and back, left unprompted: from seven decisions by hand."""
    names = ["x", "y", "w", "z", "x", "y"]  # in order of appearance, a's and then b's
    assert small.tasks.edges.tolist() == [0, 4, 6]
    done = {n for n, at in zip(names[:4], small.tasks.done_at, strict=False) if at != NEVER}
    assert done == {"x"}
    assert small.tasks.share_staying == 0.5
    assert small.tasks.stays.tolist() == [0.0, 0.5, 1.0, 0.5, 0.5, 0.5]
    # y of a left between minutes 30 and 40; lived: x 0, y 35, w 30, z 10, of b 40 and 40
    assert small.tasks.hazard == pytest.approx(1 / (155 * 60e6))


def test_lists_hold_what_was_not_logged(small: World) -> None:
    """x stays after it was not done; y is there at minute 20, with the features of the moment."""
    scene = small.lists
    at = [scene.task[scene.offsets[i] : scene.offsets[i + 1]].tolist() for i in range(5)]
    assert [sorted(tasks) for tasks in at] == [
        [0, 1],
        [0, 1, 2],
        [0, 1, 2],
        [0, 1, 2, 3],
        [0, 2, 3],
    ]
    assert at[2][0] == 2  # what was logged at the moment comes first
    assert small.constant.tolist() == [True, False]
    row = scene.offsets[2] + at[2].index(1)
    assert scene.context[row].tolist() == [2.0, float(ord("y"))]


class Spy:
    """Takes the candidate with the highest second feature, and notes who was shown what."""

    seed, explores = 0, False

    def __init__(self) -> None:
        self.seen: list[tuple[int, list[float]]] = []
        self.taken: list[tuple[int, float]] = []

    def score(self, batch: Batch, sums: Sums) -> np.ndarray:
        return batch.context[:, 1]

    def pmf(self, scores: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        for i, (start, stop) in enumerate(pairwise(offsets.tolist())):
            self.seen.append((i, scores[start:stop].tolist()))
            self.taken.append((i, float(scores[start:stop].max())))
        return greedy_pmf(scores, offsets, 0.0)


def with_means(world: World, q: float, stays: float) -> World:
    tasks = replace(world.tasks, stays=np.full(len(world.tasks.stays), stays))
    return replace(
        world, tasks=tasks, lists=replace(world.lists, q_hat=np.full(len(world.lists.task), q))
    )


def test_what_is_done_leaves_and_what_is_dismissed_stays(small: World) -> None:
    """Every tip done: nobody is shown a candidate twice. Every one dismissed: nothing leaves."""
    spy = Spy()
    alone = replace(everyone(small), leaves=np.full(len(small.tasks.stays), NEVER))
    always = with_means(small, 100.0, 0.0)
    one = people_of(always, np.random.default_rng(0), np.array([0]))
    count, value = deploy(always, replace(one, leaves=np.full(4, NEVER)), spy, False)
    assert [name for _, name in spy.taken] == [ord(c) for c in "yxwz"]
    assert count.tolist() == [4.0]  # the list is empty at minute 20: x and y are done, w too
    assert value.tolist() == [4.0]
    count, value = deploy(with_means(small, -100.0, 0.0), alone, Spy(), False)
    assert count.tolist() == [5.0, 2.0]
    assert value.tolist() == [-5.0, -2.0]
    count, _ = deploy(with_means(small, 100.0, 1.0), alone, Spy(), False)
    assert count.tolist() == [5.0, 2.0]  # done, and they stay


def test_a_list_is_no_longer_than_the_longest_logged(small: World) -> None:
    """Three candidates, those logged at the moment before the others."""
    spy = Spy()
    deploy(with_means(small, -100.0, 0.0), everyone(small), spy, False)
    assert max(len(names) for _, names in spy.seen) == small.longest == 3


def test_a_shadow_learns_as_a_walk_does() -> None:
    """The log's own answers: bit for bit the pmfs of `replay.history.walk`, frozen or learning."""
    rng = np.random.default_rng(2)
    n = 60
    ids = [[f"t{c}" for c in range(int(rng.integers(1, 5)))] for _ in range(n)]
    frame = shop([(f"u{i % 7}", i, ids[i], str(rng.choice(ids[i])), float(rng.integers(-1, 2)))
                  for i in range(n)])  # fmt: skip
    frame["context"] = [rng.normal(size=(len(c), 3)).tolist() for c in ids]
    frame["arms"] = [[str(rng.choice(["p", "q"])) for _ in c] for c in ids]
    given = log_of_frame(frame)
    world, policy = world_from(given), make("linucb:alpha=0.7,epsilon=0.1")
    order = np.lexsort((given.decided_at, given.user))
    kept = given.take(order)
    people = everyone(world)
    known = np.ones(n, np.bool_)
    written = Written(kept.offsets, np.arange(len(kept.context)), kept.user, np.zeros(0),
                      kept.chosen, kept.reward, known)  # fmt: skip
    learned = walk(kept, policy, learn="logged").pmf
    assert np.array_equal(shadow(world, people, written, policy), learned)
    states = train(given)
    taught = world_of(given, sample_of(given), behavior_of(given), states)
    assert np.array_equal(
        frozen(taught, policy), walk(kept, policy, states=states, learn="none").pmf
    )


def test_drawn_logs_are_like_the_log(log: Log) -> None:
    """Propensities as logged, rewards of the log, and mean weight 1 within chance."""
    world = world_from(log)
    sums = []
    for seed in range(40):
        people = everyone(world, seed)
        drawn = write(world, people)
        rounds = rounds_of(world, people, drawn, frozen(world, make("linucb:epsilon=0.5")))
        assert set(rounds.reward) <= set(np.unique(sample_of(log).reward))
        assert rounds.users == world.users
        sums.append(
            (rounds.weight.mean() - 1, (rounds.reward - drawn.means[drawn.chosen].mean()).mean())
        )
    away = np.array(sums)
    assert (np.abs(away.mean(axis=0)) < 4 * away.std(axis=0) / np.sqrt(len(away))).all()


def test_where_nothing_persists_the_two_values_are_one() -> None:
    """No candidate is met twice: deployed is, by construction, logged contexts."""
    rng = np.random.default_rng(0)
    ids = [[f"{i}-{c}" for c in range(3)] for i in range(120)]
    paid = (rng.random(120) < 0.4).astype(float)
    rows = [(f"u{i % 30}", i, ids[i], ids[i][i % 3], float(paid[i])) for i in range(120)]
    found = study(shop(rows), ["random", "linucb:epsilon=0.5"], replicates=3, reward_range=(0, 1))
    assert any("no candidate is met in two decisions" in said for said in found.assumptions)
    assert any("the logger is uniform" in said for said in found.assumptions)
    for p in found.policies:
        assert p.gap[0] == pytest.approx(0, abs=1e-12)
        assert p.gap[1] == pytest.approx(0, abs=1e-12)


def test_a_catalogue_does_not_deplete() -> None:
    """What was bought and is offered again stays: no list shrinks, and no gap for the frozen."""
    rng = np.random.default_rng(1)
    offers = ["news", "sale", "gift"]
    rows = [(f"u{i % 30}", i, offers, offers[i % 3], float(rng.random() < 0.3)) for i in range(150)]
    pscore = np.where(np.arange(150) % 2 == 0, 0.5, 0.25)
    found = study(shop(rows, pscore=pscore), "linucb", replicates=2, reward_range=(0, 1))
    assert any("100.0% stay" in said for said in found.assumptions)
    assert any("shares what its logged propensity leaves" in said for said in found.assumptions)
    assert found.policies[0].gap[0] == pytest.approx(0, abs=1e-12)


def test_a_seed_is_a_study(log: Log) -> None:
    """The same numbers again, and others for another; a policy's do not depend on its company."""
    first = study(log, "random", replicates=2, seed=3)
    assert first.to_dict() == study(log, "random", replicates=2, seed=3).to_dict()
    assert first.to_dict() != study(log, "random", replicates=2, seed=4).to_dict()
    both = study(log, ["linucb", "random"], replicates=2, seed=3).to_dict()["policies"][1]
    assert both == first.to_dict()["policies"][0]


def test_the_command_says_it_all(
    file: Path, log: Log, run: Callable[..., Any], tmp_path: Path
) -> None:
    """JSON on stdout, the folder beside it; the same as from Python in one process."""
    out = tmp_path / "like"
    done = run("study", "--like", file, "--learn", "logged", "--replicates", 3, "--out", out,
               "--policy", "linucb", "--policy", "random", "--json")  # fmt: skip
    assert done.code == 0
    found = done.json
    assert json.loads((out / "study.json").read_text()) == found
    assert (out / "study.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "summary.md").read_text()
    assert found["advice"] in page
    for said in found["assumptions"]:
        assert f"- {said}" in page
    assert [p["policy"].partition(":")[0] for p in found["policies"]] == ["linucb", "random"]
    for p in found["policies"]:
        assert p["logged_contexts"]["question"] == "value on logged contexts"
        assert p["deployed"]["question"] == "value if deployed"
        gap = p["deployed"]["truth"] - p["logged_contexts"]["truth"]
        assert p["gap"]["value"] == pytest.approx(gap, abs=1e-12)
        dm = next(pair for pair in p["pairs"] if pair["estimator"] == "dm")
        assert dm["interval"] is dm["coverage"] is None
        autos = {pair["interval"] for pair in p["pairs"] if pair["estimator"] == "auto"}
        assert autos == {"auto"}  # what `evaluate` cannot be asked for is not advised
    again = study(log, ["linucb", "random"], learn="logged", replicates=3).to_dict()
    assert again["policies"] == found["policies"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--replicates", 1], "--replicates: must be at least 2"),
        (["--level", 1], "--level: must be between 0 and 1"),
        (["--seed", -1], "--seed: must not be negative"),
        (["--learn", "replay"], "--learn"),
        (["--policy", "nobody"], "policy"),
        (["--state", "nowhere"], "no such directory of states"),
    ],
)
def test_bad_usage_is_one_line(
    refused: Callable[..., str], file: Path, options: list[object], said: str
) -> None:
    """Before any work is done."""
    assert said in refused("study", "--like", file, *options)


def test_a_log_that_cannot_say_how_it_was_made_is_refused() -> None:
    """Without propensities, without a choice, without a second person."""
    frame = shop(ROWS)
    for change, why in (
        ({"pscore": [None] * len(frame)}, "needs the propensity of every decision"),
        ({"pscore": [1.0] * len(frame)}, "deterministic logger"),
        ({"user_id": ["a"] * len(frame)}, "at least two users"),
    ):
        with pytest.raises(BadInput, match=why):
            study(frame.assign(**change), "random", replicates=2)


OWN = """
from dataclasses import dataclass
import numpy as np

@dataclass(frozen=True)
class Half:
    seed: int = 0
    explores: bool = True

    def score(self, batch, sums):
        return np.zeros(len(batch.slot))

    def pmf(self, scores, offsets):
        return np.full(len(scores), 0.25)
"""


def test_what_is_no_pmf_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """A policy of one's own is asked in many processes; what it did wrong comes back."""
    (tmp_path / "half_policy.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadInput, match=r"policy half_policy:Half.*sum to 1"):
        study(log, "half_policy:Half", replicates=2)


@pytest.mark.parametrize("reward", [[1.0] * 7, [None] * 7, [0.0, 5e5, 1e6, 1e6, 0.0, 1e6, 2e5]])
def test_strange_rewards_are_a_world_too(reward: list[float | None]) -> None:
    """All alike, none at all, large: finite, and within their range."""
    span = (0.0, 1e6) if reward[1] == 5e5 else (-1.0, 1.0)
    found = study(shop(ROWS).assign(reward=reward), replicates=2, reward_range=span)
    for p in found.policies:
        assert span[0] <= p.logged.value <= span[1]
        assert span[0] <= p.deployed.value <= span[1]


def test_a_published_log_is_a_world_without_lists(shared: Path) -> None:
    """The Open Bandit Dataset: rows are people, clicks are rewards, nothing comes back."""
    log = read_log(f"obd:{shared}/data/obd/random/men").take(np.arange(1500))
    found = study(log, "random", replicates=2)
    assert found.policies[0].gap[0] == pytest.approx(0, abs=1e-12)
    assert found.world.noise.values.tolist() == [0.0, 1.0]
    assert any("no candidate is met in two decisions" in said for said in found.assumptions)
