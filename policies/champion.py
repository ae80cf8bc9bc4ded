"""`champion.json`, the pointer to the policy that serves: its one text format, and its policy.

The registry writes it, the scorer reads it; neither knows more of it than what is here.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from policies.errors import BadInput
from policies.policy import Policy
from policies.prior import know
from policies.spec import canonical, make

SCHEMA = 1
_NAME = re.compile(r"v[0-9]{4,}-[0-9a-f]{12}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PriorFile:
    """A prior that the champion's spec names by its hash, and the file that has it."""

    path: str  # relative to champion.json, with /
    sha256: str  # as in the spec, "sha256:…"


@dataclass(frozen=True, slots=True)
class Champion:
    """Which version serves, since when (RFC 3339)."""

    version: str
    spec: str  # canonical
    priors: tuple[PriorFile, ...]
    since: str


def dump(champion: Champion) -> str:
    """The text of `champion.json`."""
    priors = [{"path": p.path, "sha256": p.sha256} for p in champion.priors]
    return (
        json.dumps(
            {
                "schema": SCHEMA,
                "kind": "champion",
                "version": champion.version,
                "spec": champion.spec,
                "priors": priors,
                "since": champion.since,
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )


def parse(text: str, where: str) -> Champion:
    """The pointer that `text` is. Raises `BadInput` naming `where` when it is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(where, "must be JSON") from None
    if not isinstance(record, Mapping) or record.get("kind") != "champion":
        raise BadInput(where, 'must be a champion.json: an object whose kind is "champion"')
    if record.get("schema") != SCHEMA:
        raise BadInput(where, f"must be of schema {SCHEMA}", record.get("schema"))
    return champion_of(record, where)


def champion_of(record: Mapping[str, Any], where: str) -> Champion:
    """`version`, `spec`, `priors` and `since` of a record. Raises `BadInput`."""
    version = _text(record, "version", where)
    if not is_version(version):
        raise BadInput(f"{where}: version", "must look like v0001-<12 hex digits>", version)
    priors = record.get("priors")
    if not isinstance(priors, list):
        raise BadInput(f"{where}: priors", "must be a list", priors)
    return Champion(
        version,
        _text(record, "spec", where),
        tuple(_prior(one, where) for one in priors),
        _text(record, "since", where),
    )


def is_version(name: str) -> bool:
    """Whether this is how a registry names a version."""
    return _NAME.fullmatch(name) is not None


def policy_of(champion: Champion, read: Callable[[str], str], where: str) -> Policy:
    """The champion's policy; `read(path)` gives the text of a prior's file.

    Raises `BadInput` for a prior that is not the one the pointer names, and for a spec that
    cannot be made, or is not written in full.
    """
    for prior in champion.priors:
        found = know(read(prior.path), prior.path)
        if found != prior.sha256:
            raise BadInput(f"{where}: {prior.path}", f"must have the {prior.sha256}", found)
    policy = make(champion.spec)
    if canonical(policy) != champion.spec:
        raise BadInput(f"{where}: spec", f"must be in full, {canonical(policy)}", champion.spec)
    return policy


def _text(record: Mapping[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise BadInput(f"{where}: {key}", "must be a text", value)
    return value


def _prior(one: Any, where: str) -> PriorFile:
    if not isinstance(one, Mapping):
        raise BadInput(f"{where}: priors", "must be objects of path and sha256", one)
    path, name = _text(one, "path", where), _text(one, "sha256", where)
    if path.startswith("/") or "\\" in path or {"", ".", ".."} & set(path.split("/")):
        raise BadInput(f"{where}: priors", "paths must lie below the pointer's directory", path)
    if not _SHA256.fullmatch(name):
        raise BadInput(f"{where}: priors", "sha256 must be sha256:<64 hex digits>", name)
    return PriorFile(path, name)
