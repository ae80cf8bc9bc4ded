"""What silence could hide: a policy's value had all the unanswered been the worst, or the best."""

import numpy as np

from policies.arrays import Bools, Floats
from replay.judged import Judged, Row
from replay.rounds import Rounds

BOUNDED = ("auto", "snips", "sndr")  # self-normalised: silence moves them by the same shift


def bounded_row(judged: Judged) -> Row | None:
    """The row that the bounds are of: the first self-normalised one that has a value."""
    return next((r for r in judged.rows if r.estimator in BOUNDED and r.value is not None), None)


def silence_bounds(judged: Judged, silent: Bools) -> tuple[float, float] | None:
    """Bounds of the policy's value over what the silent of its rounds, `(n,)`, would have said.

    The weights (and the model of `auto`) stay, the silent rewards become the least and the
    largest possible: `sum w r / sum w` is linear and increasing in them, so nothing in between
    lies outside (Manski, 1990). None where no self-normalised estimate could be computed.
    """
    row = bounded_row(judged)
    if row is None or row.value is None:
        return None
    least, most = judged.rounds.reward_range
    low = max(row.value + shift(judged.rounds, silent, least), least)
    high = min(row.value + shift(judged.rounds, silent, most), most)
    return min(low, row.value), max(high, row.value)


def shift(rounds: Rounds, silent: Bools, reward: float) -> float:
    """How far `sum w r / sum w` moves when each of the `silent (n,)` earns `reward`."""
    moved: Floats = np.where(silent, reward - rounds.reward, 0.0)
    return float((rounds.weight @ moved) / rounds.weight.sum())
