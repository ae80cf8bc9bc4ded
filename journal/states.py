"""Directories of users' states: one JSON file a user, named by the hash of the user's id."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from journal.live_notes import note
from policies.errors import BadInput
from policies.state import UserState, file_name, from_json, to_json


def read_states(directory: str | os.PathLike[str]) -> dict[str, UserState]:
    """All states of a directory by user id. Raises `BadInput` naming a file that is none."""
    where = Path(directory)
    if not where.is_dir():
        raise BadInput(str(where), "no such directory of states")
    out = {}
    for file in sorted(where.glob("*.json")):
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(str(file), f"must be UTF-8 ({error.reason})") from None
        state = from_json(text, str(file))
        if file.name != file_name(state.user_id):
            raise BadInput(str(file), "must be named by the sha256 of its user id", state.user_id)
        out[state.user_id] = state
    return out


def read_state(directory: Path, user_id: str, digest: bytes) -> UserState | None:
    """A user's checkpoint, None when there is none; one that cannot be used is said and left.

    `digest` is the SHA-256 (32 bytes) of the file as it was written: a checkpoint is a
    convenience, and whoever has the journal does without one that was cut or edited since.
    """
    file = directory / file_name(user_id)
    try:
        text = file.read_bytes()
        if hashlib.sha256(text).digest() != digest:
            raise BadInput(str(file), f"is not what was written of {user_id}")
        return from_json(text.decode(), str(file))
    except FileNotFoundError:
        return None
    except (BadInput, OSError, UnicodeDecodeError) as error:
        note("checkpoint_not_used", message=str(error))
        return None


def write_state(directory: Path, state: UserState, text: str | None = None) -> None:
    """Writes one state, `text` its JSON; the file is the old one or the new one, never a part."""
    target = directory / file_name(state.user_id)
    part = target.with_suffix(f".{os.getpid()}.part")
    part.write_text(to_json(state) if text is None else text, encoding="utf-8")
    os.replace(part, target)


def check_empty(directory: str | os.PathLike[str]) -> None:
    """Raises `BadInput` when `directory` is a file or holds some: states must not mix."""
    where = Path(directory)
    if where.exists() and (not where.is_dir() or any(where.iterdir())):
        raise BadInput(str(where), "must be a new or empty directory")


def write_states(directory: str | os.PathLike[str], states: Mapping[str, UserState]) -> None:
    """Writes states into a new or empty directory. Raises `BadInput` when it holds files."""
    check_empty(directory)
    where = Path(directory)
    where.mkdir(parents=True, exist_ok=True)
    for state in states.values():
        write_state(where, state)
