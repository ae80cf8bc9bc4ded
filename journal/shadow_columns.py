"""The log's columns of shadows: which policies were asked beside the one that decided, and what
each would have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journal import schema
from journal.checks import SUM_TOLERANCE
from policies.arrays import Bools, Floats, Ints
from policies.errors import BadInput

if TYPE_CHECKING:
    from journal.log import Log

ShadowRow = Sequence[tuple[str, Floats | None]]
"""A decision's shadows, each with its pmf `(K,)`, None where it failed."""

NAMES, PMFS = "shadow_policies", "shadow_pmfs"


@dataclass(frozen=True)
class Shadow:
    """One policy's part of the columns: n decisions over N candidates."""

    policy: str
    asked: Bools  # (n,)
    failed: Bools  # (n,) it was asked and gave no pmf
    pmf: Floats  # (N,) NaN where it gave none


def shadow_arrays(rows: Sequence[ShadowRow]) -> tuple[Any, Any]:
    """Both columns; null for a decision without shadows."""
    names = [[name for name, _ in row] or None for row in rows]
    pmfs = [[None if pmf is None else pmf.tolist() for _, pmf in row] or None for row in rows]
    fields = schema.columns(1)
    return pa.array(names, fields.field(NAMES).type), pa.array(pmfs, fields.field(PMFS).type)


def shadow_names(log: Log) -> list[str]:
    """The policies that were asked in shadow, sorted."""
    return sorted(set(_flat(log.table[NAMES]).unique().to_pylist()))


def shadows_of(log: Log) -> list[Shadow]:
    """Every policy that was asked in shadow, sorted by its name."""
    entries = _Entries.of(log)
    of_value = np.repeat(entries.code, entries.length)  # whose each number is
    n, out = len(log), []
    for code in np.argsort(np.array(entries.names)) if entries.names else ():
        asked, failed = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        asked[entries.row[entries.code == code]] = True
        failed[entries.row[(entries.code == code) & ~entries.given]] = True
        pmf = np.full(int(log.offsets[-1]), np.nan)
        pmf[entries.place[of_value == code]] = entries.value[of_value == code]
        out.append(Shadow(entries.names[code], asked, failed, pmf))
    return out


@dataclass(frozen=True)
class _Entries:
    """The columns flat: E entries, one a decision and shadow, over M probabilities."""

    names: list[str]
    code: Ints  # (E,) index into the names
    row: Ints  # (E,) the decision
    given: Bools  # (E,) whether there is a pmf
    length: Ints  # (E,) of the pmf, 0 without
    value: Floats  # (M,)
    place: Ints  # (M,) the candidate's index among all N

    @classmethod
    def of(cls, log: Log) -> _Entries:
        """Call it on columns of the right shape."""
        names = _flat(log.table[NAMES]).dictionary_encode()
        pmfs = _flat(log.table[PMFS])
        row = _rows(log.table[NAMES])
        length = pc.fill_null(pc.list_value_length(pmfs), 0).to_numpy().astype(np.int64)
        before = np.cumsum(length) - length
        value = pmfs.flatten().to_numpy(zero_copy_only=False)
        place = np.arange(len(value)) + np.repeat(log.offsets[row] - before, length)
        code = names.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        given = np.asarray(pmfs.is_valid())
        return cls(names.dictionary.to_pylist(), code, row, given, length, value, place)


def check_shadow_shape(log: Log) -> None:
    """Raises `BadInput` where the lists do not go together, or hold nulls that they must not."""
    names, pmfs = (schema.one_array(log.table[name]) for name in (NAMES, PMFS))
    if names.null_count == pmfs.null_count == len(log):
        return
    one, other = (pc.fill_null(pc.list_value_length(c), -1).to_numpy() for c in (names, pmfs))
    if (one != other).any():
        at = int(np.flatnonzero(one != other)[0])
        rule = f"must have one entry a policy of {NAMES}"
        _refuse(log, at, PMFS, rule, "null" if other[at] < 0 else int(other[at]))
    flat, row = names.flatten(), _rows(names)
    if flat.null_count:
        _refuse(log, int(row[np.flatnonzero(flat.is_null())[0]]), NAMES, "must hold no nulls")
    codes = flat.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    pairs = np.stack([row, codes], axis=1)
    first = np.unique(pairs, axis=0, return_index=True)[1]
    if len(first) < len(pairs):
        at = int(np.setdiff1d(np.arange(len(pairs)), first)[0])
        _refuse(log, int(row[at]), NAMES, "each policy may be there once", flat[at].as_py())
    inner = pmfs.flatten()
    k = np.diff(log.offsets)[row]
    own = pc.fill_null(pc.list_value_length(inner), -1).to_numpy()
    bad = np.flatnonzero((own != k) & (own >= 0))
    if len(bad):
        at = int(bad[0])
        _refuse(log, int(row[at]), PMFS, "must have one entry a candidate", int(own[at]))
    if inner.flatten().null_count:
        gone = pc.list_parent_indices(inner).filter(inner.flatten().is_null())[0].as_py()
        _refuse(log, int(row[gone]), PMFS, "must hold no nulls inside its pmfs")


def check_shadow_values(log: Log) -> None:
    """Raises `BadInput` for a pmf that is none. Call it on columns of the right shape."""
    entries = _Entries.of(log)
    if not entries.given.any():
        return
    of_value = np.repeat(np.arange(len(entries.row)), entries.length)
    bad = np.flatnonzero(~((entries.value >= 0) & (entries.value <= 1 + SUM_TOLERANCE)))
    if len(bad):
        at = int(entries.row[of_value[bad[0]]])
        _refuse(log, at, PMFS, "must be in [0, 1]", float(entries.value[bad[0]]))
    sums = np.bincount(of_value, weights=entries.value, minlength=len(entries.row))
    bad = np.flatnonzero(entries.given & (np.abs(sums - 1) > SUM_TOLERANCE))
    if len(bad):
        rule = f"must sum to 1 within {SUM_TOLERANCE:g}"
        _refuse(log, int(entries.row[bad[0]]), PMFS, rule, float(sums[bad[0]]))


def _flat(column: Any) -> Any:
    return schema.one_array(column).flatten()


def _rows(lists: Any) -> Ints:
    """The row of each entry."""
    parents = pc.list_parent_indices(schema.one_array(lists))
    return np.asarray(parents.to_numpy(zero_copy_only=False), dtype=np.int64)


def _refuse(log: Log, row: int, column: str, rule: str, *found: object) -> NoReturn:
    raise BadInput(f"{log.path} row {row}, column {column}", rule, *found)
