"""A results folder written whole: every file is there before the first takes its name."""

import os
from collections.abc import Mapping
from pathlib import Path

from replay.reports.report import check_directory


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
