"""What `promote` and `rollback` are given, read and checked: a spec or version, a card, states."""

import getpass
import json
import os
import shutil
from pathlib import Path

from journal.cli import progress
from journal.states import check_empty
from policies.champion import Champion, is_version
from policies.errors import BadInput, one_line
from policies.policy import Policy
from policies.spec import canonical, make
from policies.state import from_json
from replay.release.registry import CARD, STATE, Refused, of_registry, servable
from replay.release.registry_files import PART, copy_new, move, read_bytes, sync
from replay.release.registry_versions import ROOM, Source, changed, read_version


def login_name() -> str:
    """Who runs this; a container may have no name for them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


CARD_PAGE = "card.md"
LONGEST = 1000  # characters of a reason or a name


def said_by(by: str | None) -> str:
    """Who; the login name when nobody is named. Raises `BadInput`."""
    return login_name() if by is None else _said("--by", by)


def said_why(why: str | None) -> str | None:
    """The reason, if there is one. Raises `BadInput` for an empty one."""
    return None if why is None else _said("--why", why)


def policy_given(registry: Path, spec: str) -> tuple[Policy, str | None]:
    """The policy of a spec, or of a version by its name, which is returned as well."""
    if not is_version(spec):
        return make(spec), None
    found = read_version(registry, spec)
    champion = Champion(found.name, found.spec, of_registry(found), "-")
    return servable(registry, champion), spec


def card_files(directory: Path, policy: Policy) -> tuple[dict[str, Source], list[str]]:
    """A card's files by their path in a version, and why it may be no card of this policy."""
    if not directory.is_dir():
        raise BadInput(str(directory), "no such directory of a card")
    files = [p for p in sorted(directory.rglob("*")) if p.is_file()]
    if not files:
        raise BadInput(str(directory), "must be a card's directory, it has no file")
    metrics = directory / "metrics.json"
    doubts = []
    if metrics.is_file():
        specs, spec = _specs(metrics), canonical(policy)
        if (directory / CARD_PAGE).is_file():
            specs = specs[:1]  # a card is of its first policy, the others are what it is held to
        if spec not in specs:
            doubts.append(f"the card is of other policies, {', '.join(specs) or 'none'}")
    return {f"{CARD}{p.relative_to(directory).as_posix()}": p for p in files}, doubts


def state_files(directory: Path) -> dict[str, Source]:
    """A states directory's files by their path in a version, each a state."""
    if not directory.is_dir():
        raise BadInput(str(directory), "no such directory of states")
    files = sorted(directory.glob("*.json"))
    if not files:
        raise BadInput(str(directory), "must be a directory of states, it has none")
    out: dict[str, Source] = {}
    for path in progress(files, len(files), "states"):
        # as bytes: a scorer may be writing the next one in its place
        raw = read_bytes(path)
        try:
            from_json(raw.decode(), str(path))
        except UnicodeDecodeError:
            raise BadInput(str(path), "must be UTF-8") from None
        out[f"{STATE}{path.name}"] = raw
    return out


def check_restorable(registry: Path, version: str, directory: Path) -> None:
    """Raises `BadInput` when `directory` holds files, `Refused` without a sound snapshot."""
    check_empty(directory)
    found = read_version(registry, version)
    if not any(path.startswith(STATE) for path in found.files):
        raise Refused([f"{version} has no snapshot of a state"])
    edited = [line for line in changed(registry, version) if f"/{version}/{STATE}" in line]
    if edited:
        raise Refused(edited)


def restore(registry: Path, version: str, directory: Path) -> int:
    """Copies a version's snapshot into a new or empty directory, whole; how many states."""
    check_restorable(registry, version, directory)
    found = read_version(registry, version)
    paths = [path for path in found.files if path.startswith(STATE)]
    directory.parent.mkdir(parents=True, exist_ok=True)
    part = directory.parent / f"{PART}{os.getpid()}-{directory.name}"
    part.mkdir()
    try:
        for path in progress(paths, len(paths), "states"):
            target = part / path.removeprefix(STATE)
            copy_new(registry / ROOM / version / path, target)
            target.chmod(0o644)  # a scorer writes its checkpoints over them
        sync(part)
        move(part, directory)
    finally:
        if part.exists():
            shutil.rmtree(part)
    return len(paths)


def _said(option: str, text: str) -> str:
    said = one_line(text).strip()
    if not said or len(said) > LONGEST:
        raise BadInput(option, f"must be a text of 1 to {LONGEST} characters", text)
    return said


def _specs(metrics: Path) -> list[str]:
    """The policies that an evaluation's metrics.json is of."""
    try:
        record = json.loads(read_bytes(metrics))
        return [str(p["policy"]) for p in record["policies"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(str(metrics), "must be the metrics.json of an evaluation") from None
