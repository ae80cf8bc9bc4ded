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

LEAST_PRIOR = 1e-6  # eigenvalue of a prior's precision

NO_PRIOR = np.empty(0, np.int64), np.empty((0, 0)), np.empty((0, 0))
"""Rows, precisions and moments of no prior, for `upper_bounds`."""


@kernel
def factor(
    gram: Floats,
    moment: Floats,
    first: int,
    last: int,
    base: Floats,
    base_moment: Floats,
    least: float,
    chol: Floats,
    z: Floats,
) -> None:
    """L into `chol (d, d)` and L^-1 b into `z (d,)` for the summed rows first:last.

    `base (d(d+1)/2,)` and `base_moment (d,)` are added: lambda I and zeros, or a prior.
    """
    width = z.shape[0]
    k = 0
    for i in range(width):
        for j in range(i + 1):
            entry = 0.0
            for s in range(first, last):
                entry += gram[s, k]
            entry += base[k]
            k += 1
            for h in range(j):
                entry -= chol[i, h] * chol[j, h]
            if i == j:
                # Exact arithmetic never goes below the least eigenvalue, rounding might.
                chol[i, i] = math.sqrt(entry if entry > least else least)
            else:
                chol[i, j] = entry / chol[j, j]
        entry = 0.0
        for s in range(first, last):
            entry += moment[s, i]
        entry += base_moment[i]
        for h in range(i):
            entry -= chol[i, h] * z[h]
        z[i] = entry / chol[i, i]


@kernel
def ridge(lam: float, width: int) -> Floats:
    """The lower triangle of lambda I, by rows, `(d(d+1)/2,)`."""
    out = np.zeros(width * (width + 1) // 2)
    for i in range(width):
        out[i * (i + 1) // 2 + i] = lam
    return out


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
    prior: Ints,
    prior_gram: Floats,
    prior_moment: Floats,
    out: Floats,
) -> None:
    """theta'x + alpha sqrt(x' A^-1 x) of every candidate into `out (N,)`.

    `shared`: one theta from the sum over all the user's arms; else each arm its own.
    `prior (N,)`: the rows of the prior in whose place lambda I else stands, then scaled by
    lambda; empty: none.
    """
    width = context.shape[1]
    chol = np.empty((width, width))
    z = np.empty(width)
    y = np.empty(width)
    base = ridge(lam, width)
    base_moment = np.zeros(width)
    least = lam
    given = prior.shape[0] > 0
    if given:
        least = lam * LEAST_PRIOR
    for i in range(offsets.shape[0] - 1):
        held = -1
        believed = -1
        if shared:
            factor(gram, moment, first[i], last[i], base, base_moment, least, chol, z)
        for c in range(offsets[i], offsets[i + 1]):
            if given and prior[c] != believed:
                believed = prior[c]
                held = -1
                for k in range(base.shape[0]):
                    base[k] = lam * prior_gram[believed, k]
                for j in range(width):
                    base_moment[j] = lam * prior_moment[believed, j]
            if not shared and slot[c] != held:
                held = slot[c]
                factor(gram, moment, held, held + 1, base, base_moment, least, chol, z)
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
