"""The case: a log with what every group of findings reads of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from journal.log import Log
from policies.arrays import Bools, Floats, Ints
from replay.behavior.propensities import Behavior
from replay.sample import Sample


@dataclass(frozen=True)
class Case:
    """One log of n decisions over N candidates."""

    log: Log
    sample: Sample
    logger: Behavior

    @cached_property
    def inside(self) -> Bools:
        """(n,) the decisions that would be evaluated."""
        mask = np.zeros(len(self.log), np.bool_)
        mask[self.sample.rows] = True
        return mask

    @cached_property
    def lengths(self) -> Ints:
        """K of each decision, `(n,)`."""
        return np.diff(self.log.offsets)

    @cached_property
    def decision(self) -> Ints:
        """(N,) the decision of each candidate."""
        return np.repeat(np.arange(len(self.log)), self.lengths)

    @cached_property
    def position(self) -> Ints:
        """(N,) the index of each candidate within its decision."""
        return np.arange(len(self.decision)) - np.repeat(self.log.offsets[:-1], self.lengths)

    @cached_property
    def known(self) -> Bools:
        """(n,) decisions whose propensity is known."""
        return ~np.isnan(self.logger.pscore)

    @cached_property
    def pmf(self) -> Floats | None:
        """(N,) the logger's pmf, if it is known for every decision with a propensity."""
        pmf = self.logger.pmf
        if pmf is None or np.isnan(pmf[np.repeat(self.known, self.lengths)]).any():
            return None
        return pmf

    @property
    def users(self) -> int:
        """g, the number of users."""
        return len(self.log.user_names)

    @property
    def has_users(self) -> bool:
        """Whether some user has two decisions: else nothing tells how people differ."""
        return self.users < len(self.log)
