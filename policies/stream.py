"""Streams of uniform numbers inside kernels, one for each decision and arm.

MRG32k3a (L'Ecuyer, 1999, Good parameters and implementations for combined multiple
recursive random number generators): whole numbers below 2^53 alone, so that compiled and
plain Python agree in every bit. A stream's start is hashed from the keys of its decision,
its arm and the policy's seed.
"""

import numpy as np

from policies.arrays import Ints, Words
from policies.draw import word
from policies.errors import BadInput
from policies.jit import kernel
from policies.policy import Batch

_M1 = 4294967087
_M2 = 4294944443
_UNIT = 2.328306549295727688e-10  # 1 / (_M1 + 1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def stream_starts(batch: Batch, seed: int, own_arm: bool = True) -> Ints:
    """Starts `(N, 6)` of the candidates' streams; those of one arm have the same.

    `own_arm` False: all candidates of a decision have the same. Raises `BadInput` for a
    batch without keys.
    """
    if batch.decision_key is None or batch.arm_key is None:
        raise BadInput("batch", "has no keys, without which nothing can be drawn")
    mixed = _mix(batch.decision_key ^ np.uint64(word("posterior", f"seed {seed}")))
    key = np.repeat(mixed, np.diff(batch.offsets))
    if own_arm:
        key = _mix(key ^ batch.arm_key)
    words = _mix(key[:, None] + np.arange(1, 7, dtype=np.uint64) * _GOLDEN)
    most = np.array([_M1 - 1] * 3 + [_M2 - 1] * 3, np.uint64)
    return (words % most).astype(np.int64) + 1


def _mix(key: Words) -> Words:
    """The finalizer of SplitMix64 (Steele, Lea & Flood, 2014): every bit moves every other."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


@kernel
def next_uniform(inout: Ints) -> float:
    """The next number in (0, 1) of the stream at `inout (6,)`, which moves on."""
    p = (1403580 * inout[1] - 810728 * inout[0]) % _M1
    inout[0] = inout[1]
    inout[1] = inout[2]
    inout[2] = p
    q = (527612 * inout[5] - 1370589 * inout[3]) % _M2
    inout[3] = inout[4]
    inout[4] = inout[5]
    inout[5] = q
    difference = p - q
    if difference <= 0:
        difference += _M1
    return float(difference) * _UNIT
