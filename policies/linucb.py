"""`linucb`: disjoint LinUCB with an exploration floor."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from policies.arrays import Floats, Ints
from policies.parameters import check_arm, check_epsilon, check_lambda, check_scale, check_whole
from policies.policy import Batch, greedy_pmf
from policies.ridge import upper_bounds
from policies.sums import Sums


@dataclass(frozen=True, slots=True)
class LinUCB:
    """Disjoint LinUCB (Li, Chu, Langford, Schapire 2010, Algorithm 1), mixed with a floor.

    `alpha` scales the bonus, `epsilon` is the share of decisions drawn uniformly,
    `lambda` the ridge penalty (1 in the paper). `arm=own` gives every arm its theta,
    `arm=shared` scores with the sum of all the user's arms.

    >>> from policies import canonical, make
    >>> canonical(make("linucb:alpha=0.5"))
    'linucb:alpha=0.5,epsilon=0.05,lambda=1.0,arm=own,seed=0'
    """

    alpha: float = 1.0
    epsilon: float = 0.05
    lambda_: float = 1.0
    arm: Literal["own", "shared"] = "own"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `BadInput` for a parameter outside its range."""
        check_scale("linucb", "alpha", self.alpha)
        check_epsilon("linucb", self.epsilon)
        check_whole("linucb", "seed", self.seed)
        check_lambda("linucb", self.lambda_)
        check_arm("linucb", self.arm)

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
            out,
        )
        return out

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """The best gets all but the floor, ties share; `(N,)`."""
        return greedy_pmf(scores, offsets, self.epsilon)
