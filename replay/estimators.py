"""Off-policy estimators: each one short function from `Rounds` to an `Estimate`.

An estimate is its per-round columns and how their means combine, so a resample
renormalises by itself and shards add up; its influence gives clustered variance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats
from replay.rounds import NotComputable, Rounds

__all__ = ["ESTIMATORS", "Estimate", "Estimator", "Rounds", "dm", "dr", "ips", "snips"]

Combine = Callable[[Floats], float]


@dataclass(frozen=True)
class Estimate:
    """A value in units of reward, per decision."""

    value: float
    influence: Floats  # (n,) mean zero: what each round moved
    columns: Floats  # (n, m)
    combine: Combine  # value = combine(column means (m,))


Estimator = Callable[[Rounds], Estimate]


def ips(rounds: Rounds) -> Estimate:
    """Inverse propensity scoring (Horvitz & Thompson, 1952): mean(w r). Unbiased."""
    return _mean(rounds.weight * rounds.reward)


def snips(rounds: Rounds) -> Estimate:
    """Self-normalised importance sampling (Swaminathan & Joachims, 2015): sum(w r)/sum(w).

    Biased O(1/n), bounded by the range of the rewards; the ratio of two means.
    """
    weight = rounds.weight
    if not weight.any():
        raise NotComputable("every weight is zero: the policy takes none of the logged actions")
    value = float((weight @ rounds.reward) / weight.sum())
    influence = weight * (rounds.reward - value) / weight.mean()
    columns = np.column_stack([weight * rounds.reward, weight])
    return Estimate(value, influence, columns, lambda means: float(means[0] / means[1]))


def dm(rounds: Rounds) -> Estimate:
    """Direct method (Beygelzimer & Langford, 2009): mean(q_pi). As biased as its model."""
    _, q_pi = rounds.model
    return _mean(q_pi)


def dr(rounds: Rounds) -> Estimate:
    """Doubly robust (Dudik, Langford & Li, 2011, eq. 2): mean(q_pi + w (r - q)).

    Unbiased with right propensities whatever the cross-fitted model, and narrower
    than `ips` where the model is good.
    """
    q_hat, q_pi = rounds.model
    return _mean(q_pi + rounds.weight * (rounds.reward - q_hat))


def _mean(column: Floats) -> Estimate:
    value = float(column.mean())
    return Estimate(value, column - value, column[:, None], lambda means: float(means[0]))


ESTIMATORS: dict[str, Estimator] = {"ips": ips, "snips": snips, "dm": dm, "dr": dr}
