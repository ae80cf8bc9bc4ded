"""The interval of the difference of two policies' values on the same rounds."""

from dataclasses import dataclass

from replay.estimators.cressie_read import largest_weight
from replay.intervals.cressie_users import Fake, Span, Units, by_user
from replay.rounds import NotComputable, Rounds


@dataclass(frozen=True)
class Signed:
    """Two policies on the same rounds, ready for intervals at many levels."""

    units: Units
    worst: tuple[Fake, ...]
    best: tuple[Fake, ...]
    span: Span

    def at(self, level: float) -> Span:
        """The interval."""
        return by_user(self.units, level, self.worst, self.best, self.span)


def difference(ours: Rounds, theirs: Rounds, level: float) -> Span:
    """Cressie-Read by user with the signed weights w - w', whose mean is 0.

    The unseen round has the largest or the smallest difference of weights that any
    candidate could have had, at the reward that is worst for it.
    """
    return signed(ours, theirs).at(level)


def signed(ours: Rounds, theirs: Rounds) -> Signed:
    """What `difference` needs whatever the level. Raises `NotComputable` for one user."""
    if ours.users < 2 < len(ours):
        raise NotComputable("one user: nothing tells how people differ")
    apart = ours.weight - theirs.weight
    low, high = ours.reward_range
    units = Units(
        ours.sizes, ours.by_user(apart * ours.reward), ours.by_user(apart), mean_weight=0.0
    )
    least, most = _extremes(ours, theirs)
    span = low - high, high - low
    return Signed(units, ((most, low), (least, high)), ((most, high), (least, low)), span)


def _extremes(ours: Rounds, theirs: Rounds) -> tuple[float, float]:
    """The smallest and the largest difference of weights, as far as the log can tell."""
    if ours.candidates is None or theirs.candidates is None:
        return -largest_weight(theirs), largest_weight(ours)
    signed = ours.candidates.weight - theirs.candidates.weight
    seen = ours.weight - theirs.weight
    return (
        min(float(signed.min(initial=0.0)), float(seen.min())),
        max(float(signed.max(initial=0.0)), float(seen.max())),
    )
