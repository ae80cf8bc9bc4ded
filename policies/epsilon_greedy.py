"""`epsilon-greedy`: the best by the ridge mean, mixed with a floor."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from policies.arrays import Floats, Ints
from policies.parameters import check_arm, check_epsilon, check_lambda, check_whole
from policies.policy import Batch, greedy_pmf
from policies.ridge import NO_PRIOR, upper_bounds
from policies.sums import Sums


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """Greedy in the ridge estimate of each arm's mean reward, uniform in a share `epsilon`.

    `lambda` is the ridge penalty; `arm=own` gives every arm its theta, `arm=shared`
    scores with the sum of all the user's arms. Exploration is the floor alone.

    >>> from policies import canonical, make
    >>> canonical(make("epsilon-greedy"))
    'epsilon-greedy:epsilon=0.1,lambda=1.0,arm=own,seed=0'
    """

    epsilon: float = 0.1
    lambda_: float = 1.0
    arm: Literal["own", "shared"] = "own"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `BadInput` for a parameter outside its range."""
        check_epsilon("epsilon-greedy", self.epsilon)
        check_lambda("epsilon-greedy", self.lambda_)
        check_arm("epsilon-greedy", self.arm)
        check_whole("epsilon-greedy", "seed", self.seed)

    @property
    def explores(self) -> bool:
        """With a floor every candidate can be drawn; without it ties alone are."""
        return self.epsilon > 0

    def score(self, batch: Batch, sums: Sums) -> Floats:
        """Ridge means `(N,)`, in units of reward."""
        out = np.empty(batch.slot.shape[0])
        upper_bounds(
            batch.offsets,
            batch.context,
            batch.slot,
            batch.first,
            batch.last,
            sums.gram,
            sums.moment,
            0.0,
            self.lambda_,
            self.arm == "shared",
            *NO_PRIOR,
            out,
        )
        return out

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """The best gets all but the floor, ties share; `(N,)`."""
        return greedy_pmf(scores, offsets, self.epsilon)
