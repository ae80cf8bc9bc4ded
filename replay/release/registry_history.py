"""The history of a registry, and whether all of it is still as it was written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.errors import BadInput
from replay.release.registry import POINTER, pointed, recover
from replay.release.registry_files import PART, alone
from replay.release.registry_rollouts import NAME, Rollout, Rollouts, read_rollouts
from replay.release.registry_versions import ROOM, changed, read_version, version_names


@dataclass(frozen=True)
class History:
    """Rollouts and versions, with what was edited and what a person should know."""

    registry: Path
    rollouts: tuple[Rollout, ...]
    versions: tuple[str, ...]
    problems: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def champion(self) -> Rollout | None:
        """The rollout that made the present champion."""
        return self.rollouts[-1] if self.rollouts else None

    def to_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        now = self.champion
        return {
            "registry": str(self.registry),
            "champion": None
            if now is None
            else {"version": now.new, "spec": now.spec, "since": now.at},
            "rollouts": [r.to_dict() for r in self.rollouts],
            "versions": list(self.versions),
            "ok": not self.problems,
            "problems": list(self.problems),
            "notices": list(self.notices),
        }


def look(registry: Path) -> History:
    """Verifies everything; mends what a writer left that was ended. Raises `BadInput`."""
    if not registry.is_dir():
        raise BadInput(str(registry), "no such registry: `replay promote` makes one")
    notices: list[str] = []
    try:
        with alone(registry):  # else a promotion under way would look like an edit
            rollouts = read_rollouts(registry)
            if not rollouts.problems and _is_interrupted(registry, rollouts):
                rollouts, notices = recover(registry)
            problems = [*rollouts.problems, *_pointer(registry, rollouts)]
            names = version_names(registry)
    except OSError as error:
        rollouts, names = read_rollouts(registry), version_names(registry)
        problems = [*rollouts.problems, *_pointer(registry, rollouts)]
        if not rollouts.problems and _is_interrupted(registry, rollouts):
            reason = error.strerror or error
            notices.append(f"a promotion was interrupted, and cannot be mended here ({reason})")
    for name in names:
        problems += changed(registry, name)
    for rollout in rollouts.all:
        problems += _unlike(registry, rollout, names)
    promoted = {r.new for r in rollouts.all}
    notices += [f"{name} was never promoted" for name in names if name not in promoted]
    return History(
        registry, rollouts.all, tuple(names), tuple(dict.fromkeys(problems)), tuple(notices)
    )


def _is_interrupted(registry: Path, rollouts: Rollouts) -> bool:
    """Whether a writer was ended halfway: the line is torn, or the pointer is one line behind."""
    if rollouts.torn or any(registry.glob(f"{PART}*")) or any(registry.glob(f"{ROOM}/{PART}*")):
        return True
    if rollouts.current is None:
        return False
    before = rollouts.all[-2].champion if len(rollouts.all) > 1 else None
    if not (registry / POINTER).exists():
        return True
    return before is not None and pointed(registry) == before


def _pointer(registry: Path, rollouts: Rollouts) -> list[str]:
    current = rollouts.current
    said = pointed(registry)
    if rollouts.problems or said == (None if current is None else current.champion):
        return []
    if current is None:
        return [f"{POINTER}: names {said.version if said else None}, which {NAME} never promoted"]
    if _is_interrupted(registry, rollouts):
        return []  # and could not be mended, which a notice says
    return [f"{POINTER}: was edited, {NAME} says {current.new}"]


def _unlike(registry: Path, rollout: Rollout, names: list[str]) -> list[str]:
    """Whether the version is the one that the line was written of."""
    if rollout.new not in names:
        return [f"{ROOM}/{rollout.new}: is missing"]
    try:
        found = read_version(registry, rollout.new)
    except BadInput:
        return []  # named already
    same = (found.content, found.spec) == (rollout.content, rollout.spec)
    return [] if same else [f"{ROOM}/{rollout.new}: is not what {NAME} promoted"]
