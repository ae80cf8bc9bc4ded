"""`auto`: the self-normalised doubly robust estimate, its model scaled by how well it predicts."""

import numpy as np

from replay.estimators.doubly_robust import self_normalised
from replay.estimators.estimate import Estimate
from replay.estimators.weighting import must_weigh
from replay.rounds import Rounds


def calibrated(rounds: Rounds) -> Estimate:
    """`sndr` with q_hat and q_pi scaled by b in [0, 1], the regression coefficient of the
    weighted rewards on what the model contributes: a useless model is left out (b = 0,
    which is `snips`), a good one is used whole. Without a model, `snips`.

    As a control variate: Glasserman, 2003, section 4.1; for doubly robust estimates,
    Farajtabar, Chow & Ghavamzadeh, 2018.
    """
    must_weigh(rounds)
    share = 0.0 if rounds.q_hat is None else trust(rounds)
    if share == 0.0:
        zero = np.zeros(len(rounds))
        return self_normalised(rounds, zero, zero, b=0.0)
    q_hat, q_pi = rounds.model
    return self_normalised(rounds, share * q_hat, share * q_pi, b=share)


def trust(rounds: Rounds) -> float:
    """b: how much of the model to use, in [0, 1]."""
    q_hat, q_pi = rounds.model
    weight, total = rounds.weight, rounds.weight.sum()
    z = weight * (rounds.reward - (weight @ rounds.reward) / total)
    c = weight * (q_hat - (weight @ q_hat) / total) - (q_pi - q_pi.mean())
    square = float(c @ c)
    return 0.0 if square == 0.0 else float(np.clip(float(z @ c) / square, 0.0, 1.0))
