"""The command `follow-up`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import BROKEN
from replay.commands.arguments import AsOf, Json, LogArgument, Registry, print_json


def follow_up(
    log: LogArgument,
    registry: Registry = Path("results/registry"),
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="RFC 3339; default: when it was promoted.")
    ] = None,
    as_of: AsOf = None,
    out: Annotated[
        Path | None, typer.Option(help="Results folder: follow-up.json, summary.md, a plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the champion's card promised against the log since its promotion; exit 1 if worse."""
    from replay.release.following import follow_up as run
    from replay.release.following_report import summary
    from replay.reports.folder import check_directory

    if out is not None:
        check_directory(out)
    found = run(log, registry, since, as_of)
    if out is not None:
        found.report(out)
    if as_json:
        print_json(found.to_dict())
    else:
        print(summary(found), end="")
        if out is not None:
            print(f"\nresults: {out}")
    if found.verdict == "worse":
        raise typer.Exit(BROKEN)
