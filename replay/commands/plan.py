"""The command `plan`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note
from policies.errors import BadInput
from replay.commands.arguments import Behavior, Json, Level, LogArgument, print_json


class Learning(StrEnum):
    """How the policies of a plan learn."""

    none = "none"
    logged = "logged"


def plan(
    log: LogArgument,
    policy: Annotated[str, typer.Option(help="B: the spec of the challenger.")],
    detect: Annotated[
        float, typer.Option(help="The true difference of reward per tip that is to be found.")
    ],
    against: Annotated[
        str, typer.Option(help="A: a spec, or logged, the log's own policy.")
    ] = "logged",
    power: Annotated[float, typer.Option(help="How often it is to be found.")] = 0.8,
    level: Level = 0.95,
    floors: Annotated[
        str, typer.Option(help="Exploration floors of the logger, comma-separated.")
    ] = "0.02,0.05,0.1,0.2",
    tips_per_day: Annotated[
        float | None, typer.Option(help="Planned tips of one user-day. Default: the log's.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Directory of starting states, which stay as they are.")
    ] = None,
    learn: Annotated[
        Learning | None,
        typer.Option(
            help="none: policies stay as they start; logged: they learn from all earlier "
            "feedback. Default: none with --state, else logged."
        ),
    ] = None,
    behavior: Behavior = None,
    seed: Annotated[int, typer.Option(help="Seed of the resamples of users.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Results folder: plan.json, summary.md, a plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Which exploration floor and how many user-days would decide A against B, at what cost."""
    from replay.planning.planner import plan as run
    from replay.planning.report import summary
    from replay.reports.folder import check_directory

    if out is not None:
        check_directory(out)
    found = run(
        log,
        policy,
        detect=detect,
        against=against,
        power=power,
        level=level,
        floors=_numbers(floors),
        tips_per_day=tips_per_day,
        state=None if state is None else str(state),
        learn=None if learn is None else learn.value,
        behavior=behavior,
        seed=seed,
    )
    if not found.computable:
        reasons = [*found.ab_test.reasons, *found.off_policy.reasons]
        raise BadInput(log, "neither design can be planned", next(iter(reasons), None))
    if out is not None:
        found.report(out)
    if as_json:
        for notice in found.notes:
            note(f"note: {notice}")
        print_json(found.to_dict())
        return
    print(summary(found), end="")
    if out is not None:
        print(f"\nresults: {out}")


def _numbers(text: str) -> list[float]:
    """Raises `BadInput` for what is no number."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise BadInput("--floors", "must be numbers such as 0.05,0.1", text) from None
