"""Priors: what a population has taught, from which new users and arms of `linucb` start.

A prior is a mean and a precision of theta for each arm it knows, and one for all others. It
is known by the SHA-256 of its text; a spec names a file, the canonical spec the hash, and
the text is kept with every log whose decisions it made. States stay raw sums: a prior is
added when they are read, in the place of lambda I.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.arrays import Floats, Ints, Words
from policies.errors import BadInput
from policies.keys import arm_keys
from policies.ridge import LEAST_PRIOR

SCHEMA = 1
_NAMED = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, eq=False)
class Prior:
    """R arms' precisions P and P mean; row R is for every other arm."""

    name: str
    text: str
    features: str
    width: int
    keys: Words  # (R,) ascending, keys of the arms
    order: Ints  # (R,) the row of each key
    gram: Floats  # (R+1, d(d+1)/2) lower triangle of P, by rows
    moment: Floats  # (R+1, d)
    sketch: frozenset[int]  # hashes of decisions it was trained on

    def rows(self, arm_key: Words) -> Ints:
        """The row of each arm, `(N,)`."""
        other = len(self.keys)
        if not other:
            return np.zeros(len(arm_key), np.int64)
        at = np.minimum(np.searchsorted(self.keys, arm_key), other - 1)
        return np.where(self.keys[at] == arm_key, self.order[at], other)


_KNOWN: dict[str, Prior] = {}
"""By name. A name is a hash of the content, so no entry can be wrong or grow old."""


def know(text: str, where: str) -> str:
    """The name of the prior that `text` is. Raises `BadInput` when it is none."""
    name = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    if name not in _KNOWN:
        _KNOWN[name] = _parsed(name, text, where)
    return name


def known(name: str) -> Prior:
    """The prior of a name. Raises `BadInput` for one whose content was not read before."""
    if name not in _KNOWN:
        raise BadInput("prior", "its content is not known here: name its file", name)
    return _KNOWN[name]


def name_of(given: str) -> str:
    """The name of a prior given by its file or its name; "" stays "".

    The one file that the decision core reads: a spec names it, as it names a module.
    """
    if not given:
        return ""
    if _NAMED.fullmatch(given):
        known(given)
        return given
    try:
        with open(given, "rb") as file:
            return know(file.read().decode(), given)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"prior {given}", f"cannot be read ({reason})") from None


def check_prior(policy: object, features: str) -> None:
    """Raises `BadInput` when the policy's prior is of other features: five numbers are no name."""
    name = getattr(policy, "prior", "")
    if name in _KNOWN and _KNOWN[name].features != features:
        raise BadInput("prior", f"must be of the features {features}", _KNOWN[name].features)


def priors_in(specs: Iterable[str]) -> list[Prior]:
    """The known priors that canonical specs name, each once."""
    if not _KNOWN:
        return []
    names = dict.fromkeys(name for spec in specs for name in _NAMED.findall(spec))
    return [_KNOWN[name] for name in names if name in _KNOWN]


def is_prior_missing(spec: str) -> bool:
    """Whether a canonical spec names a prior whose content was not read."""
    return any(name not in _KNOWN for name in _NAMED.findall(spec))


def _parsed(name: str, text: str, where: str) -> Prior:
    try:
        record = json.loads(text)
        if record["schema"] != SCHEMA or record["kind"] != "prior":
            raise ValueError("kind must be prior")
        return _prior(name, text, record)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
    except OverflowError:
        reason = "a number is too large"
    raise BadInput(where, f"is not a prior of schema {SCHEMA} ({reason})")


def _prior(name: str, text: str, record: Any) -> Prior:
    width = int(record["width"])
    arms = list(record["arms"])
    keys = arm_keys(arms)
    order = np.argsort(keys)
    rows = [_row(one, width) for one in [*record["arms"].values(), record["others"]]]
    return Prior(
        name,
        text,
        str(record["features"]),
        width,
        keys[order],
        order,
        np.array([gram for gram, _ in rows]),
        np.array([moment for _, moment in rows]),
        frozenset(int(h, 16) for h in record["learned_from"]["sketch"]),
    )


def _row(one: Any, width: int) -> tuple[list[float], list[float]]:
    """The triangle of P, and P mean by sums in one order: every machine has the same bits."""
    mean = _numbers(one["mean"], width)
    triangle = _numbers(one["precision"], width * (width + 1) // 2)
    full = np.zeros((width, width))
    full[np.tril_indices(width)] = triangle
    full = full + np.tril(full, -1).T
    if not np.linalg.eigvalsh(full)[0] >= LEAST_PRIOR:
        raise ValueError(f"precision must have eigenvalues of at least {LEAST_PRIOR:g}")
    moment = []
    for i in range(width):
        entry = 0.0
        for j in range(width):
            entry += float(full[i, j]) * mean[j]
        moment.append(entry)
    return triangle, moment


def _numbers(values: Sequence[Any], count: int) -> list[float]:
    numbers = [float(v) for v in values]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} finite numbers")
    return numbers
