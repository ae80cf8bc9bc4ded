"""Keys of a log's decisions and candidates, for policies that draw or know arms by name."""

from dataclasses import dataclass

import numpy as np

from journal.log import Log
from policies.arrays import Ints, Words
from policies.keys import arm_keys, decision_keys, is_keyed
from policies.policy import Policy

Pair = tuple[Words | None, Words | None]
"""The last two fields of a `Batch`."""


@dataclass(frozen=True)
class Keys:
    """Of n decisions over N candidates; None where the policy needs none."""

    decision: Words | None  # (n,)
    arm: Words | None  # (N,)

    def of(self, rows: Ints, where: Ints, copies: int = 1) -> Pair:
        """Those of the decisions `rows` and candidates `where`, `copies` times."""
        if self.decision is None or self.arm is None:
            return None, None
        return np.tile(self.decision[rows], copies), np.tile(self.arm[where], copies)

    def anew(self, rng: np.random.Generator, rows: Ints, where: Ints) -> Pair:
        """As of decisions that were never met, though they look like `rows`."""
        if self.arm is None:
            return None, None
        return rng.integers(0, 2**64, len(rows), np.uint64), self.arm[where]


def keys_of(log: Log, policy: Policy | None) -> Keys:
    """The keys that `policy` needs."""
    if not is_keyed(policy):
        return Keys(None, None)
    return Keys(decision_keys(log.decision_id), arm_keys(log.arm_names)[log.arm])
