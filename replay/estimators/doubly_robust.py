"""Estimators that lean on the reward model q_hat, and correct it by weighted residuals."""

import numpy as np

from policies.arrays import Floats
from replay.estimators.estimate import Estimate, mean_of
from replay.estimators.tuning import shrink_by, switch_at
from replay.estimators.weighting import must_weigh
from replay.rounds import Rounds


def dm(rounds: Rounds) -> Estimate:
    """Direct method (Beygelzimer & Langford, 2009): mean(q_pi). As biased as its model."""
    _, q_pi = rounds.model
    return mean_of(q_pi)


def dr(rounds: Rounds) -> Estimate:
    """Doubly robust (Dudik, Langford & Li, 2011, eq. 2): mean(q_pi + w (r - q)).

    Unbiased with right propensities whatever the cross-fitted model, and narrower
    than `ips` where the model is good.
    """
    return _corrected(rounds, rounds.weight)


def sndr(rounds: Rounds) -> Estimate:
    """Self-normalised doubly robust (Robins et al., 2007; Thomas & Brunskill, 2016).

    mean(q_pi) + sum(w (r - q)) / sum(w): the residuals are averaged as `snips` does.
    """
    q_hat, q_pi = rounds.model
    return self_normalised(rounds, q_hat, q_pi)


def self_normalised(rounds: Rounds, q_hat: Floats, q_pi: Floats, **chosen: float) -> Estimate:
    """`sndr` with any model values: `q_hat (n,)` at the action, `q_pi (n,)` under pi_e."""
    must_weigh(rounds)
    weight, rest = rounds.weight, rounds.reward - q_hat
    shift = float((weight @ rest) / weight.sum())
    centre = float(q_pi.mean())
    influence = q_pi - centre + weight * (rest - shift) / weight.mean()
    columns = np.column_stack([q_pi, weight * rest, weight])
    return Estimate(centre + shift, influence, columns, lambda m: float(m[0] + m[1] / m[2]), chosen)


def switch_dr(rounds: Rounds, tau: float | None = None) -> Estimate:
    """Switch-DR (Wang, Agarwal & Dudik, 2017, eq. 8): residuals count where w <= tau.

    `tau` None: the least one whose bias is bounded by a quarter of the standard error.
    """
    tau = switch_at(rounds) if tau is None else tau
    return _corrected(rounds, np.where(rounds.weight <= tau, rounds.weight, 0.0), tau=tau)


def dros(rounds: Rounds, lambda_: float | None = None) -> Estimate:
    """Doubly robust, optimistic shrinkage (Su et al., 2020, eq. 7): lambda w/(w^2 + lambda).

    `lambda_` None: the least one whose bias is bounded by a quarter of the standard error.
    """
    lambda_ = shrink_by(rounds) if lambda_ is None else lambda_
    weight = rounds.weight
    shrunk = weight if np.isinf(lambda_) else lambda_ * weight / (weight * weight + lambda_)
    return _corrected(rounds, shrunk, **{"lambda": lambda_})


def _corrected(rounds: Rounds, weight: Floats, **chosen: float) -> Estimate:
    q_hat, q_pi = rounds.model
    return mean_of(q_pi + weight * (rounds.reward - q_hat), **chosen)
