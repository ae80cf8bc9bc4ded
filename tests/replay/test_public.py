"""What others build on: the names of the package, and policies of one's own by their module."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journal import Log

MINE = """
from dataclasses import dataclass
from policies.random import Random

@dataclass(frozen=True)
class Plain(Random):
    pass

@dataclass(frozen=True)
class Tuned(Random):
    heat: float = 1.0
    cold: bool = False
"""


@pytest.mark.parametrize("spec", ["mine:Tuned:seed=0,heat=2.0,cold=True", "mine:Plain"])
def test_a_policy_of_ones_own_by_its_module(
    file: Path, run: Callable, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    (file.parent / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(file.parent)
    found = run("evaluate", file, "--policy", spec, "--policy", "random", "--json").json
    assert found["policies"][0]["policy"] == spec
    assert found["policies"][0]["estimates"] == found["policies"][1]["estimates"]


def test_a_policy_of_ones_own_where_one_stands(file: Path, log: Log) -> None:
    """`python -m replay` finds a module in the current directory; a log alone loads none."""
    (file.parent / "mine.py").write_text(MINE)
    table = log.table.drop_columns(["digest"])
    at, spec = table.column_names.index("policy"), "mine:Plain"
    pq.write_table(table.set_column(at, "policy", pa.array([spec] * len(log))), file)

    def here(*arguments: str) -> dict:
        command = [sys.executable, "-m", "replay", *arguments, "--json"]
        done = subprocess.run(command, cwd=file.parent, capture_output=True, check=True)
        return json.loads(done.stdout)

    assert here("evaluate", file.name, "--policy", spec)["policies"][0]["policy"] == spec
    assert here("audit", file.name)["rebuilt"] == 0
    assert here("audit", file.name, "--policy", spec)["rebuilt"] == len(log)


def test_the_names_of_the_package_are_its_functions_whatever_was_imported_before() -> None:
    names = ("audit", "card", "evaluate", "slices", "train", "validate")
    code = f"""
import replay.history.auditing, replay.evaluation, replay.history.training, replay.doctor
import replay.cards, replay.slicing
from replay import {", ".join(names)}
print(all(callable(f) for f in ({", ".join(names)})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
