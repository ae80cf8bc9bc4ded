"""The gate's report as a promotion reads it, and why it may be no ground for one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from policies.errors import BadInput
from policies.features import parse_instant
from replay.release.registry_files import read_bytes
from replay.release.registry_rollouts import Rollouts, used_gates


@dataclass(frozen=True)
class GateReport:
    """What of `gate.json` matters here."""

    raw: bytes
    sha256: str
    passed: bool
    failed: tuple[str, ...]  # rules
    champion: str  # canonical specs
    challenger: str
    log_sha256: str
    at: datetime


def read_gate(path: Path) -> GateReport:
    """Raises `BadInput` when the file is no report of `replay gate`, or contradicts itself."""
    where, raw = str(path), read_bytes(path)
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadInput(where, "must be the gate.json of `replay gate`: JSON") from None
    if not isinstance(record, Mapping):
        raise BadInput(where, "must be the gate.json of `replay gate`: an object", record)
    passed, log, rules = record.get("passed"), record.get("log"), record.get("rules")
    if not isinstance(passed, bool):
        raise BadInput(f"{where}: passed", "must be true or false", passed)
    if not isinstance(log, Mapping):
        raise BadInput(f"{where}: log", "must be an object", log)
    if not isinstance(rules, list) or not all(isinstance(r, Mapping) for r in rules):
        raise BadInput(f"{where}: rules", "must be a list of objects", rules)
    failed = tuple(str(r.get("rule")) for r in rules if r.get("verdict") == "FAIL")
    if passed and failed:
        raise BadInput(where, "contradicts itself: passed, and these rules failed", failed)
    return GateReport(
        raw,
        hashlib.sha256(raw).hexdigest(),
        passed,
        failed,
        _text(record, "champion", where),
        _text(record, "challenger", where),
        _text(log, "sha256", f"{where}: log"),
        parse_instant(record.get("at"), f"{where}: at"),
    )


def refusals(gate: GateReport | None, spec: str, rollouts: Rollouts) -> list[str]:
    """Why `gate` is no ground to promote `spec` now, a reason each; none: it is."""
    if gate is None:
        return ["no gate was given"]
    out = []
    if not gate.passed:
        out.append(f"the gate did not pass ({', '.join(gate.failed) or 'no rule is named'})")
    if gate.challenger != spec:
        out.append(f"the gate is of another challenger, {gate.challenger}")
    current = rollouts.current
    if current is None:
        return out
    if gate.champion != current.spec:
        out.append(f"the gate was against {gate.champion}, the champion is {current.spec}")
    # a gate says seconds, a rollout microseconds
    if gate.at < parse_instant(current.at, "at").replace(microsecond=0):
        out.append(f"the gate, of {gate.at.isoformat()}, is older than the champion")
    used = used_gates(rollouts.all).get(gate.sha256)
    if used is not None:
        out.append(f"the gate was used before, for {used}")
    return out


def _text(record: Mapping[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise BadInput(f"{where}: {key}", "must be a text", value)
    return value
