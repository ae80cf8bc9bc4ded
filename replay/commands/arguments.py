"""What several commands are given, and how they answer a script."""

import json
from pathlib import Path
from typing import Annotated

import typer

KINDS = "Parquet or Arrow file, a directory of them, a journal (.db), obd:DIR or vw:FILE."

LogArgument = Annotated[str, typer.Argument(metavar="LOG", help=KINDS)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]

Registry = Annotated[Path, typer.Option(metavar="DIR", help="The registry.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who; default: the login name.")]
Why = Annotated[str | None, typer.Option(metavar="TEXT", help="The reason, for the history.")]


def print_json(value: object) -> None:
    """One object on stdout, nothing else there."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
