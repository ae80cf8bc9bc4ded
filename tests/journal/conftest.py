"""A small log made by the loop itself; a live journal with its twin in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from journal import Log, log_of, read_log
from journal.live import Asked, LiveJournal
from journal.states import read_states
from policies import make
from policies.loop import UserLoop
from policies.records import Decision, Feedback
from policies.rewards import REWARDS
from policies.state import UserState, to_json
from replay import audit, train

Records = list[tuple[Decision, Feedback | None]]

START = 1_700_000_000_000_000  # microseconds
MINUTE = 60_000_000
WINDOW_S = 3600


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


class Twin:
    """A live journal and, beside it, plain loops in memory: every bit must agree."""

    def __init__(self, where: Path) -> None:
        self.path, self.states = where / "live.db", where / "states"
        self.now = START
        self.journals = [self.opened()]
        self.loops: dict[str, UserLoop] = {}
        self.made: dict[str, Decision] = {}
        self.told: dict[str, tuple[str | None, float]] = {}
        self.rng = np.random.default_rng(5)

    def opened(self) -> LiveJournal:
        return LiveJournal(self.path, self.states, WINDOW_S, lambda: self.now)

    def reopen(self, close: bool = True) -> None:
        if close:
            self.close()
        self.journals = [self.opened()]

    def close(self) -> None:
        for journal in self.journals:
            journal.close()

    def asked(self, user: str = "u", request: str | None = None, body: bytes = b"") -> Asked:
        k = int(self.rng.integers(1, 5))
        arms = [str(a) for a in self.rng.choice(["home", "work", "*"], k)]
        ids = [f"t{c}" for c in range(k)]
        return Asked(user, ids, arms, self.rng.random((k, 5)), "tip-v1", request, body)

    def expire(self, user: str) -> UserLoop:
        loop = self.loops.setdefault(user, UserLoop(UserState.empty(user, "tip-v1", 5)))
        self.told |= {f.decision_id: (f.feedback, f.reward) for f in loop.expire(self.now)}
        return loop

    def decide(self, user: str = "u", journal: int = 0) -> str:
        """A tip; the loop in memory must give the same probabilities, scores and action."""
        asked = self.asked(user)
        policy = make("linucb:epsilon=0.3")
        found, scores = self.journals[journal].decide(policy, asked)
        mine, my_scores = self.expire(user).decide(
            policy, found.decision_id, self.now, asked.candidate_ids, asked.arms, asked.context,
            WINDOW_S,
        )  # fmt: skip
        assert scores.tobytes() == my_scores.tobytes()
        assert found.pmf.tobytes() == mine.pmf.tobytes()
        assert (found.action, found.state_seq, found.decided_at) == (
            mine.action, mine.state_seq, self.now,
        )  # fmt: skip
        self.made[found.decision_id] = found
        return found.decision_id

    def answer(self, name: str, word: str = "done", journal: int = 0) -> str:
        """An answer; the dict in memory must say the same of it."""
        found = self.journals[journal].answer(name, word, REWARDS[word])
        loop = self.expire(self.made[name].user_id)
        expected = "duplicate" if self.told.get(name) == (word, REWARDS[word]) else "conflict"
        if name not in self.told:
            expected = "applied"
            self.told[name] = (word, REWARDS[word])
            assert found.state_seq == loop.answer(name, word, REWARDS[word], self.now).seq
        elif self.told[name][0] == "expired":
            expected = "closed"
        assert found.outcome == expected
        return expected

    def live(self, steps: int) -> None:
        """Two people, most tips answered, some after the window, some never."""
        for _ in range(steps):
            name = self.decide(str(self.rng.choice(["u", "v"])))
            self.now += int(self.rng.integers(1, 30)) * MINUTE
            if self.rng.random() < 0.7:
                self.answer(str(self.rng.choice([name, *list(self.made)[-4:]])))

    def holds(self) -> None:
        """The file, its checkpoints, the audit and the loops in memory tell the same story."""
        self.close()
        log, states = read_log(self.path, values=False), read_states(self.states)
        found = audit(log, states)
        assert found.ok, found.failures
        assert found.rebuilt == found.digests == found.decisions == len(self.made)
        assert found.states == len(states)
        trained = train(log) if self.told else {}
        for user, loop in self.loops.items():
            if loop.state.seq:
                assert to_json(trained[user]) == to_json(loop.state)
        told = [(i, log.feedback_of(n)) for n, i in enumerate(log.decision_id)]
        assert {i: (f.feedback, f.reward) for i, f in told if f is not None} == self.told


@pytest.fixture(scope="session")
def twins() -> Callable[[Path], Twin]:
    """Makes one in a directory: `twins(path)`."""
    return Twin


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    out = Twin(tmp_path)
    yield out
    out.close()
