"""How a world may have moved during a log: hypotheses about a coefficient over blocks of time."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats

BLOCKS = 24  # of equally many decisions
CARRIED = (0.0, 0.7)  # correlation of a coefficient before and after a change
LENGTHS = (0.2, 0.4, 0.8)  # of the log, over which a smooth drift forgets
KEPT = 0.995  # of a smooth kernel's variance


@dataclass(frozen=True)
class Hypothesis:
    """Coefficients over J blocks are `root @ z`, z `(r, …)` independent."""

    kind: str  # static, change or smooth
    at: float | None  # where a change was, as a share of the log
    root: Floats  # (J, r)
    prior: float  # probability before looking


def _root(kernel: Floats) -> Floats:
    value, vector = np.linalg.eigh(kernel)
    value, vector = value[::-1], vector[:, ::-1]
    rank = int(np.searchsorted(np.cumsum(value), KEPT * value.sum())) + 1
    root: Floats = vector[:, :rank] * np.sqrt(np.maximum(value[:rank], 0))
    return root


def _hypotheses() -> list[Hypothesis]:
    block = np.arange(BLOCKS)
    out = [Hypothesis("static", None, np.ones((BLOCKS, 1)), 1 / 2)]
    changes = [(at, share) for at in range(1, BLOCKS) for share in CARRIED]
    for at, share in changes:
        late = (block >= at).astype(float)
        prior = 1 / 4 / len(changes)
        out.append(Hypothesis("change", at / BLOCKS, _root_of_two(late, share), prior))
    for length in LENGTHS:
        away = (block[:, None] - block) / BLOCKS / length
        out.append(Hypothesis("smooth", None, _root(np.exp(-(away**2) / 2)), 1 / 4 / len(LENGTHS)))
    return out


def _root_of_two(late: Floats, share: float) -> Floats:
    """Before: z0. After: share z0 + sqrt(1 - share^2) z1. Unit variance throughout."""
    return np.column_stack([1 - late + late * share, late * np.sqrt(1 - share**2)])


HYPOTHESES = _hypotheses()
STILL = [Hypothesis("static", None, np.ones((1, 1)), 1.0)]
"""Of a layer that has no blocks."""
