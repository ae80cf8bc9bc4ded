"""`random`: every candidate alike. The logger whose logs can answer most questions."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats, Ints
from policies.policy import Batch, greedy_pmf
from policies.sums import Sums


@dataclass(frozen=True, slots=True)
class Random:
    """Uniform over the candidates.

    >>> from policies import make
    >>> make("random")
    Random(seed=0)
    """

    seed: int = 0

    @property
    def explores(self) -> bool:
        """Always."""
        return True

    def score(self, batch: Batch, sums: Sums) -> Floats:
        """No candidate is better: zeros `(N,)`."""
        return np.zeros(batch.slot.shape[0])

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """1/K for each candidate, `(N,)`."""
        return greedy_pmf(scores, offsets, 0.0)
