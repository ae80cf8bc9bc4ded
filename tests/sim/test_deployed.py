"""The value if deployed: closed loops of several policies in one world, paired."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from journal import Log
from policies import BadInput, make
from policies.state import UserState
from replay import evaluate, train
from sim import deployed, generate
from sim import run as simulate
from sim.deployment import difference

DAY = 86_400_000_000


def truth(log: Log, rows: np.ndarray | slice = slice(None)) -> float:
    """Mean over decisions of sum pmf q, one by one as they are logged."""
    pmf, q = log.pmf, log.expected_reward
    assert pmf is not None
    assert q is not None
    return float(np.add.reduceat(pmf * q, log.offsets[:-1])[rows].mean())


def test_run_says_the_question_and_pairs_the_policies(run: Callable) -> None:
    """One object: the world, a row a policy, differences to the first."""
    specs = ["random", "linucb", "linucb:arm=shared,epsilon=0.2"]
    named = [part for spec in specs for part in ("--policy", spec)]
    arguments = ["--scenario", "mornings", "--users", 8, "--days", 6, "--seed", 2]
    done = run("run", *arguments, *named, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    assert list(found) == ["world", "policies", "differences"]
    assert found["world"] == {"scenario": "mornings", "users": 8, "days": 6, "seed": 2}
    for row in found["policies"]:
        assert list(row) == [
            "policy", "question", "truth_deployed", "standard_error", "mean_reward", "decisions",
        ]  # fmt: skip
        assert row["question"] == "value if deployed"
        assert -1 <= row["truth_deployed"] <= 1
        assert row["decisions"] > 100
    first, *others = found["policies"]
    assert [d["policy"] for d in found["differences"]] == [row["policy"] for row in others]
    for d, row in zip(found["differences"], others, strict=True):
        assert d["against"] == first["policy"] == "random"
        assert d["value"] == row["truth_deployed"] - first["truth_deployed"]
        assert d["standard_error"] > 0
    said = run("run", *arguments, *named)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Question: value if deployed")
    assert run("run", *arguments, *named, "--json").out == done.out


def test_the_value_of_a_closed_loop_is_that_of_its_log() -> None:
    """`run`, `generate` and `deployed` tell one story of the same policy."""
    for spec in ("random", "linucb:epsilon=0.3"):
        log = generate("procrastinators", 7, 9, make(spec), 3)
        (one,) = simulate("procrastinators", 7, 9, [make(spec)], 3)
        assert one.truth_deployed == pytest.approx(truth(log), abs=1e-12)
        assert one.decisions.sum() == len(log)
        assert one.reward.sum() == pytest.approx(np.nansum(log.reward), abs=1e-9)
        assert log.world is not None
        again = deployed(log.world, make(spec), behavior=make(spec))
        assert again == pytest.approx(truth(log), abs=1e-12)


@pytest.mark.parametrize("spec", ["random", "linucb:epsilon=0.3"])
def test_who_takes_over_from_itself_changes_nothing(spec: str) -> None:
    """From any day on: the mean over the decisions of that day and later."""
    log = generate("steady", 7, 9, make(spec), 3)
    assert log.world is not None
    for until in (log.decided_at[0] + 4 * DAY, int(log.decided_at[len(log) // 2])):
        found = deployed(log.world, make(spec), behavior=make(spec), until=int(until))
        assert found == pytest.approx(truth(log, log.decided_at >= until), abs=1e-12)


def test_frozen_learning_and_trained_are_three_values() -> None:
    """Frozen at nothing, learning on, and frozen at what the log taught."""
    log = generate("mornings", 30, 20, make("random"), 3)
    until = int(np.median(log.decided_at))
    states = train(log, until)
    assert log.world is not None
    policy, behavior = make("linucb:epsilon=0.05"), make("random")

    def value(learn: bool, given: dict[str, UserState] | None) -> float:
        assert log.world is not None
        return deployed(
            log.world, policy, behavior=behavior, until=until, states=given, learn=learn
        )

    frozen, learning, trained = value(False, None), value(True, None), value(False, states)
    assert len({frozen, learning, trained}) == 3
    assert trained > frozen + 0.02
    assert learning > frozen + 0.02
    for user, state in states.items():
        assert state.seq == train(log, until)[user].seq  # what was given is left alone


def test_greed_depletes_what_random_leaves_lying() -> None:
    """`depletion`: good on logged contexts, worse once deployed. The two questions differ."""
    log = generate("depletion", 40, 28, make("random"), 1)
    spec = "linucb:epsilon=0.05"
    until = int(np.median(log.decided_at))
    states = train(log, until)
    later = log.take(log.decided_at >= until)
    found = evaluate(later, policy=spec, state=states, learn="none").to_dict()["policies"][0]
    assert log.world is not None
    value = deployed(
        log.world, make(spec), behavior=make("random"), until=until, states=states, learn=False
    )
    assert found["truth_log"] > value + 0.1


def test_a_paired_difference_is_smaller_in_error_than_two_worlds() -> None:
    """The same people and noise: one policy against itself differs by nothing."""
    one, again, other = simulate(
        "steady", 20, 10, [make("random"), make("random"), make("random:seed=5")], 2
    )
    same = difference(again, one)
    assert (same["value"], same["standard_error"]) == (0.0, 0.0)
    paired = difference(other, one)
    errors = [run.to_dict()["standard_error"] for run in (one, other)]
    assert 0 < paired["standard_error"] < math.hypot(*errors)


def test_one_person_has_no_standard_error(run: Callable) -> None:
    """Unknown is said, not 0."""
    arguments = ["--scenario", "steady", "--users", 1, "--days", 5, "--policy", "random"]
    done = run("run", *arguments, "--json")
    assert done.code == 0
    assert done.json["policies"][0]["standard_error"] is None
    assert "unknown" in run("run", *arguments).out


@pytest.mark.parametrize("world", [{}, {"scenario": "steady"}, {"scenario": "none"}])
def test_a_log_of_no_world_cannot_be_run_again(world: dict) -> None:
    """BadInput, not a KeyError."""
    with pytest.raises(BadInput, match="world"):
        deployed(world, make("random"), behavior=make("random"))


def test_nobody_after_the_end_is_refused(learned: Log) -> None:
    """A moment after the last session: no value can be told."""
    assert learned.world is not None
    end = int(learned.decided_at.max()) + 1
    with pytest.raises(BadInput, match="nobody asks"):
        deployed(learned.world, make("random"), behavior=make("random"), until=end)
