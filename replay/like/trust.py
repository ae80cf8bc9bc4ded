"""Which estimator and interval to trust on a log: a fixed rule over what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats

SLACK = 0.02  # coverage that may be missing
ERRORS = 2.0  # and Monte-Carlo standard errors beside it
TIED = 1.05  # times the narrowest width: `auto` is as narrow
AUTO = "auto auto"  # the row of a report, with its own interval


@dataclass(frozen=True)
class Pair:
    """An estimator with an interval, over the replicates; None is "not in every replicate"."""

    estimator: str
    interval: str | None  # None: no interval of it is valid
    bias: float
    bias_standard_error: float
    standard_deviation: float
    coverage: float | None
    coverage_standard_error: float | None
    width: float | None
    width_standard_error: float | None

    @property
    def name(self) -> str:
        """As `--estimators` and `--interval` take them."""
        return f"{self.estimator} {self.interval or '-'}"


def measured(name: str, found: Floats, truth: float) -> Pair:
    """A pair `"estimator interval"` from (value, low, high) of each replicate `(R, 3)`."""
    estimator, _, interval = name.partition(" ")
    value, low, high = found.T
    root = math.sqrt(len(found))
    bias, sd = float(value.mean() - truth), float(value.std(ddof=1))
    coverage = error = width = width_error = None
    if not np.isnan(low + high).any():
        coverage = float(((low <= truth) & (truth <= high)).mean())
        error = math.sqrt(coverage * (1 - coverage) / len(found))
        width, width_error = float((high - low).mean()), float((high - low).std(ddof=1)) / root
    valid = None if interval == "-" else interval
    return Pair(estimator, valid, bias, sd / root, sd, coverage, error, width, width_error)


def least_coverage(level: float, replicates: int) -> float:
    """What a pair must cover: level - .02 - 2 standard errors of a pair that covers `level`.

    The error is that of the promise, not of what was found: who covers little must not lower
    the bar by it.
    """
    return level - SLACK - ERRORS * math.sqrt(level * (1 - level) / replicates)


def trusted(by_policy: Sequence[Sequence[Pair]], bar: float) -> Pair | None:
    """The narrowest pair that covers at least `bar` for every policy; `auto` if it is tied.

    Narrow is the mean over policies of the width, each as a multiple of the narrowest pair
    that may be trusted. None: no pair covers enough. Given back as measured for the first policy.
    """
    good = [{p.name: p for p in pairs if covers(p, bar)} for pairs in by_policy]
    names = [name for name in good[0] if all(name in found for found in good)]
    if not names:
        return None
    widths = np.array([[found[name].width for name in names] for found in good], float)
    least = np.maximum(widths.min(axis=1, keepdims=True), np.finfo(float).tiny)
    relative = (widths / least).mean(axis=0)
    best = names[int(relative.argmin())]
    if AUTO in names and relative[names.index(AUTO)] <= TIED * relative.min():
        best = AUTO
    return good[0][best]


def avoided(by_policy: Sequence[Sequence[Pair]], bar: float) -> list[tuple[str, float | None]]:
    """Pairs that miss `bar` for some policy, with their least coverage, the worst first."""
    worst: dict[str, float | None] = {}
    for pair in (p for pairs in by_policy for p in pairs):
        if pair.interval is not None and not covers(pair, bar):
            known = [c for c in (worst.get(pair.name), pair.coverage) if c is not None]
            worst[pair.name] = min(known) if known else None
    return sorted(worst.items(), key=lambda item: (item[1] is not None, item[1] or 0.0, item[0]))


def covers(pair: Pair, bar: float) -> bool:
    """Whether a pair may be trusted."""
    return pair.coverage is not None and pair.coverage >= bar


def sentence(best: Pair | None, avoid: Sequence[tuple[str, float | None]], bar: float) -> str:
    """What to do, in words."""
    if best is None:
        said = "On logs like this trust no estimator's interval: none covers enough"
    else:
        said = (
            f"On logs like this trust the estimator `{best.estimator}` with the interval "
            f"`{best.interval}`: the narrowest that covers enough"
        )
    if not avoid:
        return f"{said} (at least {bar:.3f}); none falls short of that."
    named = [
        f"`{name}` ({'not always computable' if c is None else f'{c:.2f}'})" for name, c in avoid
    ]
    return f"{said} (at least {bar:.3f}); avoid {', '.join(named)}."
