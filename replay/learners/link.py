"""From a linear score to a mean reward: the link, and the working response it is fitted by."""

from typing import NamedTuple

import numpy as np

from policies.arrays import Floats

LEAST_SLOPE = 0.05  # of the logistic curve, in units of its steepest; flatter weighs nothing


class Link(NamedTuple):
    """mean = low + (high - low) / (1 + exp(-score)), or the score itself where `bounded` is not."""

    low: float
    high: float
    bounded: bool

    def mean(self, score: Floats) -> Floats:
        """Mean rewards of scores, within [low, high]."""
        if not self.bounded:
            return np.clip(score, self.low, self.high)
        found: Floats = self.low + (self.high - self.low) / (1 + np.exp(-np.clip(score, -30, 30)))
        return found

    def start(self, reward: Floats) -> float:
        """The score of the mean reward."""
        mean = float(reward.mean())
        if not self.bounded:
            return mean
        share = min(max((mean - self.low) / (self.high - self.low), 0.01), 0.99)
        return float(np.log(share / (1 - share)))

    def working(self, score: Floats, reward: Floats, spread: Floats) -> tuple[Floats, Floats]:
        """(response, weight): a weighted linear fit of the response is a Newton step
        (iteratively reweighted least squares; Nelder & Wedderburn, 1972).

        `spread (m,)`, the score's posterior variance, flattens the curve: what is averaged is
        the mean reward over the posterior, by 1 / sqrt(1 + pi spread / 8) (MacKay, 1992).
        """
        if not self.bounded:
            return reward, np.ones(len(reward))
        flat = 1 / np.sqrt(1 + np.pi / 8 * spread)
        share = 1 / (1 + np.exp(-np.clip(flat * score, -30, 30)))
        slope = flat * np.maximum(share * (1 - share), LEAST_SLOPE / 4)
        return score + ((reward - self.low) / (self.high - self.low) - share) / slope, slope

    def dispersion(self, reward: Floats) -> float:
        """The noise variance of a working response that its weights leave: 1 for two values.

        A fit that overfits sees less.
        """
        if not self.bounded:
            return 0.0
        share = (reward - self.low) / (self.high - self.low)
        return float(share.var() / max(share.mean() * (1 - share.mean()), 1e-12))

    def local(self, score: Floats, reward: Floats) -> tuple[float, Floats]:
        """(rewards per unit of the curve, its slope at each score)."""
        if not self.bounded:
            return 1.0, np.ones(len(reward))
        share = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
        return self.high - self.low, share * (1 - share)


def link_of(reward: Floats) -> Link:
    """The link for rewards `(n,)`: logistic for two or three values, else the identity."""
    values = np.unique(reward)
    return Link(float(values[0]), float(values[-1]), bounded=len(values) in (2, 3))
