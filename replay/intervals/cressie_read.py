"""`cressie-read`: empirical likelihood with the power divergence CR(-2), plain and by user."""

import math

import numpy as np
from scipy.special import fdtri

from policies.arrays import Floats
from replay.estimators import Estimate
from replay.estimators.cressie_read import largest_weight
from replay.intervals.cressie_users import Span, Units, by_user
from replay.rounds import NotComputable, Rounds


def cressie_read(rounds: Rounds, estimate: Estimate, level: float, seed: int = 0) -> Span:
    """The interval of the policy's value itself, whatever the estimate.

    Where every round is its own user the plain form (Karampatziakis, Langford & Mineiro,
    2020, section 3), else `by_user`. Weights are bounded by `rounds.weight_bound`, None:
    unbounded. Within the reward range. Nothing is drawn.
    """
    del estimate, seed
    low, high = rounds.reward_range
    if rounds.users == len(rounds):
        return plain(rounds, level)
    if rounds.users < 2:
        raise NotComputable("one user: nothing tells how people differ")
    return by_user(
        units_of(rounds),
        level,
        [(w, low) for w in (0.0, largest_weight(rounds))],
        [(w, high) for w in (0.0, largest_weight(rounds))],
        (low, high),
    )


def units_of(rounds: Rounds) -> Units:
    """The users of a policy's rounds."""
    weight = rounds.weight
    return Units(rounds.sizes, rounds.by_user(weight * rounds.reward), rounds.by_user(weight - 1))


def plain(rounds: Rounds, level: float) -> Span:
    """Independent rounds: the dual of the CR(-2) likelihood ratio against F(1, n).

    One unseen round of weight 0 or the largest, at the worst reward, whichever is worse.
    """
    n = len(rounds)
    w, r = rounds.weight, rounds.reward
    sums = np.array([w.sum(), w @ w, w @ r, w @ (w * r), (w * r) @ (w * r)])
    largest = largest_weight(rounds)
    free = largest if sums[0] < n else 0.0
    if math.isinf(free):
        slack = 1 + 1 / n
    else:
        a, b = (free + sums[0]) / (1 + n), (free * free + sums[1]) / (1 + n)
        slack = (1 + n) * (a - 1) ** 2 / (b - a * a) if b > a * a else 0.0
    phi = (-slack - float(fdtri(1, n, level))) / (2 * (1 + n))
    low, high = rounds.reward_range
    ends = []
    for worst, sign in ((low, 1), (high, -1)):
        found = [_end(sums, n, worst, sign, fake, phi) for fake in (0.0, largest)]
        at = min([f for f in found if f is not None], default=sign * worst)
        ends.append(min(max(sign * at, low), high))
    return ends[0], ends[1]


def _end(sums: Floats, n: int, worst: float, sign: int, fake: float, phi: float) -> float | None:
    """The least value (of sign * reward) that the likelihood ratio still allows, or None."""
    w, ww, wr, wwr, wwrr = sums.tolist()
    if math.isinf(fake):
        x = sign * (worst + (wr - w * worst) / n)
        y = (worst * w - wr) ** 2 / (n * (1 + n)) - (
            worst * worst * ww - 2 * worst * wwr + wwrr
        ) / (1 + n)
        z = phi + 1 / (2 * n)
    else:
        a, b = (fake + w) / (1 + n), (fake * fake + ww) / (1 + n)
        c = sign * (fake * worst + wr) / (1 + n)
        d = sign * (fake * fake * worst + wwr) / (1 + n)
        e = (fake * fake * worst * worst + wwrr) / (1 + n)
        spread = b - a * a
        if spread <= 0:
            return None
        x = c + (1 - a) * (d - a * c) / spread
        y = (d - a * c) ** 2 / spread - (e - c * c)
        z = phi + (1 - a) ** 2 / (2 * spread)
    y = min(y, 0.0)  # minus a variance
    return None if z > 0 else x - math.sqrt(2 * y * z)
