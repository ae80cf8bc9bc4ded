"""What an interval is."""

from collections.abc import Callable

from replay.estimators import Estimate
from replay.rounds import Rounds

Interval = Callable[[Rounds, Estimate, float, int], tuple[float, float]]
"""`fn(rounds, estimate, level, seed) -> (low, high)`; raises `NotComputable`."""
