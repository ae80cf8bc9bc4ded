"""`linucb`: disjoint LinUCB with an exploration floor."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from policies.arrays import Floats, Ints
from policies.errors import BadInput
from policies.parameters import check_arm, check_epsilon, check_lambda, check_scale, check_whole
from policies.policy import SILENT, Batch, greedy_pmf
from policies.prior import known, name_of
from policies.ridge import NO_PRIOR, upper_bounds
from policies.sums import Sums


@dataclass(frozen=True, slots=True)
class LinUCB:
    """Disjoint LinUCB (Li, Chu, Langford, Schapire 2010, Algorithm 1), mixed with a floor.

    `alpha` scales the bonus, `epsilon` is the share of decisions drawn uniformly,
    `lambda` the ridge penalty (1 in the paper). `arm=own` gives every arm its theta,
    `arm=shared` scores with the sum of all the user's arms. `prior` names a file of
    `replay train --prior`, whose precision, times `lambda`, stands in the place of lambda I.

    >>> from policies import canonical, make
    >>> canonical(make("linucb:alpha=0.5"))
    'linucb:alpha=0.5,epsilon=0.05,lambda=1.0,arm=own,seed=0'
    """

    alpha: float = 1.0
    epsilon: float = 0.05
    lambda_: float = 1.0
    arm: Literal["own", "shared"] = "own"
    seed: int = 0
    prior: str = field(default="", metadata=SILENT)

    def __post_init__(self) -> None:
        """Raises `BadInput` for a parameter outside its range."""
        check_scale("linucb", "alpha", self.alpha)
        check_epsilon("linucb", self.epsilon)
        check_whole("linucb", "seed", self.seed)
        check_lambda("linucb", self.lambda_)
        check_arm("linucb", self.arm)
        if self.prior and self.arm == "shared":
            raise BadInput("linucb: prior", "is of single arms: it needs arm=own", self.arm)
        object.__setattr__(self, "prior", name_of(self.prior))

    @property
    def keyed(self) -> bool:
        """A prior knows arms by their names."""
        return bool(self.prior)

    @property
    def explores(self) -> bool:
        """With a floor every candidate can be drawn; without it ties alone are."""
        return self.epsilon > 0

    def score(self, batch: Batch, sums: Sums) -> Floats:
        """Upper confidence bounds `(N,)`, in units of reward."""
        out = np.empty(batch.slot.shape[0])
        upper_bounds(
            batch.offsets,
            batch.context,
            batch.slot,
            batch.first,
            batch.last,
            sums.gram,
            sums.moment,
            self.alpha,
            self.lambda_,
            self.arm == "shared",
            *self._prior_of(batch),
            out,
        )
        return out

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """The best gets all but the floor, ties share; `(N,)`."""
        return greedy_pmf(scores, offsets, self.epsilon)

    def _prior_of(self, batch: Batch) -> tuple[Ints, Floats, Floats]:
        """Each candidate's row of the prior, and the prior's precisions and moments."""
        if not self.prior:
            return NO_PRIOR
        prior, width = known(self.prior), batch.context.shape[1]
        if prior.width != width:
            raise BadInput("linucb: prior", f"must be of {width} features", prior.width)
        if batch.arm_key is None:
            raise BadInput("batch", "has no keys, without which a prior knows no arm")
        return prior.rows(batch.arm_key), prior.gram, prior.moment
