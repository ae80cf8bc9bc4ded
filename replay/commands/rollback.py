"""The command `rollback`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import BROKEN, note
from replay.commands.arguments import By, Json, Registry, Why, print_json


def rollback(
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Default: the one before.")
    ] = None,
    why: Why = None,
    restore_state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its snapshot too, into a new directory.")
    ] = None,
    by: By = None,
    registry: Registry = Path("results/registry"),
    as_json: Json = False,
) -> None:
    """Makes the version before the champion again; again and again, further back."""
    from replay.release.registry import POINTER, Refused, roll_back
    from replay.release.registry_intake import restore, said_by, said_why

    def bring_back(version: str) -> None:
        if restore_state is not None:
            restore(registry, version, restore_state)

    bring = None if restore_state is None else bring_back
    try:
        done = roll_back(registry, to, said_by(by), said_why(why), bring)
    except Refused as refused:
        if as_json:
            print_json({"rolled_back": False, "reasons": refused.reasons})
        else:
            for line in refused.reasons:
                print(f"refused: {line}")
        raise typer.Exit(BROKEN) from None
    for notice in done.notices:
        note(f"note: {notice}")
    rollout = done.rollout
    if as_json:
        said = {"rolled_back": True, "already": done.already, "rollout": rollout.to_dict()}
        print_json(said)
        return
    if done.already:
        print(f"{rollout.new} is the champion already, since {rollout.at}")
        return
    print(f"rolled back: {rollout.old} -> {rollout.new}")
    if restore_state is not None:
        print(f"{restore_state}: the states of {rollout.new}")
    print(f"{rollout.spec}\n{registry / POINTER}: a scorer takes it on SIGHUP")
