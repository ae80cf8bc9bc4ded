"""State as sums: per arm G = sum x x', b = sum r x, count and sum of rewards. Nothing else.

The sums are raw: lambda I is added when they are read, and no inverse is ever kept, so
changing lambda, alpha, epsilon or the policy reinterprets nothing.
"""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats, Ints
from policies.jit import kernel


@dataclass(slots=True)
class Sums:
    """Rows of sums, one an arm; row 0 is the empty arm and stays zero."""

    gram: Floats  # (S, d(d+1)/2) lower triangle of sum x x', by rows
    moment: Floats  # (S, d) sum r x
    count: Floats  # (S,) feedbacks folded
    total: Floats  # (S,) sum of rewards

    @classmethod
    def zeros(cls, rows: int, width: int) -> "Sums":
        """`rows` empty arms of `width` features."""
        return cls(
            np.zeros((rows, width * (width + 1) // 2)),
            np.zeros((rows, width)),
            np.zeros(rows),
            np.zeros(rows),
        )

    @property
    def width(self) -> int:
        """d, the number of features."""
        return int(self.moment.shape[1])

    def with_row(self, at: int) -> "Sums":
        """A copy with an empty row `at`; those from there on move up."""
        empty = Sums.zeros(1, self.width)
        return Sums(
            np.concatenate((self.gram[:at], empty.gram, self.gram[at:])),
            np.concatenate((self.moment[:at], empty.moment, self.moment[at:])),
            np.concatenate((self.count[:at], empty.count, self.count[at:])),
            np.concatenate((self.total[:at], empty.total, self.total[at:])),
        )

    def fold(self, slot: Ints, context: Floats, reward: Floats) -> None:
        """Folds m feedbacks in their order: rows `slot (m,)`, `context (m, d)`, `reward (m,)`."""
        _fold(self.gram, self.moment, self.count, self.total, slot, context, reward)


@kernel
def _fold(
    gram: Floats,
    moment: Floats,
    count: Floats,
    total: Floats,
    slot: Ints,
    context: Floats,
    reward: Floats,
) -> None:
    width = context.shape[1]
    for m in range(slot.shape[0]):
        s = slot[m]
        k = 0
        for i in range(width):
            x = context[m, i]
            for j in range(i + 1):
                gram[s, k] += x * context[m, j]
                k += 1
            moment[s, i] += reward[m] * x
        count[s] += 1.0
        total[s] += reward[m]
