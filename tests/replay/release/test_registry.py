"""The registry: what may be promoted, where a rollback goes, and what the history finds edited."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policies import canonical, make
from replay.release.registry_rollouts import read_rollouts

A, B, C = (canonical(make(f"linucb:alpha={alpha}")) for alpha in (1, 2, 3))


def contents(directory: Path) -> dict[str, bytes]:
    """Every file but the lock, which is empty."""
    files = [p for p in directory.rglob("*") if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(directory)): p.read_bytes() for p in files}


def test_three_promotions_and_the_way_back(registry: Any) -> None:
    """Each rollback goes one further back, and none forth again; the history keeps them all."""
    names = [registry.promote(spec, old) for spec, old in ((A, "random"), (B, A), (C, B))]
    assert [name[:6] for name in names] == ["v0001-", "v0002-", "v0003-"]
    for old, new, spec in ((2, 1, B), (1, 0, A)):
        done = registry.run("rollback", "--why", "dismissals doubled", "--by", "ada")
        assert f"rolled back: {names[old]} -> {names[new]}\n" in done.out
        assert (registry.champion["version"], registry.champion["spec"]) == (names[new], spec)
    done = registry.run("rollback")
    assert (done.code, done.out) == (1, f"refused: {names[0]} has no version before it\n")
    found = registry.run("history", "--json")
    assert found.code == 0
    ways = [(r["action"], r["from"], r["to"]) for r in found.json["rollouts"]]
    assert ways == [
        ("promote", None, names[0]),
        ("promote", names[0], names[1]),
        ("promote", names[1], names[2]),
        ("rollback", names[2], names[1]),
        ("rollback", names[1], names[0]),
    ]
    assert [r["by"] for r in found.json["rollouts"]][3:] == ["ada", "ada"]
    shown = registry.run("history").out
    assert [line[0] for line in shown.splitlines()[:5]] == [" ", " ", " ", " ", "*"]
    assert "rolled back; by ada: dismissals doubled" in shown


def test_a_rollback_to_a_version(registry: Any) -> None:
    """To any that the way back leads over; not forth again, which takes a promotion."""
    names = [registry.promote(spec, old) for spec, old in ((A, "random"), (B, A), (C, B))]
    for already in (False, True):  # the same, however often it is asked
        done = registry.run("rollback", "--to", names[0], "--json")
        assert (done.code, done.json["already"]) == (0, already)
    assert len(read_rollouts(registry.path).all) == 4
    for name, reason in (
        (names[2], "was rolled back from: promote it again"),
        ("v0009-0123456789ab", "was never the champion"),
    ):
        done = registry.run("rollback", "--to", name)
        assert (done.code, done.out) == (1, f"refused: {name} {reason}\n")
    again = registry.promote(C, A)  # after a rollback the way back is the new one
    assert registry.run("rollback").code == 0
    assert registry.champion["version"] == names[0]
    assert again != names[2], "another gate, other evidence: another version"


def test_a_version_by_its_name_is_promoted_again(registry: Any) -> None:
    """Its files are those of the version; the new gate is the new version's evidence."""
    first = registry.promote(A)
    registry.promote(B, A)
    gate = registry.gate(B, A)
    done = registry.run("promote", first, "--gate", gate, "--json")
    assert done.code == 0
    assert (done.json["rollout"]["spec"], registry.champion["spec"]) == (A, A)
    version = registry.path / "versions" / done.json["rollout"]["to"]
    assert (version / "gate.json").read_bytes() == gate.read_bytes()
    assert registry.run("rollback").code == 0
    done = registry.run("promote", first, "--force", "--why", "known to be good", "--json")
    assert done.json["rollout"]["to"] == first, "the same content is the same version"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"passed": False}, "the gate did not pass (no rule is named)"),
        ({"challenger": C}, f"the gate is of another challenger, {C}"),
        ({"champion": C}, f"the gate was against {C}, the champion is {A}"),
        ({"at": "2026-01-01T00:00:00Z"}, "the gate, of 2026-01-01T00:00:00+00:00, is older"),
        (
            {"passed": False, "rules": [{"rule": "margin", "verdict": "FAIL"}]},
            "the gate did not pass (margin)",
        ),
    ],
)
def test_a_gate_that_is_no_ground(registry: Any, change: Any, reason: str) -> None:
    """Exit 1, the reason named, nothing written; by force it is recorded as forced."""
    registry.promote(A)
    before = contents(registry.path)
    gate = registry.gate(A, B, **change)
    done = registry.run("promote", B, "--gate", gate)
    assert done.code == 1
    assert done.out.startswith(f"refused: {reason}")
    assert done.out.count("\n") == 1
    assert contents(registry.path) == before
    forced = registry.run("promote", B, "--gate", gate, "--force", "--why", "so be it", "--json")
    evidence = forced.json["rollout"]["evidence"]
    assert (evidence["forced"], evidence["passed"]) == (True, change.get("passed", True))
    assert evidence["overrode"][0].startswith(reason)
    assert "forced, gate" in registry.run("history").out


