"""The house's laws: who may import whom, what the server loads, how big a file may get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHAIN = ("policies", "journal", "sim", "replay")
HEAVY = ("pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "typer", "rich")
MOST_LINES = 350


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield str(node.module)


def _is_open(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"


@pytest.mark.parametrize("package", CHAIN)
def test_each_package_imports_only_what_stands_left_of_it(package: str) -> None:
    """policies <- journal <- sim <- replay, and nobody imports serve, tests or benchmarks."""
    allowed = CHAIN[: CHAIN.index(package) + 1]
    forbidden = {*CHAIN, "serve", "serving", "tests", "benchmarks"} - set(allowed)
    assert modules(package)
    for path in modules(package):
        for name in imported(path):
            assert name.partition(".")[0] not in forbidden, f"{path.relative_to(ROOT)}: {name}"


def test_policies_do_no_input_or_output() -> None:
    """The decision core computes; jit.py alone keeps a cache directory, and prior.py alone
    reads a file: the one that a spec names.
    """
    for path in modules("policies"):
        opens = [n for n in ast.walk(ast.parse(path.read_text())) if _is_open(n)]
        assert not opens or path.name == "prior.py", path
        if path.name != "jit.py":
            names = {name.partition(".")[0] for name in imported(path)}
            assert not names & {"os", "pathlib", "sqlite3", "socket", "time", "random"}, path


def test_the_server_imports_policies_and_the_live_journal_alone() -> None:
    """serve.py and serving/ are parse -> decide -> append -> reply."""
    ours = ("numpy", "policies", "journal", "serving")
    for path in (ROOT / "serve.py", *modules("serving")):
        for name in imported(path):
            top = name.partition(".")[0]
            assert top in sys.stdlib_module_names or top in ours, name
            assert top != "journal" or name.startswith("journal.live"), name


def test_importing_the_server_loads_nothing_heavy() -> None:
    """A scorer starts fast and stays small."""
    code = f"import sys, serve; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["journal", "replay", "sim"])
def test_a_help_text_loads_nothing_heavy(package: str) -> None:
    """`--help` answers at once because it imports neither numpy nor what stands on it."""
    code = (
        f"import sys, {package}.commands;"
        "print([m for m in ('numpy', 'numba', 'pandas', 'pyarrow', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_notebooks_are_imported_by_nothing() -> None:
    """They import and plot."""
    for package in (*CHAIN, "serving", "benchmarks", "tests"):
        for path in modules(package):
            assert "notebooks" not in {name.partition(".")[0] for name in imported(path)}


def test_files_are_small() -> None:
    """One reason to exist fits into a few screens."""
    for package in (*CHAIN, "serving", "benchmarks", "tests"):
        for path in modules(package):
            assert len(path.read_text().splitlines()) <= MOST_LINES, path.relative_to(ROOT)
