"""The commands of `python -m journal`, a file each; each loads what it needs when it runs."""

from collections.abc import Callable

import typer

from journal.commands.backup import backup
from journal.commands.export import export
from journal.commands.forget import forget
from journal.commands.inspect import inspect
from journal.commands.prune import prune

COMMANDS: tuple[tuple[Callable[..., None], str], ...] = (
    (inspect, "inspect live.db --json"),
    (export, "export live.db monday.parquet --since-last"),
    (prune, "prune live.db --before 2026-11-01T00:00:00Z"),
    (forget, "forget live.db u17 --state state"),
    (backup, "backup live.db copy.db"),
)
"""Each with an example of its use."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="What an operator does with a live journal, while servers write it.",
    epilog="Example: python -m journal inspect live.db",
)
for command, example in COMMANDS:
    app.command(epilog=f"Example: python -m journal {example}")(command)
