"""What others build on: the names of the package, and policies of one's own by their module."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MINE = """
from dataclasses import dataclass
from policies.random import Random

@dataclass(frozen=True)
class Plain(Random):
    pass

@dataclass(frozen=True)
class Tuned(Random):
    heat: float = 1.0
"""


@pytest.mark.parametrize(
    "spec",
    [
        "mine:Tuned:seed=0,heat=2.0",
        pytest.param(
            "mine:Plain",
            marks=pytest.mark.xfail(strict=True, reason="read as a policy `mine` with parameters"),
        ),
    ],
)
def test_a_policy_of_ones_own_by_its_module(
    file: Path, run: Callable, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    (file.parent / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(file.parent)
    found = run("evaluate", file, "--policy", spec, "--policy", "random", "--json").json
    assert found["policies"][0]["policy"] == spec
    assert found["policies"][0]["estimates"] == found["policies"][1]["estimates"]


@pytest.mark.xfail(strict=True, reason="a submodule that is loaded hides the function of its name")
def test_the_names_of_the_package_are_its_functions_whatever_was_imported_before() -> None:
    names = ("audit", "evaluate", "train", "validate")
    code = f"""
import replay.audit, replay.evaluate, replay.train, replay.doctor
from replay import {", ".join(names)}
print([callable(f) for f in ({", ".join(names)})])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[True, True, True, True]"
