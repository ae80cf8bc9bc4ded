"""The command `prune`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note
from journal.commands.arguments import FileArgument, Json, print_json


def prune(
    file: FileArgument,
    before: Annotated[
        str | None, typer.Option(help="Only what was decided before this RFC 3339 time.")
    ] = None,
    export: Annotated[
        list[Path] | None,
        typer.Option(help="A log that holds records, beside the exports noted in the journal."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Then shrink the file; servers wait meanwhile.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Replaces records that were exported and are closed by a base state a user."""
    from dataclasses import asdict

    from journal.upkeep.pruning import prune as run
    from policies.features import parse_instant
    from policies.records import micros

    at = None if before is None else micros(parse_instant(before, "--before"))
    done = run(file, at, export or (), dry_run, vacuum)
    for fault in done.unusable:
        note(f"note: not relied on: {fault}")
    if as_json:
        print_json(asdict(done))
        return
    print(
        f"{file}: {done.decisions} decisions of {done.users} users "
        f"{'would go' if dry_run else 'went'}, {done.voided} of them never shown; "
        f"{done.left} stay; {done.freed} bytes of the file are free for new records"
    )
