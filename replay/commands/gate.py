"""The command `gate`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import BROKEN, note
from replay.commands.arguments import (
    AsOf,
    Json,
    Learn,
    LearnChoice,
    LogArgument,
    Since,
    State,
    print_json,
)


def _print_rules(asked: bool) -> None:
    if asked:
        from replay.release.gate_rules import default_rules

        print(default_rules(), end="")
        raise typer.Exit


def gate(
    log: LogArgument,
    champion: Annotated[str, typer.Option(help="Spec of the policy whose place is wanted.")],
    challenger: Annotated[str, typer.Option(help="Spec of the policy that wants it.")],
    rules: Annotated[
        Path | None, typer.Option(help="TOML file of rules; default: those of --print-rules.")
    ] = None,
    print_rules: Annotated[
        bool,
        typer.Option(
            "--print-rules",
            callback=_print_rules,
            is_eager=True,
            help="Prints the default rules as a file to start from, and exits.",
        ),
    ] = False,
    state: State = None,
    learn: Learn = LearnChoice.none,
    since: Since = None,
    as_of: AsOf = None,
    metrics: Annotated[
        Path | None, typer.Option(help="Text saved from a scorer's /metrics: served latency.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Results folder: gate.json, gate.md.")] = None,
    as_json: Json = False,
) -> None:
    """Each rule with its figure and verdict; exit 0 when the challenger passed, 1 when not."""
    del print_rules  # its callback has printed
    from replay.release.gate_report import lines
    from replay.release.gating import gate as run
    from replay.reports.folder import check_directory

    if out is not None:
        check_directory(out)
    found = run(
        log,
        champion,
        challenger,
        rules=rules,
        state=None if state is None else str(state),
        learn=learn.value,
        since=since,
        as_of=as_of,
        metrics=metrics,
    )
    if out is not None:
        found.report(out)
    for notice in found.notices:
        note(f"note: {notice}")
    if as_json:
        print_json(found.to_dict())
    else:
        print("\n".join(lines(found)))
    if not found.passed:
        raise typer.Exit(BROKEN)
