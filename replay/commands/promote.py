"""The command `promote`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import BROKEN, note
from replay.commands.arguments import By, Json, Registry, Why, print_json


def promote(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="The policy, or a version of the registry.")
    ],
    gate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="gate.json of `replay gate`, passed.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its model card, kept with the version.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="States to keep a snapshot of.")
    ] = None,
    by: By = None,
    why: Why = None,
    force: Annotated[
        bool, typer.Option("--force", help="Without a passed gate; needs --why, is recorded.")
    ] = False,
    registry: Registry = Path("results/registry"),
    as_json: Json = False,
) -> None:
    """Registers a version and makes it the champion; exit 1 without a gate that it passed."""
    from policies.errors import BadInput
    from replay.release.registry import POINTER, Refused, Wanted
    from replay.release.registry import promote as run
    from replay.release.registry_gate import read_gate
    from replay.release.registry_intake import (
        card_files,
        policy_given,
        said_by,
        said_why,
        state_files,
    )

    reason = said_why(why)
    if force and reason is None:
        raise BadInput("--force", "needs a reason: --why TEXT")
    report = None if gate is None else read_gate(gate)
    policy, base = policy_given(registry, spec)
    files, doubts = ({}, []) if card is None else card_files(card, policy)
    if state is not None:
        files |= state_files(state)
    wanted = Wanted(policy, base, report, files, said_by(by), reason, force, tuple(doubts))
    try:
        done = run(registry, wanted)
    except Refused as refused:
        if as_json:
            print_json({"promoted": False, "reasons": refused.reasons})
        else:
            for line in refused.reasons:
                print(f"refused: {line}")
        raise typer.Exit(BROKEN) from None
    for notice in done.notices:
        note(f"note: {notice}")
    rollout = done.rollout
    if as_json:
        print_json({"promoted": True, "already": done.already, "rollout": rollout.to_dict()})
    elif done.already:
        print(f"{rollout.new} is the champion already, since {rollout.at}")
    else:
        print(f"promoted: {rollout.old or 'nothing'} -> {rollout.new}")
        for line in rollout.evidence["overrode"]:
            print(f"forced, although {line}")
        print(f"{rollout.spec}\n{registry / POINTER}: a scorer takes it on SIGHUP")
