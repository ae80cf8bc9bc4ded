"""The ridge kernel: upper confidence bounds from raw sums by Cholesky.

With A = lambda I + G = L L', y = L^-1 x and z = L^-1 b, the ridge estimate is
theta'x = y'z and its width is sqrt(x' A^-1 x) = sqrt(y'y) (Li, Chu, Langford, Schapire
2010, Algorithm 1). Only + - * / sqrt in a fixed order: the bits do not depend on batch,
thread or compilation.
"""

import math

import numpy as np

from policies.arrays import Floats, Ints
from policies.jit import kernel


@kernel
def factor(
    gram: Floats,
    moment: Floats,
    first: int,
    last: int,
    lam: float,
    chol: Floats,
    z: Floats,
) -> None:
    """L into `chol (d, d)` and L^-1 b into `z (d,)` for the summed rows first:last."""
    width = z.shape[0]
    k = 0
    for i in range(width):
        for j in range(i + 1):
            entry = 0.0
            for s in range(first, last):
                entry += gram[s, k]
            k += 1
            if i == j:
                entry += lam
            for h in range(j):
                entry -= chol[i, h] * chol[j, h]
            if i == j:
                # Exact arithmetic never goes below lambda, rounding might.
                chol[i, i] = math.sqrt(entry if entry > lam else lam)
            else:
                chol[i, j] = entry / chol[j, j]
        entry = 0.0
        for s in range(first, last):
            entry += moment[s, i]
        for h in range(i):
            entry -= chol[i, h] * z[h]
        z[i] = entry / chol[i, i]


@kernel
def upper_bounds(
    offsets: Ints,
    context: Floats,
    slot: Ints,
    first: Ints,
    last: Ints,
    gram: Floats,
    moment: Floats,
    alpha: float,
    lam: float,
    shared: bool,
    out: Floats,
) -> None:
    """theta'x + alpha sqrt(x' A^-1 x) of every candidate into `out (N,)`.

    `shared`: one theta from the sum over all the user's arms; else each arm its own.
    """
    width = context.shape[1]
    chol = np.empty((width, width))
    z = np.empty(width)
    y = np.empty(width)
    for i in range(offsets.shape[0] - 1):
        held = -1
        if shared:
            factor(gram, moment, first[i], last[i], lam, chol, z)
        for c in range(offsets[i], offsets[i + 1]):
            if not shared and slot[c] != held:
                held = slot[c]
                factor(gram, moment, held, held + 1, lam, chol, z)
            mean = 0.0
            square = 0.0
            for j in range(width):
                entry = context[c, j]
                for h in range(j):
                    entry -= chol[j, h] * y[h]
                y[j] = entry / chol[j, j]
                mean += y[j] * z[j]
                square += y[j] * y[j]
            out[c] = mean + alpha * math.sqrt(square)
