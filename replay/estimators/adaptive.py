"""`adaptive`: doubly robust, its rounds weighted as evenly noisy: for loggers that learn."""

import numpy as np

from policies.arrays import Floats
from replay.estimators.estimate import Estimate
from replay.rounds import Rounds

FIRST = 50  # rounds that share one weight, as there is no past to take it from


def adaptive(rounds: Rounds) -> Estimate:
    """Adaptively weighted `dr`: sum(h (q_pi + w (r - q))) / sum(h).

    A logger that learns makes its early rounds far noisier for a policy than its late ones,
    or the other way round, and a plain mean of them is then not near normal. Stabilised
    weights h = 1/sqrt(E sum pi_e^2/pi_b) even the noise out (Hadad, Hirshberg, Zhan, Wager &
    Athey, 2021; contextual: Zhan, Hadad, Hirshberg & Athey, 2021, StableVar). The mean over
    contexts is that of earlier rounds alone, so that a weight knows nothing of its own
    round and the terms stay a martingale. Rounds of one instant share a weight, whatever
    their order. Without `days` or `spread` the weights are equal, which is `dr`.
    """
    q_hat, q_pi = rounds.model
    score = q_pi + rounds.weight * (rounds.reward - q_hat)
    h = stabilised(rounds)
    value = float((h @ score) / h.sum())
    return Estimate(
        value,
        h * (score - value) / h.mean(),
        np.column_stack([h * score, h]),
        lambda means: float(means[0] / means[1]),
        {"least_weight": float(h.min() / h.max())},
    )


def stabilised(rounds: Rounds) -> Floats:
    """h `(n,)` in (0, 1]: of the later half of the rounds that are strictly earlier."""
    n = len(rounds)
    if rounds.days is None or rounds.spread is None:
        return np.ones(n)
    order = np.lexsort((rounds.spread, rounds.days))
    total = np.concatenate([[0.0], np.cumsum(rounds.spread[order])])
    earlier = np.searchsorted(rounds.days[order], rounds.days, "left")
    end = np.maximum(earlier, min(FIRST, n))
    start = end // 2
    mean = (total[end] - total[start]) / (end - start)
    return np.asarray(1 / np.sqrt(np.maximum(mean, 1.0)))  # with full support it is >= 1
