"""The command `convert`."""

from typing import Annotated

import typer

from journal.cli import note
from replay.commands.arguments import Json, LogArgument, print_json


def convert(
    log: LogArgument,
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="A name in .parquet or .arrow, or vw:FILE.")
    ],
    as_json: Json = False,
) -> None:
    """Writes a log in another format; every value is checked on the way."""
    from journal.convert import convert as run

    found = run(log, out)
    for notice in found.notes:
        note(f"note: {notice}")
    if as_json:
        print_json({"out": out, "decisions": len(found), "notes": list(found.notes)})
    else:
        print(f"{out}: {len(found)} decisions written")
