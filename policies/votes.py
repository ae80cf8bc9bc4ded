"""Votes of posterior draws: how often each candidate is the best, which is Thompson's pmf.

A Thompson sampler's propensity is an integral nobody can write down. Here the policy *is*
the vote of M draws that the decision's id fixes, so its pmf is exact given them.
"""

import numpy as np

from policies.arrays import Floats, Ints
from policies.jit import kernel

MOST_DRAWS = 100_000


@kernel
def share_votes(sample: Floats, out: Floats) -> None:
    """Each draw's one vote, exact ties share it: `sample (K, M)`, shares into `out (K,)`."""
    count, m = sample.shape
    for k in range(count):
        out[k] = 0.0
    for i in range(m):
        best = sample[0, i]
        ties = 0
        for k in range(count):
            if sample[k, i] > best:
                best = sample[k, i]
                ties = 0
            if sample[k, i] == best:
                ties += 1
        for k in range(count):
            if sample[k, i] == best:
                out[k] += 1.0 / ties
    for k in range(count):
        out[k] /= m


def mixed_pmf(shares: Floats, offsets: Ints, epsilon: float) -> Floats:
    """(1-epsilon) of the shares plus epsilon/K for each candidate; `(N,)`."""
    lengths = np.diff(offsets)
    pmf: Floats = (1.0 - epsilon) * shares + np.repeat(epsilon / lengths, lengths)
    return pmf
