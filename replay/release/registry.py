"""What was promoted, rolled back, and serves now: a directory that a crash cannot tear.

A change is three steps: the version into its place, the line of rollouts.jsonl, the pointer
champion.json. The line is the change; before it nothing happened, and after it the pointer
is derived again by whoever comes next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from policies.champion import Champion, PriorFile, dump, parse, policy_of
from policies.errors import BadInput
from policies.features import NAME as FEATURES
from policies.features import parse_instant
from policies.policy import Policy
from policies.prior import priors_in
from policies.spec import canonical
from replay.release.registry_files import (
    alone,
    append_line,
    cut,
    drop_parts,
    read_text,
    replace_file,
)
from replay.release.registry_gate import GateReport, refusals
from replay.release.registry_rollouts import NAME, Rollout, Rollouts, check_sound, read_rollouts
from replay.release.registry_versions import (
    ROOM,
    Source,
    Version,
    changed,
    read_version,
    register,
)

POINTER = "champion.json"
GATE, CARD, STATE = "gate.json", "card/", "state/"


class Refused(Exception):
    """What was asked for does not hold; nothing was written."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Wanted:
    """A promotion that is asked for."""

    policy: Policy
    base: str | None  # the version whose files it starts from
    gate: GateReport | None
    extra: dict[str, Source]  # the card's and the snapshot's files
    by: str
    why: str | None
    force: bool
    doubts: tuple[str, ...] = ()  # reasons against it that are not the gate's

    def against(self, rollouts: Rollouts) -> list[str]:
        """Why it must not be, as things stand."""
        out = [*refusals(self.gate, canonical(self.policy), rollouts), *self.doubts]
        if not self.policy.explores:
            out.append("the policy is deterministic: its log could evaluate no other")
        return out


@dataclass(frozen=True)
class Done:
    """What came of it."""

    rollout: Rollout
    already: bool  # it was so before
    notices: list[str]


def promote(registry: Path, wanted: Wanted) -> Done:
    """Registers the version and moves the pointer. Raises `Refused`, and `BadInput`."""
    early = read_rollouts(registry)
    check_sound(early)
    if not _is_done(wanted, early) and not wanted.force and (reasons := wanted.against(early)):
        raise Refused(reasons)  # before the lock: a refusal writes nothing, not even a directory
    with alone(registry):
        rollouts, notices = recover(registry)
        current = rollouts.current
        if current is not None and _is_done(wanted, rollouts):
            return Done(current, True, notices)
        reasons = wanted.against(rollouts)
        if reasons and not wanted.force:
            raise Refused(reasons)
        made = _registered(registry, wanted)
        if current is not None and current.new == made.name:
            return Done(current, True, notices)
        evidence: dict[str, object] = {
            "gate": None if wanted.gate is None else wanted.gate.sha256,
            "log": None if wanted.gate is None else wanted.gate.log_sha256,
            "passed": None if wanted.gate is None else wanted.gate.passed,
            "forced": wanted.force,
            "overrode": reasons,
        }
        rollout = _rollout("promote", wanted.by, rollouts, made, wanted.why, evidence)
        _move(registry, rollout)
        return Done(rollout, False, notices)


def roll_back(
    registry: Path,
    to: str | None,
    by: str,
    why: str | None,
    restore: Callable[[str], None] | None = None,
) -> Done:
    """Moves the pointer to the version before, or back to `to`. Raises `Refused`, `BadInput`.

    `restore(version)` brings back the snapshot of a state, first: what fails there leaves
    the champion. With `to` the champion already, nothing is done.
    """
    if not registry.is_dir():
        raise BadInput(str(registry), "no such registry")
    with alone(registry):
        rollouts, notices = recover(registry)
        current = rollouts.current
        if current is not None and to == current.new:
            return Done(current, True, notices)  # the same, however often it is asked
        target = target_of(rollouts, to)
        found = read_version(registry, target.new)
        _check_servable(registry, target.champion)
        if restore is not None:
            restore(target.new)
        evidence: dict[str, object] = {"gate": None, "log": None, "passed": None, "forced": False}
        evidence["state_restored"] = restore is not None
        rollout = _rollout("rollback", by, rollouts, found, why, evidence)
        _move(registry, rollout)
        return Done(rollout, False, notices)


def target_of(rollouts: Rollouts, to: str | None) -> Rollout:
    """Where a rollback goes. Raises `Refused` when there is no such way back."""
    before = rollouts.stack[:-1]
    if not rollouts.all:
        raise Refused(["nothing was promoted yet"])
    if to is None:
        if not before:
            raise Refused([f"{rollouts.all[-1].new} has no version before it"])
        return before[-1]
    for rollout in reversed(before):
        if rollout.new == to:
            return rollout
    if any(r.new == to for r in rollouts.all):
        raise Refused([f"{to} was rolled back from: promote it again"])
    raise Refused([f"{to} was never the champion"])


