"""What a registry must not believe: a card of another policy, a history with lines gone."""

import json
from pathlib import Path
from typing import Any

import pytest

from policies import canonical, make

A, B = (canonical(make(f"linucb:alpha={alpha}")) for alpha in (1, 2))


def files(directory: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in directory.rglob("*") if p.is_file() and p.name != ".lock"}


def test_a_card_is_of_its_first_policy(registry: Any, tmp_path: Path) -> None:
    """Every card evaluates `random` and the champion too: it is not theirs."""
    card = tmp_path / "card"
    card.mkdir()
    (card / "metrics.json").write_text(json.dumps({"policies": [{"policy": B}, {"policy": A}]}))
    (card / "card.md").write_text("# B\n")
    done = registry.run("promote", A, "--gate", registry.gate("random", A), "--card", card)
    assert (done.code, done.out) == (1, f"refused: the card is of other policies, {B}\n")
    registry.promote(B, "random", "--card", card)


@pytest.mark.parametrize("kept", [0, 1])
def test_lines_that_are_gone_are_not_built_upon(registry: Any, kept: int) -> None:
    """The pointer is written last: it cannot be ahead unless somebody took lines away."""
    registry.promote(A)
    registry.promote(B, A)
    path, pointer = registry.path / "rollouts.jsonl", registry.path / "champion.json"
    lines, said = path.read_bytes().splitlines(keepends=True), pointer.read_bytes()
    path.write_bytes(b"".join(lines[:kept]))
    before = files(registry.path)
    gate = registry.gate(A, "random")
    for arguments in (("promote", "random", "--gate", gate), ("rollback", "--to", "v0001-0")):
        done = registry.run(*arguments)
        assert done.code == 2
        assert "rollouts.jsonl: must hold the line of v0002-" in done.err
    assert registry.run("history").code == 1
    assert files(registry.path) == before
    path.write_bytes(b"".join(lines))
    registry.promote("random", B)
    assert pointer.read_bytes() != said