def test_without_a_gate_nothing_is_made(registry: Any) -> None:
    done = registry.run("promote", A, "--json")
    assert (done.code, done.json) == (1, {"promoted": False, "reasons": ["no gate was given"]})
    assert not registry.path.exists()


def test_a_gate_counts_once(registry: Any) -> None:
    """The same again is no second promotion; for another version it is spent."""
    gate = registry.gate(A, B, hours=1)
    registry.promote(A)
    first = registry.run("promote", B, "--gate", gate, "--json").json
    again = registry.run("promote", B, "--gate", gate, "--json").json
    assert (first["already"], again["already"]) == (False, True)
    assert first["rollout"] == again["rollout"]
    assert registry.run("rollback").code == 0
    done = registry.run("promote", B, "--gate", gate)
    assert (done.code, done.out) == (
        1,
        f"refused: the gate was used before, for {first['rollout']['to']}\n",
    )


def test_a_policy_that_does_not_explore(registry: Any) -> None:
    spec = canonical(make("linucb:epsilon=0"))
    done = registry.run("promote", spec, "--gate", registry.gate("random", spec))
    assert (done.code, done.out) == (
        1,
        "refused: the policy is deterministic: its log could evaluate no other\n",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be the gate.json"),
        ("[]", "must be the gate.json"),
        ('{"passed": 1}', "passed: must be true or false"),
        ('{"passed": true}', "log: must be an object"),
        ('{"passed": true, "log": {}, "rules": 3}', "rules: must be a list"),
        (
            '{"passed": true, "log": {}, "rules": [{"rule": "margin", "verdict": "FAIL"}]}',
            "contradicts itself",
        ),
        ('{"passed": true, "log": {}, "rules": []}', "champion: must be a text"),
    ],
)
def test_what_is_no_gate(registry: Any, refused: Callable, text: str, said: str) -> None:
    path = registry.room / "gate.json"
    path.write_text(text)
    assert said in refused("promote", A, "--gate", path, "--registry", registry.path)


def test_bad_usage(registry: Any, refused: Callable, tmp_path: Path) -> None:
    """One line, exit 2, nothing written."""
    where = ("--registry", registry.path)
    gate, empty = registry.gate("random", A), tmp_path / "empty"
    empty.mkdir()
    for said, arguments in (
        ("must look like name:key=value", ("promote", "no-such", "--gate", gate)),
        ("must be one of", ("promote", "v0001-0123456789ab", "--gate", gate)),
        ("cannot be read", ("promote", A, "--gate", tmp_path / "missing.json")),
        ("needs a reason", ("promote", A, "--force")),
        ("--why: must be", ("promote", A, "--force", "--why", " ")),
        ("no such directory of a card", ("promote", A, "--gate", gate, "--card", gate)),
        ("it has no file", ("promote", A, "--gate", gate, "--card", empty)),
        ("it has none", ("promote", A, "--gate", gate, "--state", empty)),
        ("no such registry", ("rollback",)),
        ("no such registry", ("history",)),
    ):
        assert said in refused(*arguments, *where)


def _edits() -> list[tuple[str, Callable[[Path], object], str]]:
    def line(room: Path) -> None:
        path = room / "rollouts.jsonl"
        path.write_text(path.read_text().replace('"by": "ada"', '"by": "bob"'))

    def less(room: Path) -> None:
        path = room / "rollouts.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))

    def pointer(room: Path) -> None:
        path = room / "champion.json"
        path.write_text(path.read_text().replace("alpha=2.0", "alpha=9.0"))

    def manifest(room: Path) -> None:
        path = version(room) / "version.json"
        path.chmod(0o644)
        path.write_text(path.read_text().replace("alpha=2.0", "alpha=9.0"))

    def gate(room: Path) -> None:
        path = version(room) / "gate.json"
        path.chmod(0o644)
        path.write_text(path.read_text() + " ")

    def version(room: Path) -> Path:
        return next((room / "versions").glob("v0002-*"))

    return [
        ("a line", line, "rollouts.jsonl line 2: the line before it was edited"),
        ("a line cut out", less, "rollouts.jsonl line 1: the line before it was edited, cut out"),
        ("no JSON", lambda r: (r / "rollouts.jsonl").write_bytes(b"x\n"), "line 1: must be JSON"),
        ("the pointer", pointer, "champion.json: was edited"),
        ("a manifest", manifest, "version.json: was edited: its content is not what its name"),
        ("a gate", gate, "gate.json: was edited"),
        ("one missing", lambda r: (version(r) / "gate.json").unlink(), "gate.json: is missing"),
        ("one more", lambda r: (version(r) / "note").write_text("x"), "note: was put in"),
        (
            "a version renamed",
            lambda r: version(r).rename(r / "versions" / "v0002-0123456789ab"),
            "is missing",
        ),
    ]


