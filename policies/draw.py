"""Randomness as a function of an id: the same decision draws the same number for ever."""

import hashlib

import numpy as np

from policies.arrays import Floats, Ints
from policies.jit import kernel

PURPOSES = ("act", "replay", "accept", "posterior", "assign", "bootstrap", "world")
"""Each keys its own stream. A logger and an evaluated policy that shared one would agree
far too often: two uniform policies over four candidates would match 50%, not 25%."""

_KEYS = {purpose: f"tipbandit {purpose}".encode() for purpose in PURPOSES}


def uniform(purpose: str, seed: int, name: str, index: int = 0) -> float:
    """A number in [0, 1) with 53 random bits, keyed by `(purpose, seed, name, index)`.

    `name` is a decision's id, or another id that names the draw for life.
    """
    return (word(purpose, f"{seed}\x1f{index}\x1f{name}") >> 11) * 2.0**-53


def word(purpose: str, name: str) -> int:
    """64 random bits, keyed by `(purpose, name)`."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, key=_KEYS[purpose]).digest()
    return int.from_bytes(digest, "little")


@kernel
def draw(pmf: Floats, u: float) -> int:
    """The index drawn from `pmf` `(K,)` by `u` in [0, 1), by inversion.

    What rounding leaves of the mass falls to the last candidate of positive mass.
    """
    total = 0.0
    last = 0
    for k in range(pmf.shape[0]):
        if pmf[k] > 0.0:
            last = k
            total += pmf[k]
            if u < total:
                return k
    return last


@kernel
def draws(pmf: Floats, offsets: Ints, u: Floats) -> Ints:
    """`draw` for n decisions: `pmf (N,)`, `offsets (n+1,)`, `u (n,)`; indices `(n,)`."""
    out = np.empty(u.shape[0], np.int64)
    for i in range(u.shape[0]):
        out[i] = draw(pmf[offsets[i] : offsets[i + 1]], u[i])
    return out
