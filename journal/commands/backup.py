"""The command `backup`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.commands.arguments import FileArgument, Json, print_json


def backup(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A file that is not there yet.")],
    as_json: Json = False,
) -> None:
    """Copies a journal while servers write it; the copy is verified before it gets its name."""
    from dataclasses import asdict

    from journal.upkeep.backing_up import backup as run

    done = run(file, out)
    if as_json:
        print_json(asdict(done))
    else:
        print(
            f"{done.file}: {done.bytes} bytes; SQLite finds it whole, {done.decisions} digests and "
            f"{done.bases} base states hold"
        )
