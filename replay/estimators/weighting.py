"""Estimators that need no reward model: weights alone."""

import numpy as np

from replay.estimators.estimate import Estimate, mean_of
from replay.estimators.tuning import clip_at
from replay.rounds import NotComputable, Rounds


def ips(rounds: Rounds) -> Estimate:
    """Inverse propensity scoring (Horvitz & Thompson, 1952): mean(w r). Unbiased."""
    return mean_of(rounds.weight * rounds.reward)


def clipped_ips(rounds: Rounds, tau: float | None = None) -> Estimate:
    """Clipped importance sampling (Ionides, 2008; Bottou et al., 2013): mean(min(w, tau) r).

    `tau` None: the least one whose bias is bounded by a quarter of the standard error.
    """
    tau = clip_at(rounds) if tau is None else tau
    return mean_of(np.minimum(rounds.weight, tau) * rounds.reward, tau=tau)


def snips(rounds: Rounds) -> Estimate:
    """Self-normalised importance sampling (Swaminathan & Joachims, 2015): sum(w r)/sum(w).

    Biased O(1/n), bounded by the range of the rewards; the ratio of two means.
    """
    weight = rounds.weight
    must_weigh(rounds)
    value = float((weight @ rounds.reward) / weight.sum())
    influence = weight * (rounds.reward - value) / weight.mean()
    columns = np.column_stack([weight * rounds.reward, weight])
    return Estimate(value, influence, columns, lambda means: float(means[0] / means[1]))


def must_weigh(rounds: Rounds) -> None:
    """Raises `NotComputable` if no weight is left to normalise by."""
    if not rounds.weight.any():
        raise NotComputable("every weight is zero: the policy takes none of the logged actions")
