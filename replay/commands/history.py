"""The command `history`."""

from pathlib import Path

import typer

from journal.cli import BROKEN, note
from replay.commands.arguments import Json, Registry, print_json


def history(registry: Registry = Path("results/registry"), as_json: Json = False) -> None:
    """All rollouts, the champion marked; verifies every version, exit 1 if one was edited."""
    from policies.errors import one_line
    from replay.release.registry_history import look
    from replay.release.registry_rollouts import Rollout

    def evidence(rollout: Rollout) -> str:
        if rollout.action == "rollback":
            return "rolled back"
        digest = rollout.evidence.get("gate")
        told = "no gate" if digest is None else f"gate {str(digest)[:12]}"
        if digest is not None:
            told += " passed" if rollout.evidence.get("passed") else " NOT passed"
        return f"forced, {told}" if rollout.evidence.get("forced") else told

    found = look(registry)
    for notice in found.notices:
        note(f"note: {notice}")
    if as_json:
        print_json(found.to_dict())
    else:
        for rollout in found.rollouts:
            mark = "*" if rollout is found.champion else " "
            print(
                one_line(
                    f"{mark} {rollout.at[:19]}Z {rollout.old or '-':>18} -> {rollout.new:<18} "
                    f"{evidence(rollout)}; by {rollout.by}"
                    + ("" if rollout.why is None else f": {rollout.why}")
                )
            )
        now = found.champion
        print("no champion yet" if now is None else f"champion: {now.new} {now.spec}")
        for problem in found.problems:
            print(f"FAILED {problem}")
        if not found.problems:
            print(f"{len(found.versions)} versions, each as it was registered")
    if found.problems:
        raise typer.Exit(BROKEN)
