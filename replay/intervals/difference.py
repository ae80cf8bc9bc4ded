"""The interval of the difference of two policies' values on the same rounds."""

from replay.estimators.cressie_read import largest_weight
from replay.intervals.cressie_users import Span, Units, by_user
from replay.rounds import NotComputable, Rounds


def difference(ours: Rounds, theirs: Rounds, level: float) -> Span:
    """Cressie-Read by user with the signed weights w - w', whose mean is 0.

    The unseen round has the largest or the smallest difference of weights that any
    candidate could have had, at the reward that is worst for it.
    """
    if ours.users < 2 < len(ours):
        raise NotComputable("one user: nothing tells how people differ")
    signed = ours.weight - theirs.weight
    low, high = ours.reward_range
    units = Units(
        ours.sizes, ours.by_user(signed * ours.reward), ours.by_user(signed), mean_weight=0.0
    )
    least, most = _extremes(ours, theirs)
    span = low - high, high - low
    return by_user(units, level, [(most, low), (least, high)], [(most, high), (least, low)], span)


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
