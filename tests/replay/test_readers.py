"""The queries of docs/log-schema.md, run as they stand, give the numbers of `evaluate`."""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from journal import Log, log_of, read_log, write_log
from replay import evaluate

PAGE = (Path(__file__).parents[2] / "docs/log-schema.md").read_text()


def block(language: str, word: str) -> str:
    """The one block of code in that language that names `word`."""
    (found,) = [b for b in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S) if word in b]
    return found


@pytest.fixture
def mixed(lives: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """Two behavior policies in one log, silence and open windows in it, as log.parquet."""
    one, two = lives("random", users=20), lives("linucb:epsilon=0.3", users=20, seed=5)
    records = one.records + [
        (
            type(d)(f"x{d.decision_id}", *[getattr(d, f) for f in type(d).__slots__[1:]]),
            f and type(f)(f"x{f.decision_id}", f.feedback, f.reward, f.feedback_at, f.seq),
        )
        for d, f in two.records
    ]
    log = log_of(records)
    write_log(log, tmp_path / "log.parquet")
    monkeypatch.chdir(tmp_path)
    return log


def wanted(log: Log) -> list[tuple[str, int, float, float, float]]:
    """(policy, decisions, ips, snips, ess) of the uniform policy by `evaluate`."""
    end = int(max(log.decided_at.max(), log.feedback_at.max()))
    out = []
    for code, name in enumerate(log.policy_names):
        part = log.take(log.policy == code)
        found = evaluate(part, "random", as_of=end, estimators=["ips", "snips"])
        ips, snips = found.results[0].judged.rows
        assert found.sample.censored > 0
        assert found.sample.silent.any()
        out.append((name, len(found.sample.rows), ips.value, snips.value, ips.ess))
    return sorted(out)


def assert_are(rows: list[tuple], log: Log) -> None:
    expected = wanted(log)
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    np.testing.assert_allclose([row[2:] for row in rows], [row[2:] for row in expected], rtol=1e-12)


def test_duckdb(mixed: Log) -> None:
    assert len(read_log("log.parquet").policy_names) == 2
    assert_are(duckdb.sql(block("sql", "log.parquet")).fetchall(), mixed)


def test_polars(mixed: Log) -> None:
    names: dict = {}
    exec(block("python", "polars"), names)
    assert_are(names["table"].rows(), mixed)
