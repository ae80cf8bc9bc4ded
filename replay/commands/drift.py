"""The command `drift`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note
from replay.commands.arguments import KINDS, Json, print_json


def drift(
    old: Annotated[str, typer.Argument(metavar="OLD", help=f"The earlier log: {KINDS}")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The later log, of the same kinds.")],
    out: Annotated[
        Path | None, typer.Option(help="Results folder: drift.json, summary.md, a plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What changed from one log to another: contexts, arms, propensities, rewards."""
    from replay.reports.folder import check_directory
    from replay.shift.drift import drift as run
    from replay.shift.report import summary

    if out is not None:
        check_directory(out)
    found = run(old, new)
    if out is not None:
        found.report(out)
    for notice in found.notes:
        note(f"note: {notice}")
    if as_json:
        print_json(found.to_dict())
        return
    print(summary(found), end="")
    if out is not None:
        print(f"\nresults: {out}")
