"""What several commands are given, and how they answer a script."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

KINDS = "Parquet or Arrow file, a directory of them, a journal (.db), obd:DIR or vw:FILE."

LogArgument = Annotated[str, typer.Argument(metavar="LOG", help=KINDS)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]

State = Annotated[Path | None, typer.Option(help="Directory of starting states.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Decisions from this RFC 3339 time on.")
]
AsOf = Annotated[
    str | None, typer.Option(metavar="TIME", help="As if the log had been read at this time.")
]
Behavior = Annotated[
    str | None, typer.Option(help="Spec of the logger where propensities were not logged.")
]
Level = Annotated[float, typer.Option(help="Confidence level of the intervals.")]


class LearnChoice(StrEnum):
    """How an evaluated policy learns along the log."""

    none = "none"
    logged = "logged"
    replay = "replay"


Learn = Annotated[
    LearnChoice,
    typer.Option(
        help="none: the start stays frozen; logged: learns from all earlier feedback; "
        "replay: only from what it would have seen."
    ),
]

Registry = Annotated[Path, typer.Option(metavar="DIR", help="The registry.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who; default: the login name.")]
Why = Annotated[str | None, typer.Option(metavar="TEXT", help="The reason, for the history.")]


def print_json(value: object) -> None:
    """One object on stdout, nothing else there."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
