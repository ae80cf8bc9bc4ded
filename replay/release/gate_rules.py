"""The rules of a gate: their defaults, and the TOML file that changes them."""

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from policies.errors import BadInput
from replay.estimators import ESTIMATORS, estimator_of
from replay.intervals import INTERVALS
from replay.judged import AUTO, NO_INTERVAL
from replay.verdict import AMPLE_ESS, FEW_USERS, LEAST_SUPPORT

AUDITS = ("required", "if-possible")
SERVED = ("if-given", "required")
VERDICTS = ("reliable", "caution")
WEIGHTED = tuple(name for name in ESTIMATORS if name not in (AUTO, *NO_INTERVAL))
SPANS = tuple(name for name in INTERVALS if name != AUTO)


@dataclass(frozen=True)
class Rules:
    """What a challenger must hold, the keys of the rules file; a default for each."""

    margin: float = 0.0
    estimator: str = "snips"
    interval: str = "anytime"
    level: float = 0.95
    min_ess: float = AMPLE_ESS
    min_support: float = LEAST_SUPPORT
    min_users: float = float(FEW_USERS)
    verdict: str = "caution"
    audit: str = "required"
    slice_floor: float = 0.0
    latency_p99_ms: float = 2.0
    served_p99_ms: float = 20.0
    served: str = "if-given"

    @property
    def two_sided(self) -> float:
        """The level of the interval whose lower bound has the one-sided `level`."""
        return 1.0 - 2.0 * (1.0 - self.level)


WORDS = {
    "margin": "the lower bound of challenger - champion must be above it, reward per decision",
    "estimator": "of the paired difference; `adaptive` where the logger's state is shared",
    "interval": "`anytime` lets you look every day; any other is for one look",
    "level": "one-sided, of the lower bound and of the slices together",
    "min_ess": "effective sample size, the smaller of the two policies'",
    "min_support": "share of a policy's choices that the logger could make, the smaller of two",
    "min_users": "people, as many as of equal size",
    "verdict": "the worst verdict of the difference that passes: reliable or caution",
    "audit": "required, or if-possible: a foreign log that cannot be audited is then not judged",
    "slice_floor": "no slice may be shown to lose more than this",
    "latency_p99_ms": "a decision of the challenger, measured here on the log's decisions",
    "served_p99_ms": "/score as a scorer's /metrics tells it",
    "served": "if-given: not measured without --metrics; required: then refused",
}
"""Why each is there, as the file of the defaults says it."""

_CHOICES = {
    "estimator": WEIGHTED,
    "interval": SPANS,
    "verdict": VERDICTS,
    "audit": AUDITS,
    "served": SERVED,
}
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "margin": (math.isfinite, "must be finite"),
    "level": (lambda x: 0.5 < x < 1, "must be between 0.5 and 1"),
    "min_ess": (lambda x: x >= 0, "must not be negative"),
    "min_support": (lambda x: 0 <= x <= 1, "must be in [0, 1]"),
    "min_users": (lambda x: x >= 2, "must be at least 2"),
    "slice_floor": (lambda x: x >= 0, "must not be negative"),
    "latency_p99_ms": (lambda x: x > 0, "must be positive"),
    "served_p99_ms": (lambda x: x > 0, "must be positive"),
}

GivenRules = str | os.PathLike[str] | Mapping[str, Any] | Rules | None


def rules_of(given: GivenRules) -> Rules:
    """Rules from a TOML file, a mapping of the same keys, or as they are; None: the defaults.

    Raises `BadInput` naming the file, the key, its rule and what was found.
    """
    if given is None:
        return Rules()
    if isinstance(given, Rules):
        return rules_of(vars(given))
    if isinstance(given, Mapping):
        return _checked(given, "rules")
    where = os.fspath(given)
    try:
        read = tomllib.loads(Path(where).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(where, f"cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of a number's length
        raise BadInput(where, f"is not TOML ({error})") from None
    return _checked(read, where)


def changed_rules(rules: Rules) -> str | None:
    """What is not as by default, in words; None: all is."""
    kept = Rules()
    moved = [
        f"{f.name} {getattr(rules, f.name)} (by default {f.default})"
        for f in fields(Rules)
        if getattr(rules, f.name) != getattr(kept, f.name)
    ]
    return f"rules were changed: {', '.join(moved)}" if moved else None


def default_rules() -> str:
    """The rules file with every default, each key with its reason."""
    said = ((f.name, f.default) for f in fields(Rules))
    lines = [f"{f'{key} = {_toml(value)}':<26} # {WORDS[key]}" for key, value in said]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _checked(given: Mapping[str, Any], where: str) -> Rules:
    known = [f.name for f in fields(Rules)]
    for key in given:
        if key not in known:
            raise BadInput(where, f"keys are {', '.join(known)}", key)
    return Rules(**{key: _value(key, value, f"{where}: {key}") for key, value in given.items()})


def _value(key: str, value: Any, where: str) -> Any:
    if key in _RANGES:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(where, "must be a number", value)
        holds, rule = _RANGES[key]
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise BadInput(where, "must be finite", value)
        if not holds(number):
            raise BadInput(where, rule, value)
        return number
    if not isinstance(value, str):
        raise BadInput(where, "must be a string", value)
    name = value.partition(":")[0] if key == "estimator" else value
    if name not in _CHOICES[key]:
        raise BadInput(where, f"must be one of {', '.join(_CHOICES[key])}", value)
    if key == "estimator":
        estimator_of(value)  # `switch-dr:tau=2` has a parameter
    return value
