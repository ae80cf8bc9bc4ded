"""The command `shadow`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note, progress
from replay.commands.arguments import AsOf, Json, Level, LogArgument, Since, print_json


def shadow(
    log: LogArgument,
    since: Since = None,
    as_of: AsOf = None,
    estimators: Annotated[
        str, typer.Option(help="Comma-separated, as of `evaluate`, but for auto.")
    ] = "sndr,snips,ips",
    level: Level = 0.95,
    out: Annotated[
        Path | None, typer.Option(help="Results folder: shadow.json, summary.md, a plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the policies that ran in shadow would have earned; may be looked at every day."""
    from replay.online.shadow_report import summary
    from replay.online.shadow_values import shadow as run
    from replay.reports.folder import check_directory

    if out is not None:
        check_directory(out)
    found = run(
        log,
        since=since,
        as_of=as_of,
        estimators=estimators.split(","),
        level=level,
        progress=lambda looks, total: progress(looks, total, "looks"),
    )
    if out is not None:
        found.report(out)
    for notice in found.notices:
        note(f"note: {notice}")
    if as_json:
        print_json(found.to_dict())
        return
    print(summary(found), end="")
    if out is not None:
        print(f"\nresults: {out}")
