"""The command `study`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note
from replay.commands.arguments import KINDS, Json, Level, print_json


class Learning(StrEnum):
    """How the policies of a study learn."""

    none = "none"
    logged = "logged"


def study(
    like: Annotated[
        str,
        typer.Option(
            metavar="LOG",
            help=f"The log whose world is made: {KINDS}",
        ),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Spec of a policy; may be repeated. Default: random and linucb."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Directory of starting states. Default: what the log's first half teaches; "
            "nothing with --learn logged."
        ),
    ] = None,
    learn: Annotated[
        Learning,
        typer.Option(
            help="none: policies stay as they start; logged: they learn, on logged contexts from "
            "all earlier feedback, if deployed from their own."
        ),
    ] = Learning.none,
    replicates: Annotated[int, typer.Option(help="Logs, and lives in closed loop.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the world; nothing else is drawn.")] = 0,
    level: Level = 0.95,
    out: Annotated[
        Path | None, typer.Option(help="Results folder: study.json, summary.md, a plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A world like a log: which estimator to trust there, and the value if deployed."""
    from replay.like.report import summary
    from replay.like.study import study as run
    from replay.reports.folder import check_directory

    if out is not None:
        check_directory(out)
    found = run(
        like,
        policy,
        state=None if state is None else str(state),
        learn=learn.value,
        replicates=replicates,
        seed=seed,
        level=level,
        processes=True,
    )
    if out is not None:
        found.report(out)
    for notice in found.log.notes:
        note(f"note: {notice}")
    if as_json:
        print_json(found.to_dict())
        return
    print(summary(found), end="")
    if out is not None:
        print(f"\nresults: {out}")
