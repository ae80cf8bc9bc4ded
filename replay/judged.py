"""One policy's estimates on one log, each with interval, weights and verdict; and differences."""

from dataclasses import dataclass

from replay.estimators import ESTIMATORS, Estimate
from replay.intervals import INTERVALS
from replay.rounds import NotComputable, Rounds
from replay.verdict import Circumstances, Verdict, judge

NO_INTERVAL = ("dm",)  # no interval of it is valid: its bias is unknown


@dataclass(frozen=True)
class Setting:
    """What was asked of every policy alike."""

    estimators: tuple[str, ...]
    interval: str
    level: float
    seed: int


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


@dataclass(frozen=True)
class Judged:
    """A policy with its rounds and rows."""

    name: str
    rounds: Rounds
    about: Circumstances
    rows: list[Row]


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
    weighs = name != "dm"
    known = rounds.pscore is not None
    ess = rounds.ess if known else None
    mean = float(rounds.weight.mean()) if known else None
    largest = float(rounds.weight.max()) if known else None
    verdict: Verdict = "unreliable"
    reasons: list[str] = []
    value = low = high = None
    try:
        if weighs:
            _must_have_chosen(about)
        found = ESTIMATORS[name](rounds)
        value = found.value
        verdict, reasons = judge(name, rounds, about)
        low, high = _bounds(name, rounds, found, setting)
    except NotComputable as reason:
        verdict = "unreliable"
        reasons = [*reasons, str(reason)]
    return Row(
        name,
        value,
        setting.interval,
        low,
        high,
        setting.level,
        ess,
        mean,
        largest,
        about.support,
        verdict,
        reasons,
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
            ours, theirs = ESTIMATORS[name](policy.rounds), ESTIMATORS[name](base.rounds)
            value = ours.value - theirs.value
            verdict, reasons = _worse(
                judge(name, policy.rounds, policy.about), judge(name, base.rounds, base.about)
            )
            influence = ours.influence - theirs.influence
            paired = Estimate(value, influence, influence[:, None], lambda means: float(means[0]))
            low, high = _bounds(name, policy.rounds, paired, setting)
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


def _bounds(
    name: str, rounds: Rounds, found: Estimate, setting: Setting
) -> tuple[float | None, float | None]:
    if name in NO_INTERVAL:
        return None, None
    return INTERVALS[setting.interval](rounds, found, setting.level, setting.seed)


def _worse(a: tuple[Verdict, list[str]], b: tuple[Verdict, list[str]]) -> tuple[Verdict, list[str]]:
    ranks: list[Verdict] = ["reliable", "caution", "unreliable"]
    return max(a[0], b[0], key=ranks.index), list(dict.fromkeys([*a[1], *b[1]]))
