"""The command `inspect`."""

from typing import Annotated

import typer

from journal.cli import BROKEN
from journal.commands.arguments import FileArgument, Json, print_json


def inspect(
    file: FileArgument,
    user: Annotated[str | None, typer.Option(help="Of this user alone.")] = None,
    as_json: Json = False,
) -> None:
    """Says what a journal holds and whether SQLite finds it whole; exit 1 if not."""
    from dataclasses import asdict

    from journal.upkeep.inspecting import inspect as look

    found = look(file, user)
    if as_json:
        print_json(asdict(found))
    else:
        for name, value in asdict(found).items():
            said = ", ".join(f"{k} {v}" for k, v in value.items()) if name in _PARTS else value
            print(f"{name.replace('_', ' '):18}{'none' if said in (None, '') else said}")
    if found.integrity != "ok":
        raise typer.Exit(BROKEN)


_PARTS = ("policies", "feedback")
