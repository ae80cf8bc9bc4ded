"""One policy's estimates on one log, each with interval, weights and verdict; and differences."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.arrays import Floats
from replay.behavior.adaptivity import settled
from replay.estimators import Estimate, estimator_of
from replay.intervals import INTERVALS
from replay.intervals.auto import choice
from replay.intervals.difference import difference
from replay.rounds import NotComputable, Rounds
from replay.verdict import Circumstances, Verdict, judge, says_nothing

NO_INTERVAL = ("dm",)  # no interval of it is valid: its bias is unknown
AUTO = "auto"
OF_THE_VALUE = ("cressie-read", AUTO)  # intervals of a policy's value, whatever the estimate


@dataclass(frozen=True)
class Setting:
    """What was asked of every policy alike."""

    estimators: tuple[str, ...]
    interval: str
    level: float
    seed: int
    learners: tuple[str, ...] = ()  # methods of replay.learners, rows behind the estimators'


@dataclass(frozen=True)
class Row:
    """An estimate as a report shows it; None is "could not be computed", see the reasons."""

    estimator: str
    value: float | None
    interval: str
    low: float | None
    high: float | None
    level: float
    ess: float | None
    mean_weight: float | None
    max_weight: float | None
    support: float | None
    verdict: Verdict
    reasons: list[str]
    chosen: dict[str, Any]  # what was found in the data: tau, lambda; of `auto` how it chose


@dataclass(frozen=True)
class Judged:
    """A policy with its rounds and rows."""

    name: str
    rounds: Rounds
    about: Circumstances
    rows: list[Row]
    pmf: Floats | None = None  # (N,) of every candidate of the log; None: what was logged


@dataclass(frozen=True)
class Difference:
    """A paired difference: the same rounds for both, the influence subtracted."""

    policy: str
    against: str
    estimator: str
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    reasons: list[str]


def estimate(name: str, rounds: Rounds, about: Circumstances, setting: Setting) -> Row:
    """One row; a null with its reason where the rounds cannot give it."""
    weighs, interval = name != "dm", _interval(name, setting)
    known = rounds.pscore is not None
    ess = rounds.ess if known else None
    mean = float(rounds.weight.mean()) if known else None
    largest = float(rounds.weight.max()) if known else None
    verdict: Verdict = "unreliable"
    reasons: list[str] = []
    value = low = high = None
    chosen: dict[str, Any] = {}
    try:
        if weighs:
            _must_have_chosen(about)
        found = estimator_of(name)(rounds)
        value = found.value
        chosen = _chosen(name, rounds, found)
        verdict, reasons = judge(name, rounds, settled(about, name, interval), interval)
        low, high = _bounds(name, rounds, found, setting)
        if low is not None and high is not None:
            empty = says_nothing(low, high, rounds)
            if empty is not None:
                verdict, reasons = "unreliable", [empty, *reasons]
            if name == AUTO:
                value = min(max(value, low), high)
    except NotComputable as reason:
        verdict = "unreliable"
        reasons = [*reasons, str(reason)]
    return Row(
        name,
        value,
        interval,
        low,
        high,
        setting.level,
        ess,
        mean,
        largest,
        about.support,
        verdict,
        reasons,
        chosen,
    )


def compare(policy: Judged, base: Judged, setting: Setting) -> list[Difference]:
    """Paired differences policy - base, one row an estimator.

    Pairing needs the same rounds; the interval is that of the difference of influences.
    """
    out = []
    for name in setting.estimators:
        weighs = name != "dm"
        verdict: Verdict = "unreliable"
        reasons: list[str] = []
        value = low = high = None
        try:
            if weighs:
                _must_have_chosen(policy.about)
                _must_have_chosen(base.about)
            function = estimator_of(name)
            paired = _paired(function(policy.rounds), function(base.rounds))
            value = paired.value
            interval = _interval(name, setting)
            verdict, reasons = _worse(
                judge(name, policy.rounds, settled(policy.about, name, interval), interval),
                judge(name, base.rounds, settled(base.about, name, interval), interval),
            )
            if name not in NO_INTERVAL:
                low, high = (
                    difference(policy.rounds, base.rounds, setting.level)
                    if interval in OF_THE_VALUE
                    else INTERVALS[interval](policy.rounds, paired, setting.level, setting.seed)
                )
                if name == AUTO:
                    value = min(max(value, low), high)
        except NotComputable as reason:
            verdict = "unreliable"
            reasons = [*reasons, str(reason)]
        out.append(Difference(policy.name, base.name, name, value, low, high, verdict, reasons))
    return out


def _must_have_chosen(about: Circumstances) -> None:
    if about.deterministic and (about.support is None or about.support < 1.0):
        raise NotComputable(
            "deterministic logger: it never tried the other actions, no weight speaks of them"
        )


def _paired(ours: Estimate, theirs: Estimate) -> Estimate:
    """The difference of two estimates on the same rounds, as one estimate."""
    m = ours.columns.shape[1]
    return Estimate(
        ours.value - theirs.value,
        ours.influence - theirs.influence,
        np.hstack([ours.columns, theirs.columns]),
        lambda means: ours.combine(means[:m]) - theirs.combine(means[m:]),
    )


def _interval(name: str, setting: Setting) -> str:
    return AUTO if name == AUTO else setting.interval


def _chosen(name: str, rounds: Rounds, found: Estimate) -> dict[str, Any]:
    chosen: dict[str, Any] = {k: v if math.isfinite(v) else None for k, v in found.chosen.items()}
    if name == AUTO:
        return {"estimator": "sndr", **chosen, "interval": choice(rounds)}
    return chosen


def _bounds(
    name: str, rounds: Rounds, found: Estimate, setting: Setting
) -> tuple[float | None, float | None]:
    if name in NO_INTERVAL:
        return None, None
    return INTERVALS[_interval(name, setting)](rounds, found, setting.level, setting.seed)


def _worse(a: tuple[Verdict, list[str]], b: tuple[Verdict, list[str]]) -> tuple[Verdict, list[str]]:
    ranks: list[Verdict] = ["reliable", "caution", "unreliable"]
    return max(a[0], b[0], key=ranks.index), list(dict.fromkeys([*a[1], *b[1]]))
