"""The command `experiment`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note
from replay.commands.arguments import Json, Level, LogArgument, print_json


def experiment(
    log: LogArgument,
    name: Annotated[
        str | None,
        typer.Option("--experiment", help="Which one, where the log has several."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The control. Default: the first variant of the file.")
    ] = None,
    level: Level = 0.95,
    seed: Annotated[int, typer.Option(help="Of the multinomial test of small variants.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Results folder: experiment.json, summary.md, a plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Value if deployed, measured: each variant against the control, users as the sample."""
    from replay.online.experiment import experiment as run
    from replay.online.experiment_report import summary
    from replay.reports.folder import check_directory

    if out is not None:
        check_directory(out)
    found = run(log, name, against=against, level=level, seed=seed)
    if out is not None:
        found.report(out)
    for notice in found.sample.log.notes:
        note(f"note: {notice}")
    if as_json:
        print_json(found.to_dict())
        return
    print(summary(found), end="")
    if out is not None:
        print(f"\nresults: {out}")
