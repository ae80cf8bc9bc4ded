"""The address of a dsjson file: which file, and how a person wants it read."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from journal import schema
from journal.importers.vw_features import path_of
from policies.errors import BadInput

Range = tuple[float, float]


@dataclass(frozen=True)
class Asked:
    """`FILE?user=c.User.id&range=0,1&drop=c.Geo,_multi.j`."""

    file: Path
    user: tuple[str, ...] | None
    span: Range | None
    left_out: tuple[tuple[str | int, ...], ...]


def asked_of(address: str) -> Asked:
    """What an address asks for. Raises `BadInput` where there is no such file or option."""
    name, mark, query = address, "", ""
    if not Path(address).exists():
        name, mark, query = address.partition("?")
    file = Path(name)
    if not file.exists():
        raise BadInput(f"vw:{name}", "no such file or directory")
    if not file.is_file():
        raise BadInput(f"vw:{name}", "must be a file")
    said = dict(parse_qsl(query, keep_blank_values=True))
    if mark and (not said or not set(said) <= {"user", "range", "drop"}):
        raise BadInput(f"vw:{name}?", "may say user=PATH, range=LOW,HIGH, drop=PATHS", query)
    user = path_of(said["user"]) if "user" in said else None
    left_out = [path_of(text) for text in said.get("drop", "").split(",") if text]
    return Asked(
        file,
        None if user is None else tuple(map(str, user)),
        span_of(said["range"], f"vw:{name}?range=") if "range" in said else None,
        tuple(left_out if user is None else [*left_out, user]),
    )


def span_of(text: str, field: str) -> Range:
    """`LOW,HIGH` as a range of rewards, or `BadInput`."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = 0.0
    if not -schema.LARGEST <= low < high <= schema.LARGEST:
        raise BadInput(field, f"must be LOW,HIGH, at most {schema.LARGEST:g} in size", text)
    return low, high
