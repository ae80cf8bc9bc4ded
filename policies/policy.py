"""What a policy is: scores for a batch of decisions, and the pmf over each one's candidates."""

import math
from dataclasses import dataclass
from typing import Protocol

from policies.arrays import Floats, Ints, Words
from policies.jit import kernel
from policies.sums import Sums


@dataclass(frozen=True, slots=True)
class Batch:
    """n independent decisions over N candidates, ragged. One decision is a batch of one."""

    offsets: Ints  # (n+1,) decision i has candidates offsets[i]:offsets[i+1]
    context: Floats  # (N, d)
    slot: Ints  # (N,) the candidate's arm, a row of the sums; 0 = an arm never seen
    first: Ints  # (n,) the rows first[i]:last[i] of the sums are all arms of the user
    last: Ints  # (n,)
    decision_key: Words | None = None  # (n,) of the decision's id; for a policy that is `keyed`
    arm_key: Words | None = None  # (N,) of the candidate's arm, known or not


SILENT = {"silent": True}
"""Metadata of a field that the canonical spec leaves out at its default."""


class Policy(Protocol):
    """A frozen dataclass whose fields are the parameters of its spec.

    It holds no state and no random numbers: state comes in as sums, draws come from
    the decision's id and `seed`. One that draws in `score`, or must tell arms by their
    names, has a class attribute or property `keyed = True`: its batches have keys.
    """

    @property
    def seed(self) -> int:
        """Keys this policy's draws, apart from every other seed."""
        ...

    @property
    def explores(self) -> bool:
        """True when every candidate has positive probability in every decision."""
        ...

    def score(self, batch: Batch, sums: Sums) -> Floats:
        """Scores `(N,)`, higher is better; must not depend on the order of decisions."""
        ...

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """Probabilities `(N,)`, each decision's sum to 1."""
        ...


def greedy_pmf(scores: Floats, offsets: Ints, epsilon: float) -> Floats:
    """(1-epsilon) shared by the exact ties of the maximum, plus epsilon/K for each; `(N,)`.

    A decision with a score that is NaN gets a pmf of NaN, which whoever asked refuses.
    """
    pmf: Floats = scores.copy()
    _greedy(pmf, offsets, epsilon)
    return pmf


@kernel
def _greedy(inout: Floats, offsets: Ints, epsilon: float) -> None:
    for i in range(offsets.shape[0] - 1):
        start, stop = offsets[i], offsets[i + 1]
        best = inout[start]
        ties = 0
        floor = epsilon / (stop - start)
        for j in range(start, stop):
            if inout[j] > best:
                best = inout[j]
                ties = 0
            if inout[j] == best:
                ties += 1
            if math.isnan(inout[j]):
                floor = math.nan
        top = (1.0 - epsilon) / max(ties, 1) + floor
        for j in range(start, stop):
            inout[j] = top if inout[j] == best else floor
