"""`beta-ts`: Thompson sampling over arms, blind to the context: the baseline of baselines."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from policies.arrays import Floats, Ints
from policies.deviates import next_gamma
from policies.jit import kernel
from policies.parameters import check_epsilon, check_whole
from policies.policy import Batch
from policies.stream import stream_starts
from policies.sums import Sums
from policies.votes import MOST_DRAWS, mixed_pmf, share_votes


@dataclass(frozen=True, slots=True)
class BetaTS:
    """Beta-Bernoulli Thompson sampling (Thompson, 1933; Chapelle & Li, 2011) over arms.

    A reward r in [-1, 1] counts as (1 + r)/2 successes of one trial, so an arm's posterior
    is Beta(1 + s, 1 + n - s) with s the sum of them. Each of `draws` draws votes for its
    best arm, whose candidates share the vote; the pmf is the vote, mixed with the floor.

    >>> from policies import canonical, make
    >>> canonical(make("beta-ts"))
    'beta-ts:draws=100,epsilon=0.05,seed=0'
    """

    keyed: ClassVar[bool] = True

    draws: int = 100
    epsilon: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `BadInput` for a parameter outside its range."""
        check_whole("beta-ts", "draws", self.draws, 1, MOST_DRAWS)
        check_epsilon("beta-ts", self.epsilon)
        check_whole("beta-ts", "seed", self.seed)

    @property
    def explores(self) -> bool:
        """With a floor; without it an arm may win no vote at all."""
        return self.epsilon > 0

    def score(self, batch: Batch, sums: Sums) -> Floats:
        """Shares of the votes `(N,)`, each decision's sum to 1."""
        out = np.empty(batch.slot.shape[0])
        starts = stream_starts(batch, self.seed)
        _votes(batch.offsets, batch.slot, sums.count, sums.total, starts, self.draws, out)
        return out

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """The vote, mixed with the floor; `(N,)`."""
        return mixed_pmf(scores, offsets, self.epsilon)


@kernel
def _votes(
    offsets: Ints,
    slot: Ints,
    count: Floats,
    total: Floats,
    starts: Ints,
    draws: int,
    out: Floats,
) -> None:
    """Shares into `out (N,)`; a beta deviate is a ratio of gamma deviates."""
    for i in range(offsets.shape[0] - 1):
        start, stop = offsets[i], offsets[i + 1]
        sample = np.empty((stop - start, draws))
        for c in range(start, stop):
            trials = count[slot[c]]
            # A log of others may hold rewards beyond [-1, 1]: no more successes than trials.
            won = min(max(0.5 * (trials + total[slot[c]]), 0.0), trials)
            stream = starts[c].copy()
            for m in range(draws):
                a = next_gamma(stream, 1.0 + won)
                b = next_gamma(stream, 1.0 + (trials - won))
                sample[c - start, m] = a / (a + b)
        share_votes(sample, out[start:stop])
