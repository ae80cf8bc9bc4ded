"""`lin-ts`: linear Thompson sampling whose propensity is the vote of its posterior draws."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from policies.arrays import Floats, Ints
from policies.deviates import next_normal
from policies.jit import kernel
from policies.parameters import check_arm, check_epsilon, check_lambda, check_scale, check_whole
from policies.policy import Batch
from policies.ridge import factor, ridge
from policies.stream import stream_starts
from policies.sums import Sums
from policies.votes import MOST_DRAWS, mixed_pmf, share_votes


@dataclass(frozen=True, slots=True)
class LinTS:
    """Thompson sampling with linear payoffs (Agrawal & Goyal, 2013), arm by arm.

    Each of `draws` draws takes every arm's theta from N(theta_hat, sigma^2 A^-1), A =
    lambda I + G, and votes for its best candidate; the pmf is the vote, mixed with the
    floor `epsilon`. The draws are keyed by the decision and the arm, so the propensity
    is exact given them. `arm=shared`: one theta from the sum of all the user's arms.

    >>> from policies import canonical, make
    >>> canonical(make("lin-ts"))
    'lin-ts:sigma=0.25,draws=100,epsilon=0.05,lambda=1.0,arm=own,seed=0'
    """

    keyed: ClassVar[bool] = True

    sigma: float = 0.25
    draws: int = 100
    epsilon: float = 0.05
    lambda_: float = 1.0
    arm: Literal["own", "shared"] = "own"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `BadInput` for a parameter outside its range."""
        check_scale("lin-ts", "sigma", self.sigma)
        check_whole("lin-ts", "draws", self.draws, 1, MOST_DRAWS)
        check_epsilon("lin-ts", self.epsilon)
        check_lambda("lin-ts", self.lambda_)
        check_arm("lin-ts", self.arm)
        check_whole("lin-ts", "seed", self.seed)

    @property
    def explores(self) -> bool:
        """With a floor; without it a candidate may win no vote at all."""
        return self.epsilon > 0

    def score(self, batch: Batch, sums: Sums) -> Floats:
        """Shares of the votes `(N,)`, each decision's sum to 1."""
        out = np.empty(batch.slot.shape[0])
        _votes(
            batch.offsets,
            batch.context,
            batch.slot,
            batch.first,
            batch.last,
            sums.gram,
            sums.moment,
            stream_starts(batch, self.seed, self.arm == "own"),
            self.sigma,
            self.draws,
            self.lambda_,
            self.arm == "shared",
            out,
        )
        return out

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """The vote, mixed with the floor; `(N,)`."""
        return mixed_pmf(scores, offsets, self.epsilon)


@kernel
def _votes(
    offsets: Ints,
    context: Floats,
    slot: Ints,
    first: Ints,
    last: Ints,
    gram: Floats,
    moment: Floats,
    starts: Ints,
    sigma: float,
    draws: int,
    lam: float,
    shared: bool,
    out: Floats,
) -> None:
    """Shares into `out (N,)`. theta = A^-1 b + sigma L^-T n gives x'theta = y'z + sigma y'n
    with y = L^-1 x, z = L^-1 b and n standard normal, the same for all candidates of an arm.
    """
    width = context.shape[1]
    chol = np.empty((width, width))
    z = np.empty(width)
    y = np.empty(width)
    noise = np.empty((draws, width))
    base = ridge(lam, width)
    zeros = np.zeros(width)
    for i in range(offsets.shape[0] - 1):
        start, stop = offsets[i], offsets[i + 1]
        sample = np.empty((stop - start, draws))
        held = -1
        drawn = -1
        if shared:
            factor(gram, moment, first[i], last[i], base, zeros, lam, chol, z)
        for c in range(start, stop):
            if not shared and slot[c] != held:
                held = slot[c]
                factor(gram, moment, held, held + 1, base, zeros, lam, chol, z)
            if drawn < 0 or (starts[c] != starts[drawn]).any():
                drawn = c
                stream = starts[c].copy()
                for m in range(draws):
                    for j in range(width):
                        noise[m, j] = next_normal(stream)
            mean = 0.0
            for j in range(width):
                entry = context[c, j]
                for h in range(j):
                    entry -= chol[j, h] * y[h]
                y[j] = entry / chol[j, j]
                mean += y[j] * z[j]
            for m in range(draws):
                off = 0.0
                for j in range(width):
                    off += y[j] * noise[m, j]
                sample[c - start, m] = mean + sigma * off
        share_votes(sample, out[start:stop])
