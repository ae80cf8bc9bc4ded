"""What every command line here shares: one line and exit code 2 for bad input, progress."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import typer
from typer.main import get_command

from policies.errors import BadInput, one_line

T = TypeVar("T")
PATIENCE_S = 2.0  # work that lasts longer shows how far it is

HELD, BROKEN, BAD = 0, 1, 2
"""Exit codes: all well; a check or gate did not hold; bad input or usage."""


def main_of(app: typer.Typer, prog: str) -> int:
    """Runs a typer application and returns its exit code; never a traceback for bad input."""
    for argument in sys.argv[1:]:
        if not is_text(argument):
            return _refused(prog, str(BadInput(ascii(argument), "must be UTF-8")))
    try:
        code = get_command(app).main(prog_name=prog, standalone_mode=False)
        return int(code or HELD)
    except BadInput as error:
        return _refused(prog, str(error))
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # typer does not hand it out
            print(error.format_message(), file=sys.stderr)
            return BAD
        return _refused(prog, error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        return _refused(prog, "interrupted", 130)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return HELD
    except OSError as error:
        return _refused(prog, f"{error.filename or 'I/O'}: {error.strerror or error}")


def is_text(argument: str) -> bool:
    """Whether it can be written: a path may hold bytes that are no text."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(prog: str, message: str, code: int = BAD) -> int:
    print(f"{prog}: {one_line(message)}", file=sys.stderr)
    return code


def note(message: str) -> None:
    """A notice for a person: stderr, so that stdout stays readable by a script."""
    print(message, file=sys.stderr)


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Yields `items`, with a bar on stderr when that is a terminal and work takes a while."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    start = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=False) as bars:
        task = bars.add_task(label, total=total, visible=False)
        for item in items:
            yield item
            bars.update(task, advance=1, visible=time.monotonic() - start > PATIENCE_S)
