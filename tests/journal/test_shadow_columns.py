"""Shadows in the columnar log: what is written comes back, what is none is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journal import Log, frame_of_log, log_of_frame, read_log, write_log
from journal.log import log_of_table
from journal.schema import columns
from journal.shadow_columns import ShadowRow, shadow_arrays, shadow_names, shadows_of
from policies import BadInput

COLUMNS = ("shadow_policies", "shadow_pmfs")


def with_shadows(log: Log, names: Any, pmfs: Any, values: bool = True) -> Log:
    """The log with other columns, read at the door."""
    table, kinds = log.table, columns(log.context.shape[1])
    for name, column in zip(COLUMNS, (names, pmfs), strict=True):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.array(column, kinds.field(name).type))
    return log_of_table(table, "memory", values=values)


def rows_of(log: Log, rng: np.random.Generator) -> list[ShadowRow]:
    """Of some decisions two shadows, of some one, of some none; some failed."""
    out: list[ShadowRow] = []
    for k in np.diff(log.offsets):
        weights = rng.random((2, k)) + 0.01
        pmfs = [w / w.sum() if rng.random() < 0.8 else None for w in weights]
        row = list(zip(("a:x=1", "b"), pmfs, strict=True))
        out.append(row[int(rng.integers(2)) : 2] if rng.random() < 0.8 else [])
    return out


@pytest.fixture
def rows(log: Log, rng: np.random.Generator) -> list[ShadowRow]:
    return rows_of(log, rng)


@pytest.fixture
def shadowed(log: Log, rows: Sequence[ShadowRow]) -> Log:
    return with_shadows(log, *(a.to_pylist() for a in shadow_arrays(rows)))


def test_what_was_asked_is_told_by_policy(shadowed: Log, rows: Sequence[ShadowRow]) -> None:
    assert shadow_names(shadowed) == ["a:x=1", "b"]
    for shadow in shadows_of(shadowed):
        for i, row in enumerate(rows):
            said = dict(row)
            assert shadow.asked[i] == (shadow.policy in said)
            pmf = said.get(shadow.policy)
            assert shadow.failed[i] == (shadow.asked[i] and pmf is None)
            found = shadow.pmf[shadowed.offsets[i] : shadowed.offsets[i + 1]]
            if pmf is None:
                assert np.isnan(found).all()
            else:
                assert found.tobytes() == pmf.tobytes()


@pytest.mark.parametrize("name", ["log.parquet", "log.arrow", "vw:log.json"])
def test_every_export_keeps_them(shadowed: Log, tmp_path: Path, name: str) -> None:
    prefix, colon, file = name.rpartition(":")
    where = f"{prefix}{colon}{tmp_path / file}"
    write_log(shadowed, where)
    again = read_log(where)
    for column in COLUMNS:
        assert again.table[column].to_pylist() == shadowed.table[column].to_pylist()


def test_frames_and_parts_keep_them(shadowed: Log) -> None:
    again = log_of_frame(frame_of_log(shadowed))
    part = shadowed.take(np.arange(3, 20))
    for column in COLUMNS:
        whole = shadowed.table[column].to_pylist()
        assert again.table[column].to_pylist() == whole
        assert part.table[column].to_pylist() == whole[3:20]


def test_a_log_without_the_columns_is_read(log: Log, tmp_path: Path) -> None:
    """One written before there were any."""
    pq.write_table(log.table.drop_columns(list(COLUMNS)), tmp_path / "old.parquet")
    old = read_log(tmp_path / "old.parquet")
    assert shadows_of(old) == []
    assert [old.table[c].null_count for c in COLUMNS] == [len(old)] * 2
    assert old.digest == log.digest


HALF = [0.5, 0.5]


@pytest.mark.parametrize(
    ("names", "pmf", "rule"),
    [
        (["a"], None, "shadow_pmfs: must have one entry a policy of shadow_policies"),
        (None, [HALF], "shadow_pmfs: must have one entry a policy of shadow_policies"),
        (["a", "b"], [HALF], "shadow_pmfs: must have one entry a policy"),
        (["a", None], [HALF, HALF], "shadow_policies: must hold no nulls"),
        (["a", "a"], [HALF, HALF], "shadow_policies: each policy may be there once, found 'a'"),
        (["a"], [[0.5, 0.25, 0.25]], "shadow_pmfs: must have one entry a candidate, found 3"),
        (["a"], [[]], "shadow_pmfs: must have one entry a candidate, found 0"),
        (["b", "a"], [None, [1.0, None]], "shadow_pmfs: must hold no nulls inside its pmfs"),
        (["b", "a"], [HALF, [-0.1, 1.1]], r"shadow_pmfs: must be in \[0, 1\], found -0.1"),
        (["a"], [[np.nan, 0.5]], r"shadow_pmfs: must be in \[0, 1\], found nan"),
        (["a", "b"], [None, [0.5, 0.4]], "shadow_pmfs: must sum to 1 within 1e-06, found 0.9"),
    ],
)
def test_what_is_no_shadow_is_refused(log: Log, names: Any, pmf: Any, rule: str) -> None:
    """With its row."""
    two = np.flatnonzero(np.diff(log.offsets) == 2)[1]
    all_names, all_pmfs = [None] * len(log), [None] * len(log)
    all_names[two], all_pmfs[two] = names, pmf
    with pytest.raises(BadInput, match=f"memory row {two}, column {rule}"):
        with_shadows(log, all_names, all_pmfs)
