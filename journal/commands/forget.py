"""The command `forget`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import BROKEN, note
from journal.commands.arguments import FileArgument, Json, print_json


def forget(
    file: FileArgument,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    state: Annotated[Path | None, typer.Option(help="Directory of the users' states.")] = None,
    as_json: Json = False,
) -> None:
    """Deletes all of a user from the journal and the states; may be repeated after a kill.

    Exit 1 when a program that reads the journal keeps the write-ahead log from being cut.
    """
    from dataclasses import asdict

    from journal.upkeep.forgetting import forget as run

    done = run(file, user, state)
    if as_json:
        print_json(asdict(done))
    else:
        total = sum(done.rows.values())
        print(f"{file}: {total} rows of {user} and {done.states} state files deleted")
    if state is None:
        note("note: without --state no state file was looked for")
    if done.exports:
        note(f"note: exports and backups are yours to see to, among them {', '.join(done.exports)}")
    if not done.clean:
        note("note: another program reads the journal, its write-ahead log is not cut: repeat this")
        raise typer.Exit(BROKEN)
