"""The command `validate`."""

from typing import Annotated

import typer

from policies.errors import one_line
from replay.commands.arguments import Behavior, Json, LogArgument, print_json


def validate(
    log: LogArgument,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Spec of a policy to ask about; may be repeated."),
    ] = None,
    behavior: Behavior = None,
    as_json: Json = False,
) -> None:
    """The log doctor: what this log can answer, and what it never can."""
    from replay.doctor import validate as look

    found = look(log, policy or (), behavior=behavior)
    if as_json:
        print_json(found.to_dict())
        return
    for fact in found.facts:
        print(one_line(fact))
    for sentence in found.can:
        print(f"can answer: {sentence}")
    for sentence in found.cannot:
        print(f"cannot answer: {sentence}")
    if found.advice:
        print(f"what would help most: {found.advice}")
