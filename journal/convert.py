"""`convert`: a log of any format into another, whole or not at all."""

import os

from journal.files import EXPORTERS, IMPORTERS, read_log, write_log
from journal.log import Log
from policies.errors import BadInput

SUFFIXES = (".parquet", ".arrow")


def convert(source: str, out: str) -> Log:
    """Reads the log at `source`, checks it, writes it to `out` and returns it.

    `out` ends in .parquet or .arrow, or is `vw:FILE`. Raises `BadInput` for another name,
    for a log that breaks a rule, and where `out` would take the place of the log itself.
    """
    prefix, colon, rest = out.partition(":")
    exported = bool(colon) and prefix in EXPORTERS
    if not exported and not out.endswith(SUFFIXES):
        raise BadInput("OUT", f"must end in {' or '.join(SUFFIXES)}, or be vw:FILE", out)
    target = rest if exported else out
    if os.path.isdir(target) or not target:
        raise BadInput(out, "must be a file")
    origin = _place(source)
    directory = os.path.dirname(target) or "."
    if _same(origin, target) or (os.path.isdir(origin) and _same(origin, directory)):
        raise BadInput(out, "must not be part of the log that is read", source)
    log = read_log(source)
    write_log(log, out)
    return log


def _place(source: str) -> str:
    """The file or directory behind a LOG argument."""
    prefix, colon, rest = source.partition(":")
    place = rest if colon and prefix in IMPORTERS else source
    return place if os.path.exists(place) else place.partition("?")[0]


def _same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
