"""What several commands are given, and how they answer a script."""

import json
from pathlib import Path
from typing import Annotated

import typer

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The live journal (.db).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def print_json(value: object) -> None:
    """One object on stdout, nothing else there."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