@pytest.mark.parametrize(("edit", "said"), [e[1:] for e in _edits()], ids=[e[0] for e in _edits()])
def test_the_history_names_what_was_edited(
    registry: Any, edit: Callable[[Path], object], said: str
) -> None:
    registry.promote(A, "random", "--by", "ada")
    registry.promote(B, A)
    assert registry.run("history").code == 0
    edit(registry.path)
    done = registry.run("history", "--json")
    assert (done.code, done.json["ok"]) == (1, False)
    assert any(said in problem for problem in done.json["problems"]), done.json["problems"]
    assert any(said in line for line in registry.run("history").out.splitlines())


def test_edited_rollouts_are_not_built_upon(registry: Any) -> None:
    registry.promote(A)
    path = registry.path / "rollouts.jsonl"
    path.write_text(path.read_text() + "{}\n")
    for arguments in (("promote", B, "--gate", registry.gate(A, B)), ("rollback",)):
        done = registry.run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert "rollouts.jsonl: must be as it was written" in done.err


def test_a_rollback_to_a_prior_that_was_edited_is_refused(registry: Any, prior: Path) -> None:
    """A card may be edited in an emergency; what would be served may not."""
    spec = canonical(make(f"linucb:prior={prior}"))
    first = registry.promote(spec)
    registry.promote(B, spec)
    (file,) = (registry.path / "versions" / first).glob("prior-*.json")
    assert file.read_bytes() == prior.read_bytes()
    file.chmod(0o644)
    for content in (file.read_bytes() + b"\n", b"\xff"):
        file.write_bytes(content)
        done = registry.run("rollback")
        assert done.code == 1
        assert done.out.startswith(f"refused: {first} cannot be served")
        assert registry.champion["spec"] == B


def test_a_torn_line_did_not_happen(registry: Any) -> None:
    registry.promote(A)
    path = registry.path / "rollouts.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    done = registry.run("history")
    assert done.code == 0
    assert "cut off" in done.err
    assert path.read_bytes() == whole


def test_a_snapshot_and_a_card_are_kept_and_restored_whole(
    registry: Any, states: Path, tmp_path: Path
) -> None:
    """The states of the version that is gone back to; never into a directory that holds some."""
    card = tmp_path / "card"
    (card / "plots").mkdir(parents=True)
    (card / "card.md").write_text("# A card\n")
    (card / "plots" / "a.png").write_bytes(b"\x89PNG")
    first = registry.promote(A, "random", "--state", states, "--card", card)
    kept = registry.path / "versions" / first
    assert contents(kept / "state") == contents(states)
    assert contents(kept / "card") == contents(card)
    registry.promote(B, A)
    out = tmp_path / "restored"
    full = registry.run("rollback", "--restore-state", states)
    assert (full.code, registry.champion["spec"]) == (2, B)
    done = registry.run("rollback", "--restore-state", out)
    assert (done.code, registry.champion["spec"]) == (0, A)
    assert contents(out) == contents(states)
    assert all(os.access(p, os.W_OK) for p in out.iterdir())
    assert not list(tmp_path.glob(".part-*"))


def test_no_snapshot_no_rollback(registry: Any, tmp_path: Path) -> None:
    first = registry.promote(A)
    registry.promote(B, A)
    done = registry.run("rollback", "--restore-state", tmp_path / "restored")
    assert (done.code, done.out) == (1, f"refused: {first} has no snapshot of a state\n")
    assert (registry.champion["spec"], (tmp_path / "restored").exists()) == (B, False)


def test_a_card_of_another_policy(registry: Any, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "metrics.json").write_text(json.dumps({"policies": [{"policy": B}]}))
    done = registry.run("promote", A, "--gate", registry.gate("random", A), "--card", card)
    assert (done.code, done.out) == (1, f"refused: the card is of other policies, {B}\n")


def test_rollouts_vouch_for_each_other(registry: Any) -> None:
    """Each line holds the hash of the one before, and what a model card shows of it."""
    registry.promote(A)
    registry.promote(B, A, "--why", "weekly")
    lines = (registry.path / "rollouts.jsonl").read_bytes().splitlines(keepends=True)
    records = [json.loads(line) for line in lines]
    assert all({"at", "by", "from", "to", "why", "evidence"} <= r.keys() for r in records)
    assert [r.line() for r in read_rollouts(registry.path).all] == lines
    assert records[1]["evidence"]["log"] == f"{2:064x}"
