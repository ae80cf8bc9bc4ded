"""The policies of a plan as pmfs over the log's candidates, and A at another floor."""

from dataclasses import dataclass

import numpy as np

from journal.log import Log
from policies import make
from policies.arrays import Floats
from policies.spec import is_ours
from replay.candidates import Evaluated

ROUNDING = 1e-9  # of a probability


@dataclass(frozen=True)
class Floored:
    """A policy that can be given any exploration floor."""

    greedy: Floats  # (N,) its pmf without a floor
    uniform: Floats  # (N,) 1/K
    known: bool  # whether its own floor was taken off; else a floor is mixed into it as it is

    def at(self, floor: float) -> Floats:
        """Its pmf `(N,)`, a share `floor` of decisions drawn uniformly."""
        return (1 - floor) * self.greedy + floor * self.uniform


def uniform_of(log: Log) -> Floats:
    """1/K of every candidate, `(N,)`."""
    lengths = np.diff(log.offsets)
    return np.repeat(1.0 / lengths, lengths)


def floored(log: Log, policy: Evaluated) -> Floored:
    """A walked policy without the floor of its spec."""
    return _floored(log, policy.pmf, np.full(len(log), floor_of(policy.name)))


def logged_floored(log: Log, pmf: Floats) -> Floored:
    """The log's own policies without the floors of their specs; of foreign ones none is known."""
    floors = np.array([floor_of(name) for name in log.policy_names])
    return _floored(log, pmf, floors[log.policy])


def floor_of(spec: str) -> float:
    """`epsilon` of a policy of ours, else 0."""
    if not is_ours(spec):
        return 0.0
    return float(getattr(make(spec), "epsilon", 0.0))


def _floored(log: Log, pmf: Floats, floor: Floats) -> Floored:
    """pmf = (1 - floor) greedy + floor/K, solved for greedy."""
    uniform = uniform_of(log)
    each = np.repeat(floor, np.diff(log.offsets))
    rest = np.where(each < 1, 1 - each, 1.0)
    greedy = np.where(each < 1, (pmf - each * uniform) / rest, pmf)
    known = bool((floor > 0).any()) and not (greedy < -ROUNDING).any()
    return Floored(np.maximum(greedy, 0.0) if known else pmf, uniform, known)
