"""Files that other commands wrote and a card quotes: gate.json, rollouts.jsonl, experiment.json."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from policies.errors import BadInput
from replay.cards.document import Section, Table, Text

ROLLOUTS = "rollouts.jsonl"


def gate_of(path: str | Path) -> dict[str, Any]:
    """What `replay gate --out` wrote. Raises `BadInput`."""
    found = _object(path, "gate.json")
    rules = found.get("rules")
    if not isinstance(found.get("passed"), bool) or not isinstance(rules, list):
        raise BadInput(str(path), "must be a gate.json: an object with passed and rules")
    if not all(isinstance(rule, dict) and "rule" in rule for rule in rules):
        raise BadInput(str(path), "must be a gate.json: each of its rules an object with rule")
    if found["passed"] and any(rule.get("verdict") == "FAIL" for rule in rules):
        raise BadInput(str(path), "contradicts itself: passed, and a rule failed")
    return found


def gate_blocks(found: Mapping[str, Any]) -> list[Text | Table]:
    """The gate's verdict, rule by rule."""
    state = "passed" if found["passed"] else "refused"
    said = (
        f"The gate {state}: {_text(found.get('challenger'))} for the place of "
        f"{_text(found.get('champion'))}, run {_text(found.get('at'))}."
    )
    rows = [
        [
            _text(rule["rule"]),
            _text(rule.get("figure")),
            _text(rule.get("threshold")),
            _text(rule.get("verdict")),
            _text(rule.get("reason")),
        ]
        for rule in found["rules"]
    ]
    header = ("rule", "figure", "threshold", "verdict", "reason")
    return [Text(said, strong=True), Table("Rules of the gate", header, rows)]


def rollouts_of(registry: str | Path) -> list[dict[str, Any]]:
    """The lines of a registry's rollouts.jsonl; none where nothing was promoted yet.

    A last line without its line feed was never finished. Raises `BadInput`.
    """
    directory = Path(registry)
    if not directory.is_dir():
        raise BadInput(str(registry), "must be a registry's directory")
    path = directory / ROLLOUTS
    if not path.exists():
        return []
    out = []
    for number, line in enumerate(_read(path).splitlines(keepends=True), 1):
        if not line.endswith("\n"):
            continue
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise BadInput(f"{path} line {number}", "must be a JSON object")
        out.append(said)
    return out


def rollout_section(registry: str | None, lines: Sequence[Mapping[str, Any]]) -> Section:
    """Who made what the champion, when and why."""
    if registry is None:
        return Section("Rollout history", [Text("Not given: no registry was named (--registry).")])
    if not lines:
        return Section("Rollout history", [Text("Nothing was promoted yet.")])
    rows = [
        [
            _text(line.get("at")),
            _text(line.get("by")),
            _text(line.get("from")),
            _text(line.get("to")),
            _text(line.get("why")),
            _evidence(line.get("evidence")),
        ]
        for line in lines
    ]
    header = ("at", "by", "from", "to", "why", "evidence")
    return Section("Rollout history", [Table("Changes of the champion", header, rows)])


def experiment_of(path: str | Path) -> dict[str, Any]:
    """What `replay experiment --out` wrote. Raises `BadInput`."""
    found = _object(path, "experiment.json")
    rows = found.get("differences")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(str(path), "must be an experiment.json: an object with differences")
    return found


def tried(found: Mapping[str, Any]) -> list[str]:
    """The policies of an experiment's variants, as far as its file names them."""
    rows = found.get("variants")
    kept = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    listed = [row.get("policies") for row in kept]
    return [str(spec) for some in listed if isinstance(some, list) for spec in some]


def experiment_blocks(found: Mapping[str, Any]) -> list[Text | Table]:
    """What an A/B test measured: the value if deployed."""
    rows = [
        [
            _text(row.get("variant")),
            _text(row.get("against")),
            _text(row.get("value")),
            _text(row.get("anytime")),
            _text(row.get("verdict")),
        ]
        for row in found["differences"]
    ]
    header = ("variant", "against", "difference", "anytime interval", "verdict")
    said = f"Experiment {_text(found.get('experiment'))}: {_text(found.get('question'))}."
    return [Text(said), Table("Differences of the experiment", header, rows)]


def _object(path: str | Path, what: str) -> dict[str, Any]:
    try:
        found = json.loads(_read(Path(path)))
    except (json.JSONDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInput(str(path), f"must be a {what}: one JSON object")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise BadInput(str(path), f"must be UTF-8 ({error.reason})") from None


def _evidence(value: Any) -> str:
    if not isinstance(value, dict):
        return _text(value)
    said = [f"{k}: {_text(v)[:16]}" for k, v in value.items() if v not in (None, [], "")]
    return ", ".join(said) or "none"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
