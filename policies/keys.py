"""Keys of decisions and arms: what a policy's own draws are keyed by, made at the door.

A slot is a row of somebody's sums and differs between server and replay; a key is made of
the name alone, so that the draws are the same wherever a decision is made again.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from policies.arrays import Words
from policies.draw import word
from policies.policy import Policy

_REMEMBERED = 1 << 16


def is_keyed(policy: Policy | None) -> bool:
    """Whether the policy's batches need keys; others are not made to pay for them."""
    return bool(getattr(policy, "keyed", False))


def decision_keys(decision_ids: Iterable[str]) -> Words:
    """Keys `(n,)` of n decisions, by their ids."""
    return np.array([word("posterior", f"decision {name}") for name in decision_ids], np.uint64)


def arm_keys(arms: Iterable[str]) -> Words:
    """Keys of arms, by their names."""
    return np.array([_arm_key(arm) for arm in arms], np.uint64)


@lru_cache(maxsize=_REMEMBERED)
def _arm_key(arm: str) -> int:
    return word("posterior", f"arm {arm}")
