"""How the registry writes: whole, on disk before anyone is told, one writer at a time.

All of it goes through `os`, an operation a line, so that a test can end the process at each.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from policies.errors import BadInput

LOCK = ".lock"
PART = ".part-"  # what begins so is of a writer that has not finished
_CHUNK = 1 << 20


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """The only writer of `directory`, until this ends or the process does."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def write_new(path: Path, content: bytes) -> None:
    """A file that nobody is to write again."""
    made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        _write_all(made, content)
        os.fsync(made)
    finally:
        os.close(made)


def copy_new(source: Path, path: Path) -> tuple[str, int]:
    """Copies a file; its SHA-256 (hex) and bytes as they were copied."""
    digest, size = hashlib.sha256(), 0
    made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                _write_all(made, chunk)
        os.fsync(made)
    finally:
        os.close(made)
    return digest.hexdigest(), size


def replace_file(path: Path, content: bytes) -> None:
    """The old content or the new one, never a part."""
    part = path.with_name(f"{PART}{path.name}")
    made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        _write_all(made, content)
        os.fsync(made)
    finally:
        os.close(made)
    os.replace(part, path)
    sync(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Adds a line that ends in a line feed; takes it back when the disk would not have it all."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        before = os.fstat(file).st_size
        try:
            _write_all(file, line)
            os.fsync(file)
        except OSError:
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)
    sync(path.parent)


def cut(path: Path, size: int) -> None:
    """Leaves the first `size` bytes."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(file, size)
        os.fsync(file)
    finally:
        os.close(file)


def move(source: Path, target: Path) -> None:
    """A directory that is whole into its place, new or empty."""
    os.rename(source, target)
    sync(target.parent)


def sync(directory: Path) -> None:
    """The names in a directory on disk."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def drop_parts(directory: Path) -> None:
    """What writers left that were ended before they had finished."""
    for left in directory.glob(f"{PART}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises `BadInput` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror or error})") from None


def read_text(path: Path) -> str:
    """A file's text. Raises `BadInput` when it cannot be read, or is none."""
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise BadInput(str(path), "must be UTF-8") from None


def sha256_of(path: Path) -> str:
    """A file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_all(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
