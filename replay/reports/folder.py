"""A results folder written whole: every file is there before the first takes its name."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from policies.errors import BadInput


def check_directory(directory: Path) -> None:
    """Raises `BadInput` if a file is where `directory` or a directory above it should be."""
    for place in (directory, *directory.parents):
        if place.exists() and not place.is_dir():
            raise BadInput(str(place), "must be a directory")


def json_bytes(found: object) -> bytes:
    """A JSON file: what `--json` prints."""
    return f"{json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode()


def write_folder(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Writes `files` into `directory`. Raises `BadInput` if that is a file."""
    check_directory(directory)
    directory.mkdir(parents=True, exist_ok=True)
    parts = {name: directory / f".{name}.part" for name in files}
    try:
        for name, content in files.items():
            parts[name].write_bytes(content)
        for name, part in parts.items():
            os.replace(part, directory / name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return directory
