"""The variance that the logged pmfs imply: rare heavy weights count before they come."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats, Ints
from replay.rounds import Rounds

STEP = 2.0  # bins of weight, in powers of two: a bin's largest is 4 times its smallest
REACH = 2  # how many bins away a bin's rows may still speak for it
FAKE_ROWS = 2.0  # a bin's rows, beside its own, that pay what is feared
DOUBT = 3.0  # rows nearby that are trusted by half
ALIKE = 2.0  # as far apart as two mean squares may be and still pass for one


@dataclass(frozen=True)
class Designed:
    """The variance of one round's weighted residual, and on how many rows it stands."""

    variance: float
    rows: float  # degrees of freedom, by Satterthwaite (1946)


def design_variance(rounds: Rounds, residual: Floats, value: float) -> Designed:
    """Over all that the logger could draw; `residual (n,)` in units of reward.

    In bins of log w what a bin contributes is known from all candidates, sum pi_e^2/pi_b;
    only its mean squared residual is estimated, shrunk by `FAKE_ROWS` rows toward what is
    feared. That is the worst the reward range allows, unless bins of nearby weights have
    rows, as noisy as rewards of this mean can be and no less noisy than the bin itself:
    then it is theirs. So a risk that sits on a rare, heavily weighted action alone is not
    averaged away by what is known of the others.
    """
    assert rounds.candidates is not None
    low, high = rounds.reward_range
    span = high - low  # all below is in its units: its squares may be too large for a float
    up, down = (high - value) / span, (value - low) / span
    worst = max(up * up, down * down)
    noisiest = max(up * down, 1e-12)  # a variance can be, at this mean
    candidates = rounds.candidates
    kept, at = candidates.weight > 0, np.flatnonzero(rounds.weight > 0)
    theirs, ours = _bins(candidates.weight[kept]), _bins(rounds.weight[at])
    first = min(theirs.min(initial=0), ours.min(initial=0))
    size = int(max(theirs.max(initial=0), ours.max(initial=0)) - first) + 1
    total = np.bincount(theirs - first, candidates.pi_e[kept] * candidates.weight[kept], size)
    square, weight = (residual[at] / span) ** 2, rounds.weight[at] ** 2
    rows = np.bincount(ours - first, minlength=size).astype(np.float64)
    mass = np.bincount(ours - first, weight, size)
    rest = np.bincount(ours - first, weight * square, size)
    near = _around(rows)
    noise = _around(np.bincount(ours - first, square, size).astype(np.float64)) / np.maximum(
        near, 1.0
    )
    own = np.divide(rest, mass, out=np.zeros(size), where=mass > 0)
    trust = near / (near + DOUBT) * _share(noise, noisiest) * _share(noise, own)
    feared = trust * noise + (1 - trust) * worst
    fake = FAKE_ROWS * mass / np.maximum(rows, 1.0)
    sigma2 = np.divide(rest + fake * feared, mass + fake, out=feared.copy(), where=rows > 0)
    parts = total * sigma2 / len(rounds)
    stands_on = np.maximum(rows + FAKE_ROWS - 1 + trust * near, 0.5)
    spread = float((parts**2 / stands_on).sum())
    variance = float(parts.sum())
    rows_meant = variance**2 / spread if spread > 0 else np.inf
    return Designed(variance * span * span, rows_meant)


def _share(noise: Floats, most: Floats | float) -> Floats:
    """How far `noise` passes for `most`, in [0, 1]."""
    short = ALIKE * noise < most
    return np.divide(ALIKE * noise, most, out=np.ones(len(noise)), where=short)


def _around(column: Floats) -> Floats:
    """The sum over the bins within `REACH`, the bin itself left out."""
    out = np.zeros(len(column))
    for step in range(1, REACH + 1):
        out[step:] += column[:-step]
        out[:-step] += column[step:]
    return out


def _bins(weight: Floats) -> Ints:
    return np.floor(np.log2(weight) / STEP).astype(np.int64)
