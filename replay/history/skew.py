"""Skew: does the one encoder make of the logged tasks the contexts that the policy saw?"""

import json

import numpy as np

from journal.cli import progress
from journal.log import Log
from journal.schema import one_array
from policies.arrays import Bools, Floats
from policies.errors import BadInput
from policies.features import FEATURES, NAME, encode, parse_instant, parse_zone
from replay.history.findings import Audit

LIBM_ULPS = 4
"""How far another platform's sine or logarithm may lie, in units of the last place."""


def check_skew(log: Log, found: Audit) -> None:
    """Encodes every logged task again and compares with the logged context.

    Bit for bit; a feature made by the platform's mathematics may lie 4 ulp off on another
    platform, which is counted apart. What does not hold names decision, candidate, feature
    and both values.
    """
    column = one_array(log.table["task_inputs"])
    rows = np.flatnonzero(np.asarray(column.is_valid())).tolist()
    if not rows:
        return
    if log.features != NAME:
        found.skip(f"tasks of {log.features} cannot be encoded again: this build has {NAME}")
        return
    for i in progress(rows, len(rows), "tasks encoded again"):
        texts = column[i].as_py()
        try:
            made = [None if text is None else _encoded(text) for text in texts]
        except BadInput as error:
            found.fail(f"decision {log.decision_id[i]}: its task inputs cannot be read ({error})")
            continue
        at = int(log.offsets[i])
        worst = 0.0
        for k, features in enumerate(made):
            if features is not None:
                worst = max(worst, _compare(log, i, at + k, np.array(features), found))
        found.encoded += worst == 0
        found.encoded_within_4_ulp += 0 < worst <= LIBM_ULPS


def _encoded(text: str) -> tuple[float, ...]:
    try:
        told = json.loads(text)
        now = parse_instant(told["now"], "now")
        return encode(told["task"], now, parse_zone(told["timezone"]))
    except BadInput:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput("task_inputs", f"{type(error).__name__}: {error}") from None


def _compare(log: Log, i: int, at: int, made: Floats, found: Audit) -> float:
    """How far, in ulp, candidate `at` of row i lies off; infinite for what is not allowed."""
    logged = log.context[at]
    off = ulps(logged, made)
    bad = off > np.where(_LIBM, LIBM_ULPS, 0)
    for j in np.flatnonzero(bad).tolist():
        found.fail(
            f"decision {log.decision_id[i]}, candidate {log.candidate_ids[at]}: {FEATURES[j].name}"
            f" was {float(logged[j])!r}, its task gives {float(made[j])!r}"
        )
    return float("inf") if bad.any() else float(off.max())


_LIBM: Bools = np.array([f.libm for f in FEATURES])


def ulps(one: Floats, other: Floats) -> Floats:
    """How far apart, elementwise, in units in the last place of the larger."""
    return np.abs(one - other) / np.spacing(np.maximum(np.abs(one), np.abs(other)))
