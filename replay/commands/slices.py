"""The command `slices`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note
from policies.errors import BadInput
from replay.commands.arguments import (
    AsOf,
    Behavior,
    Json,
    Learn,
    LearnChoice,
    Level,
    LogArgument,
    Since,
    State,
    print_json,
)


def slices(
    log: LogArgument,
    policy: Annotated[str, typer.Option(help="Spec of the policy.")],
    against: Annotated[
        str, typer.Option(help="Paired differences to this spec, or to `logged`.")
    ] = "logged",
    by: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: overdue, priority, arm, hour, candidates, activity, new, and "
            "names of --column; default: all."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column of the log, known before the action; may be repeated."),
    ] = None,
    state: State = None,
    learn: Learn = LearnChoice.none,
    since: Since = None,
    as_of: AsOf = None,
    behavior: Behavior = None,
    level: Level = 0.95,
    out: Annotated[
        Path | None, typer.Option(help="Results folder: slices.json, summary.md, slices.png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Whom a policy serves well and whom badly: value, harm, exposure, dismissals by group."""
    from replay.reports.folder import check_directory
    from replay.slicing import slices as run
    from replay.slicing.report import summary

    if out is not None:
        check_directory(out)
    found = run(
        log,
        policy,
        against=against,
        by=None if by is None else [name.strip() for name in by.split(",")],
        columns=column or (),
        state=None if state is None else str(state),
        learn=learn.value,
        since=since,
        as_of=as_of,
        behavior=behavior,
        level=level,
    )
    if found.whole.value is None:
        raise BadInput(log, "no value can be computed", next(iter(found.whole.reasons), None))
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
