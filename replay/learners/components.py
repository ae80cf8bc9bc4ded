"""How much people differ: variance components of many small groups, by moments.

A few rewards a user and arm leave Gaussian likelihoods no say: of rewards that are 0 or 1 the
variance does not grow with the features as they have it, and they find too little. Products
of two different rewards of one group have no such trouble (Haseman & Elston, 1972; for
binary outcomes Golan, Lander & Rosset, 2014).
"""

import numpy as np
from scipy.optimize import nnls

from policies.arrays import Floats, Ints
from replay.learners.layer import Rows

ROUNDS = 8  # of the fixed point between slopes and variances


def components(
    layers: list[Rows], classes: list[Ints], rest: Floats, slope: Floats, curved: bool
) -> tuple[list[Floats], float]:
    """(prior variances a layer `(classes,)`, noise variance), in units of the score.

    `layers`: nested, coarse to fine. `rest (n,)`: rewards less their mean at the features,
    `slope (n,)` of the mean reward over the score there. `curved`: a logistic link, of which
    people who differ see less slope: by 1 / sqrt(1 + pi v / 8), v their variance (Zeger,
    Liang & Albert, 1988). The noise is in units of `slope`, the variance of a 0/1 reward.
    """
    sizes = [(rows.features[:, c] ** 2).sum(axis=1) for rows in layers for c in classes]
    found = np.zeros(len(sizes))
    for _ in range(ROUNDS if curved else 1):
        between = sum(v * s for v, s in zip(found, sizes, strict=True))
        seen = slope / np.sqrt(1 + np.pi / 8 * between) if curved else slope
        found = _regressed(layers, classes, rest, seen)
    explained = float(np.mean(sum(v * s for v, s in zip(found, sizes, strict=True)) * seen**2))
    left = max(float(np.mean(rest**2)) - explained, 1e-12)
    unit = max(float(np.mean(slope)) - explained, 1e-3) if curved else 1.0
    return list(found.reshape(len(layers), -1)), left / unit


def _regressed(layers: list[Rows], classes: list[Ints], rest: Floats, slope: Floats) -> Floats:
    """Least squares of products of two rows of a group on their kernels, none negative."""
    count = len(classes)
    square = np.zeros((len(layers) * count, len(layers) * count))
    right = np.zeros(len(layers) * count)
    for k, rows in enumerate(layers):
        scaled = [rows.features[:, c] * slope[:, None] for c in classes]
        for i, x in enumerate(scaled):
            moment = [np.bincount(rows.group, column * rest, rows.groups) for column in x.T]
            own = (x**2).sum(axis=1) * rest**2
            right[k * count + i] = sum(float(m @ m) for m in moment) - float(own.sum())
            for j, z in enumerate(scaled):
                value = _overlap(x, z, rows)
                # Rows of one group are also rows of one coarser group: nested kernels meet here.
                for other in range(k + 1):
                    square[k * count + i, other * count + j] = value
                    square[other * count + j, k * count + i] = value
    scale = np.sqrt(np.maximum(np.diag(square), 1e-300))
    found: Floats = nnls(square / scale / scale[:, None], right / scale)[0] / scale
    return found


def _overlap(x: Floats, z: Floats, rows: Rows) -> float:
    """sum over pairs of different rows of a group of (x x')(z z')."""
    total = 0.0
    for a in x.T:
        for b in z.T:
            cross = np.bincount(rows.group, a * b, rows.groups)
            total += float(cross @ cross)
    return total - float(((x**2).sum(axis=1) * (z**2).sum(axis=1)).sum())
