"""The command `audit`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import BROKEN
from replay.commands.arguments import Json, LogArgument, print_json


def audit(
    log: LogArgument,
    state: Annotated[
        Path | None, typer.Option(help="Directory of state files to rebuild as well.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Spec of a policy of your own that decided: nothing else is imported."),
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(help="A log that holds what was pruned: then all starts from zero."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Checks digests, tasks, assignments, then rebuilds pmfs, actions and states; exit 1 if not."""
    from journal.files import read_log
    from journal.states import read_states
    from policies import make
    from replay.history.auditing import audit as look

    for spec in policy or ():
        make(spec)  # imports its module, which a name in a log never does
    found = look(
        read_log(log, values=False),
        None if state is None else read_states(state),
        exports=export or (),
    )
    if as_json:
        print_json({**vars(found), "ok": found.ok})
    else:
        for failure in found.failures:
            print(f"FAILED {failure}")
        for gap in found.unchecked:
            print(f"not checked: {gap}")
        if found.encoded or found.encoded_within_4_ulp:
            print(
                f"{found.encoded} decisions' tasks encoded again, bit for bit; "
                f"{found.encoded_within_4_ulp} more within 4 ulp"
            )
        if found.assigned:
            print(f"{found.assigned} assignments are what the hash of their user gives")
        print(
            f"{found.digests} of {found.decisions} digests hold; {found.rebuilt} of "
            f"{found.decisions} decisions rebuilt bit for bit"
            + (
                f"; {found.shadows_rebuilt} of {found.shadows} pmfs in shadow"
                if found.shadows
                else ""
            )
            + (f"; {found.states} states rebuilt bit for bit" if state else "")
        )
        if export:
            print(
                f"{found.pruned} pruned decisions are in the exports; {found.bases} base states "
                "are the folds of them"
            )
        elif found.bases:
            print(f"{found.bases} users start from a base state of pruned records")
    if not found.ok:
        raise typer.Exit(BROKEN)
