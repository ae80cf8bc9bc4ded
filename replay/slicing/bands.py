"""Values of a column as a few named groups: quantile bands of numbers, categories of the rest."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from policies.arrays import Floats, Ints
from policies.errors import BadInput, one_line

BANDS = 4  # quarters
FEW = 4  # distinct numbers that are groups of their own
MOST = 10  # categories; the rarest beyond share one
MISSING = "missing"
LONGEST = 60  # characters of a name


def bands(values: Floats) -> tuple[tuple[str, ...], Ints]:
    """Names of quantile bands and the band of each value `(m,)`; ties are never split."""
    distinct = np.unique(values)
    if len(distinct) <= FEW:
        return tuple(f"{x:g}" for x in distinct), np.searchsorted(distinct, values)
    cuts = np.quantile(values, np.arange(1, BANDS) / BANDS, method="inverted_cdf")
    cuts = np.unique(cuts[cuts < distinct[-1]])
    code = np.searchsorted(cuts, values, side="left")
    names = []
    for band in range(len(cuts) + 1):
        inside = values[code == band]
        low, high = inside.min(), inside.max()
        names.append(f"{low:g}" if low == high else f"{low:g} to {high:g}")
    return tuple(names), code


def categories(name: str, values: Sequence[Any]) -> tuple[tuple[str, ...], Ints]:
    """Names and group of each value `(m,)` of a column: numbers in bands, else by their text.

    Null and NaN are a group of their own. Raises `BadInput` for values that are lists.
    """
    given = [v.item() if isinstance(v, np.generic) else v for v in values]
    lack = np.array([_is_missing(v) for v in given])
    kept = [v for v, gone in zip(given, lack, strict=True) if not gone]
    nested = next((v for v in kept if isinstance(v, list | tuple | dict | set | np.ndarray)), None)
    if nested is not None:
        raise BadInput(f"column {name}", "must hold numbers or texts, one a decision", nested)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in kept) and kept:
        numbers = np.array(kept, np.float64)
        if not np.isfinite(numbers).all():
            raise BadInput(f"column {name}", "must be finite", float("inf"))
        names, code = bands(numbers)
    else:
        names, code = _texts([_text(v) for v in kept])
    out = np.full(len(given), len(names))
    out[~lack] = code
    return (*names, MISSING), out


def _texts(kept: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    count = Counter(kept)
    ranked = sorted(count, key=lambda v: (-count[v], v))
    place = {v: min(i, MOST - 1) if len(ranked) > MOST else i for i, v in enumerate(ranked)}
    names = ranked
    if len(ranked) > MOST:
        names = [*ranked[: MOST - 1], f"{len(ranked) - MOST + 1} others"]
    return tuple(names), np.array([place[v] for v in kept], np.int64)


def _text(value: Any) -> str:
    text = one_line(str(value)) if not isinstance(value, bool) else "yes" if value else "no"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "NaT"