def servable(registry: Path, champion: Champion) -> Policy:
    """The policy of a champion, its priors as they were. Raises `BadInput` as a scorer would."""
    read_version(registry, champion.version)
    return policy_of(champion, lambda p: read_text(registry / p), champion.version)


def recover(registry: Path) -> tuple[Rollouts, list[str]]:
    """Mends what a writer left that was ended: the rollouts, and what was done.

    The only writer calls it.

    Raises `BadInput` when lines were edited, or are gone.
    """
    rollouts = read_rollouts(registry)
    check_sound(rollouts)
    _check_whole(registry, rollouts)
    notices: list[str] = []
    if rollouts.torn:
        cut(registry / NAME, rollouts.whole)
        notices.append(f"{NAME}: cut off {rollouts.torn} bytes of a line that was never finished")
        rollouts = read_rollouts(registry)
    drop_parts(registry)
    if (registry / ROOM).is_dir():
        drop_parts(registry / ROOM)
    current = rollouts.current
    if current is not None and pointed(registry) != current.champion:
        replace_file(registry / POINTER, dump(current.champion).encode())
        notices.append(f"{POINTER}: was not what {NAME} says, written again")
    return rollouts, notices


def _check_whole(registry: Path, rollouts: Rollouts) -> None:
    """Raises `BadInput` when lines are gone: the pointer is never ahead of them by itself."""
    said, last = pointed(registry), rollouts.current
    if said is None or said.since in [r.at for r in rollouts.all]:
        return
    try:
        since = parse_instant(said.since, f"{POINTER}: since")
    except BadInput:
        return  # edited: it tells nothing
    if last is None or since > parse_instant(last.at, f"{NAME}: at"):
        until = "it has none" if last is None else f"it ends at {last.at}"
        rule = f"must hold the line of {said.version}, the champion since {said.since}"
        raise BadInput(NAME, f"{rule} by {POINTER}; {until}: restore it")


def pointed(registry: Path) -> Champion | None:
    """What the pointer says; None when it is missing or says nothing."""
    try:
        return parse(read_text(registry / POINTER), POINTER)
    except BadInput:
        return None


def of_registry(version_: Version) -> tuple[PriorFile, ...]:
    """The priors of a version, by their paths within the registry."""
    room = f"{ROOM}/{version_.name}"
    return tuple(PriorFile(f"{room}/{p.path}", p.sha256) for p in version_.priors)


def _is_done(wanted: Wanted, rollouts: Rollouts) -> bool:
    """Whether this very gate made this policy the champion: a promotion that is tried again."""
    current, gate = rollouts.current, wanted.gate
    if current is None or gate is None or current.action != "promote":
        return False
    same = current.spec == canonical(wanted.policy) == gate.challenger
    return same and current.evidence.get("gate") == gate.sha256


def _registered(registry: Path, wanted: Wanted) -> Version:
    """The version of what is wanted: the base's files, and over them what is new."""
    sources: dict[str, Source] = {}
    if wanted.base is not None:
        found = read_version(registry, wanted.base)
        edited = changed(registry, wanted.base)
        if edited:
            raise BadInput(edited[0].partition(":")[0], "must be as it was registered", edited[0])
        sources = {path: registry / ROOM / found.name / path for path in found.files}
        for tree in (CARD, STATE):  # a new tree takes the old one's place whole
            if any(path.startswith(tree) for path in wanted.extra):
                sources = {p: s for p, s in sources.items() if not p.startswith(tree)}
    spec = canonical(wanted.policy)
    priors = []
    for prior in priors_in([spec]):
        path = f"prior-{prior.name.removeprefix('sha256:')[:12]}.json"
        priors.append(PriorFile(path, prior.name))
        sources[path] = prior.text.encode()
    if wanted.gate is not None:
        sources[GATE] = wanted.gate.raw
    sources |= wanted.extra
    return register(registry, spec, FEATURES, _package(), tuple(priors), sources)


def _rollout(
    action: str,
    by: str,
    rollouts: Rollouts,
    to: Version,
    why: str | None,
    evidence: dict[str, object],
) -> Rollout:
    current = rollouts.current
    return Rollout(
        datetime.now(UTC).isoformat(timespec="microseconds"),
        by,
        action,
        None if current is None else current.new,
        to.name,
        to.content,
        to.spec,
        of_registry(to),
        why,
        evidence,
        rollouts.last,
    )


def _check_servable(registry: Path, champion: Champion) -> None:
    try:
        servable(registry, champion)
    except BadInput as error:
        raise Refused([f"{champion.version} cannot be served: {error}"]) from None


def _move(registry: Path, rollout: Rollout) -> None:
    _check_servable(registry, rollout.champion)
    append_line(registry / NAME, rollout.line())
    replace_file(registry / POINTER, dump(rollout.champion).encode())


def _package() -> str:
    try:
        return version("tipbandit")
    except PackageNotFoundError:
        return "unknown"
