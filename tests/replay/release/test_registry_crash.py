"""A registry whose writers are killed at every step, race, or find no room to write."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policies import canonical, make
from replay.release.registry_history import look
from replay.release.registry_rollouts import read_rollouts
from serving.policy_file import PolicyFile

ROOT = Path(__file__).resolve().parents[3]
A, B = (canonical(make(f"linucb:alpha={alpha}")) for alpha in (1, 2))


def harness(*arguments: object) -> str:
    """What killed.py prints, in a process of its own that forks the others."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            Path(__file__).with_name("killed.py"),
            *map(str, arguments),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def killed(room: Path, *command: object) -> list[Path]:
    """The registries that a command left which was killed at its first, second, … operation."""
    count = int(harness("kill", room, *command))
    return [room / f"{k:03d}" for k in range(1, count)]


def served(registry: Path) -> str:
    """What a scorer that starts now would serve."""
    return PolicyFile(registry / "champion.json").read()[0].spec


def check(run: Callable, places: list[Path], again: list[object], specs: tuple[str, str]) -> None:
    """At each step: a pointer to old or new, a history that holds, and the same in the end.

    The command again ends what was begun: one line more, whole, whenever the first was killed.
    """
    start = read_rollouts(places[0].parent / "start")
    seen = []
    for place in places:
        before = served(place)
        assert before in specs
        looked = place.with_name(f"{place.name}-looked")
        shutil.copytree(place, looked)
        found = look(looked)
        assert found.champion is not None
        assert not found.problems
        seen.append(found.champion.spec)
        assert served(looked) == seen[-1]
        done = run(*again, "--registry", place, "--json")
        assert done.code == 0, (place, done)
        assert served(place) == specs[1]
        rollouts = read_rollouts(place)
        assert (len(rollouts.all), rollouts.problems, rollouts.torn) == (len(start.all) + 1, (), 0)
        assert not list(place.rglob(".part-*"))
        assert not look(place).problems
    assert set(seen) == set(specs)
    assert seen == sorted(seen, key=specs.index), "the line is the change: once it is there, it is"


def test_a_promotion_killed_at_every_step(
    registry: Any, run: Callable, states: Path, prior: Path, tmp_path: Path
) -> None:
    """With a prior, a snapshot and a card."""
    spec = canonical(make(f"linucb:prior={prior}"))
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(min(states.iterdir()), few)
    card = tmp_path / "card"
    card.mkdir()
    (card / "card.md").write_text("# A card\n")
    registry.promote(A)
    shutil.copytree(registry.path, tmp_path / "start")
    again = ["promote", f"linucb:prior={prior}", "--gate", registry.gate(A, spec)]
    again += ["--state", few, "--card", card]
    places = killed(tmp_path, *again)
    assert len(places) > 20
    check(run, places, again, (A, spec))


def test_a_rollback_killed_at_every_step(registry: Any, run: Callable, tmp_path: Path) -> None:
    """Asked for by its version, it is the same however often it is tried."""
    first = canonical(make("linucb:alpha=9"))
    registry.promote(first)
    to = registry.promote(A, first)
    registry.promote(B, A)
    shutil.copytree(registry.path, tmp_path / "start")
    check(run, killed(tmp_path, "rollback"), ["rollback", "--to", to], (B, A))


def test_the_first_promotion_killed_at_every_step(
    registry: Any, run: Callable, tmp_path: Path
) -> None:
    (tmp_path / "start").mkdir()
    again = ["promote", A, "--gate", registry.gate("random", A)]
    places = killed(tmp_path, *again)
    for place in places:
        if (place / "champion.json").exists():
            assert served(place) == A
        assert not look(place).problems
        assert run(*again, "--registry", place).code == 0
        assert (served(place), len(read_rollouts(place).all)) == (A, 1)


def test_two_promotions_at_once(run: Callable, tmp_path: Path) -> None:
    """One of two processes is promoted each time; the other's gate is stale by then."""
    rounds = [json.loads(line) for line in harness("race", tmp_path, 6).splitlines()]
    for r in rounds:
        assert sorted(r["codes"]) == [0, 1], r
        refused = r["said"][r["codes"].index(1)]
        assert f"the champion is {r['specs'][r['codes'].index(0)]}" in refused or (
            r is rounds[0] and "the gate was against random" in refused
        )
    done = run("history", "--registry", tmp_path / "start", "--json")
    assert (done.code, len(done.json["rollouts"])) == (0, 6)


def test_a_full_disk_leaves_all_as_it_was(registry: Any) -> None:
    """No file can grow: exit 2, one line, and the registry is what it was."""
    registry.promote(A)
    gate = registry.gate(A, B)
    before = {p: p.read_bytes() for p in registry.path.rglob("*") if p.is_file()}
    done = subprocess.run(
        [sys.executable, "-m", "replay", "promote", B, "--gate", gate, "--registry", registry.path],
        cwd=ROOT,
        env={**os.environ, "TIPBANDIT_JIT": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert {p: p.read_bytes() for p in registry.path.rglob("*") if p.is_file()} == before


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everywhere"
)
def test_a_registry_that_may_only_be_read(registry: Any) -> None:
    """It is shown and verified; a promotion is refused in one line."""
    registry.promote(A)
    gate = registry.gate(A, B)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    directories = [registry.path, *(p for p in registry.path.rglob("*") if p.is_dir())]
    try:
        for directory in directories:
            directory.chmod(0o555)
        (registry.path / ".lock").chmod(0o444)
        for command, code in (
            (["history"], 0),
            (["promote", B, "--gate", gate], 2),
        ):
            done = subprocess.run(
                [*drop, sys.executable, "-m", "replay", *command, "--registry", registry.path],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == code, done
            assert (done.stderr.count("\n"), "Traceback" in done.stderr) == (code // 2, False)
    finally:
        for directory in directories:
            directory.chmod(0o755)
