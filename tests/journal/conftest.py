"""A small log made by the loop itself."""

import numpy as np
import pytest

from journal import Log, log_of
from policies import make
from policies.loop import UserLoop
from policies.records import Decision, Feedback
from policies.state import UserState

Records = list[tuple[Decision, Feedback | None]]


@pytest.fixture
def records() -> Records:
    rng = np.random.default_rng(7)
    policy = make("linucb:epsilon=0.2")
    out: Records = []
    for u in range(4):
        loop = UserLoop(UserState.empty(f"u{u}", "tip-v1", 5))
        for i in range(10):
            k = int(rng.integers(1, 5))
            now = 1_700_000_000_000_000 + i * 3_600_000_000 + u
            loop.expire(now)
            decision, _ = loop.decide(
                policy,
                f"{u}-{i}",
                now,
                [f"t{c}" for c in range(k)],
                [str(a) for a in rng.choice(["home", "work", "*"], k)],
                rng.uniform(-1, 1, (k, 5)),
                None,
            )
            word, reward = [("done", 1.0), ("snooze", 0.0), ("dismiss", -1.0)][rng.integers(3)]
            feedback = None
            if rng.random() < 0.8:
                feedback = loop.answer(decision.decision_id, word, reward, now + 60_000_000)
            out.append((decision, feedback))
    return out


@pytest.fixture
def log(records: Records) -> Log:
    return log_of(records)
