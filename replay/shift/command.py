"""The command `drift` of `python -m replay`; it loads what it needs when it runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note

_KINDS = "Parquet or Arrow file, a directory of them, a journal (.db), obd:DIR or vw:FILE."


def drift(
    old: Annotated[str, typer.Argument(metavar="OLD", help=f"The earlier log: {_KINDS}")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The later log, of the same kinds.")],
    out: Annotated[
        Path | None, typer.Option(help="Results folder: drift.json, summary.md, a plot.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")
    ] = False,
) -> None:
    """What changed from one log to another: contexts, arms, propensities, rewards."""
    from replay.reports.report import check_directory
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
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    print(summary(found), end="")
    if out is not None:
        print(f"\nresults: {out}")
