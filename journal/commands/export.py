"""The command `export`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.commands.arguments import FileArgument, Json, print_json


def export(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A name in .parquet.")],
    since_last: Annotated[
        bool,
        typer.Option("--since-last", help="Closed decisions that no such export held before."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Writes the columnar log of a journal, and notes it there for `prune`."""
    from dataclasses import asdict

    from journal.upkeep.exporting import export as run

    done = run(file, out, since_last)
    if as_json:
        print_json(asdict(done))
    elif done.file is None:
        print(f"nothing new up to row {done.upto}; {done.open} decisions are open; no file written")
    else:
        rest = f"; {done.open} open ones are left for a later export" if since_last else ""
        print(f"{done.file}: {done.decisions} decisions up to row {done.upto}{rest}")
