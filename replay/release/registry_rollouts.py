"""`rollouts.jsonl`, the truth about what served when: appended to, each line vouching for the last.

A line without its line feed was never finished: it did not happen. The pointer
`champion.json` is derived from the last line.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.champion import Champion, PriorFile, champion_of, is_version
from policies.errors import BadInput
from policies.features import parse_instant
from replay.release.registry_files import read_bytes

NAME = "rollouts.jsonl"
ACTIONS = ("promote", "rollback")


@dataclass(frozen=True)
class Rollout:
    """One change of the champion."""

    at: str  # RFC 3339, UTC
    by: str
    action: str
    old: str | None  # version; None: there was no champion
    new: str
    content: str  # SHA-256 of the version's content
    spec: str
    priors: tuple[PriorFile, ...]  # paths relative to the registry
    why: str | None
    evidence: Mapping[str, Any]  # gate, log: SHA-256 or None; passed, forced; overrode: reasons
    previous: str | None  # SHA-256 of the line before

    @property
    def champion(self) -> Champion:
        """What the pointer says after it."""
        return Champion(self.new, self.spec, self.priors, self.at)

    def to_dict(self) -> dict[str, Any]:
        """The object of its line."""
        return {
            "at": self.at,
            "by": self.by,
            "action": self.action,
            "from": self.old,
            "to": self.new,
            "content": self.content,
            "spec": self.spec,
            "priors": [{"path": p.path, "sha256": p.sha256} for p in self.priors],
            "why": self.why,
            "evidence": dict(self.evidence),
            "previous": self.previous,
        }

    def line(self) -> bytes:
        """As it is appended."""
        return json.dumps(self.to_dict(), ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class Rollouts:
    """What the file holds."""

    all: tuple[Rollout, ...]
    last: str | None  # SHA-256 of the last line
    whole: int  # bytes of the lines that were finished
    torn: int  # bytes of one that was not
    problems: tuple[str, ...]

    @property
    def stack(self) -> list[Rollout]:
        """The champions that a rollback may go back to, the present one last.

        A promotion puts one on it and a rollback takes off what it went back over, so two
        rollbacks go two steps back and not forth.
        """
        out: list[Rollout] = []
        for rollout in self.all:
            if rollout.action == "rollback":
                while out and out[-1].new != rollout.new:
                    out.pop()
                if out:
                    out.pop()
            out.append(rollout)
        return out

    @property
    def current(self) -> Rollout | None:
        """The last one."""
        return self.all[-1] if self.all else None


def read_rollouts(registry: Path) -> Rollouts:
    """All lines; one that is none, or was edited, is said in `problems`. Raises `BadInput`."""
    path = registry / NAME
    content = read_bytes(path) if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    out: list[Rollout] = []
    problems: list[str] = []
    before: str | None = None
    for number, text in enumerate(content[:whole].split(b"\n")[:-1], 1):
        line = text + b"\n"
        where = f"{NAME} line {number}"
        try:
            rollout = _rollout(line, where)
        except BadInput as error:
            problems.append(str(error))
        else:
            out.append(rollout)
            if rollout.previous != before:
                problems.append(f"{where}: the line before it was edited, cut out or put in")
        before = hashlib.sha256(line).hexdigest()
    return Rollouts(tuple(out), before, whole, len(content) - whole, tuple(problems))


def check_sound(rollouts: Rollouts) -> None:
    """Raises `BadInput` when lines were edited: nothing may be built upon them."""
    if rollouts.problems:
        raise BadInput(NAME, "must be as it was written", "; ".join(rollouts.problems))


def _rollout(line: bytes, where: str) -> Rollout:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise BadInput(where, "must be JSON") from None
    if not isinstance(record, Mapping):
        raise BadInput(where, "must be an object", record)
    for key, optional in (
        ("at", False),
        ("by", False),
        ("from", True),
        ("content", False),
        ("why", True),
        ("previous", True),
    ):
        if not (isinstance(record.get(key), str) or (optional and record.get(key) is None)):
            raise BadInput(f"{where}: {key}", "must be a text", record.get(key))
    parse_instant(record["at"], f"{where}: at")
    if record.get("action") not in ACTIONS:
        raise BadInput(f"{where}: action", f"must be {' or '.join(ACTIONS)}", record.get("action"))
    if record["from"] is not None and not is_version(record["from"]):
        raise BadInput(f"{where}: from", "must be a version", record["from"])
    if not isinstance(record.get("evidence"), Mapping):
        raise BadInput(f"{where}: evidence", "must be an object", record.get("evidence"))
    pointer = {**record, "version": record.get("to"), "since": record["at"]}
    champion = champion_of(pointer, where)
    return Rollout(
        record["at"],
        record["by"],
        record["action"],
        record["from"],
        champion.version,
        record["content"],
        champion.spec,
        champion.priors,
        record["why"],
        record["evidence"],
        record["previous"],
    )


def used_gates(rollouts: Sequence[Rollout]) -> dict[str, str]:
    """The version that each gate's SHA-256 promoted."""
    pairs = [(r.evidence.get("gate"), r.new) for r in rollouts if r.action == "promote"]
    return {gate: version for gate, version in pairs if isinstance(gate, str)}
