"""A world like a simulated log against the simulator, which knows both values."""

import numpy as np
import pytest

from policies import make
from replay import evaluate, study
from replay.like.study import LikeStudy
from sim import generate
from sim.deployment import run

POLICY = "linucb:alpha=1.0,epsilon=0.05"
USERS, DAYS, SEED = 80, 14, 3
ERRORS = 3.0
SHARE = 0.25  # of the simulator's gap, by which the world's may miss it beyond chance


def both(scenario: str) -> tuple[LikeStudy, float, float, float]:
    """(the study, truth_log, the simulator's gap, the error of both gaps)."""
    log = generate(scenario, USERS, DAYS, make("random"), SEED)
    (deployed,) = run(scenario, USERS, DAYS, [make(POLICY)], SEED)
    (judged,) = evaluate(log, POLICY, learn="logged", estimators=("dr",)).results
    assert judged.truth_log is not None
    found = study(log, POLICY, learn="logged", replicates=2, seed=1)
    (p,) = found.policies
    # the world is fitted to one log: it cannot know a value better than that log's own estimate
    (row,) = judged.judged.rows
    assert row.high is not None
    assert row.low is not None
    fit = (row.high - row.low) / 2 / 1.96
    assert abs(p.logged.value - judged.truth_log) < ERRORS * fit
    people = deployed.to_dict()["standard_error"]
    error = float(np.hypot(people, p.gap[1] or 0.0))
    return found, judged.truth_log, deployed.truth_deployed - judged.truth_log, error


def test_depletion_is_foreseen_and_steadiness_too() -> None:
    """The gap has its sign and size where liked tasks run out, and is small where they do not."""
    depletion, _, true, error = both("depletion")
    gap = depletion.policies[0].gap[0]
    assert true < -ERRORS * error
    assert gap == pytest.approx(true, abs=SHARE * abs(true) + ERRORS * error)
    assert gap < -ERRORS * error
    steady, _, true_steady, error_steady = both("steady")
    calm = steady.policies[0].gap[0]
    assert abs(calm) < abs(true_steady) + ERRORS * error_steady
    assert abs(calm) < abs(gap) / 3
