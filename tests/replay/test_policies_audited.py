"""Every policy's log is rebuilt bit for bit: a simulated one, a server's own journal."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from journal import Log, read_log
from journal.live import Asked, LiveJournal
from policies import make
from policies.arrays import Floats, Ints
from policies.policy import Batch, greedy_pmf
from policies.spec import POLICIES
from policies.sums import Sums
from replay import audit
from sim.logs import generate


def holds(log: Log) -> bool:
    """All digests hold and all decisions were rebuilt."""
    found = audit(log)
    return found.ok and found.digests == found.rebuilt == len(log) and not found.unchecked


@pytest.mark.parametrize("spec", POLICIES)
def test_a_simulated_log_is_rebuilt(spec: str) -> None:
    assert holds(generate("mornings", 4, 6, make(spec), seed=2))


@pytest.mark.parametrize("spec", POLICIES)
def test_a_served_journal_is_rebuilt(spec: str, tmp_path: Path) -> None:
    """Arms appear on the way, so rows of the sums move; the draws must not."""
    clock = iter(range(1_700_000_000_000_000, 2**62, 3_600_000_000))
    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states", 86_400, lambda: next(clock))
    rng = np.random.default_rng(9)
    for i in range(60):
        k = int(rng.integers(1, 5))
        arms = [str(a) for a in rng.choice(["work", "*", "home", "a"][: 1 + i // 12], k)]
        asked = Asked(f"u{i % 3}", [f"t{c}" for c in range(k)], arms, rng.random((k, 5)), "tip-v1")
        made, _ = journal.decide(make(spec), asked)
        if rng.random() < 0.6:
            journal.answer(made.decision_id, "done", 1.0)
    journal.close()
    assert holds(read_log(tmp_path / "live.db"))


@dataclass(frozen=True)
class Coin:
    """A policy of one's own that draws: heads or tails by decision and arm."""

    keyed: ClassVar[bool] = True

    seed: int = 0
    explores: bool = True

    def score(self, batch: Batch, _: Sums) -> Floats:
        assert batch.decision_key is not None
        assert batch.arm_key is not None
        drawn = np.repeat(batch.decision_key, np.diff(batch.offsets)) ^ batch.arm_key
        return (drawn % np.uint64(2)).astype(float)

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        return greedy_pmf(scores, offsets, 0.5)


def test_a_policy_of_ones_own_gets_keys_when_it_says_so() -> None:
    """The same ones in the loop and in the audit, and the coin falls on both sides."""
    log = generate("mornings", 4, 6, Coin(), seed=2)
    assert holds(log)
    assert log.pmf is not None
    assert len(np.unique(log.pmf)) > 2


def test_another_id_is_another_draw(lives: Callable, replaced: Callable) -> None:
    """The audit would see a decision that was given another's id."""
    log = lives("lin-ts", users=6).log()
    other = [f"x{name}" for name in log.decision_id]
    blank = [None] * len(log)
    renamed = replaced(replaced(log, "decision_id", other), "digest", blank)
    found = audit(renamed)
    assert not found.ok
    assert found.rebuilt < len(log)
