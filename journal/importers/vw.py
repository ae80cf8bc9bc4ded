"""`vw:FILE`: Vowpal Wabbit's dsjson, one decision a line (docs/log-schema.md says how).

The format: the DSJSON and JSON pages of the vowpal_wabbit wiki. What `journal.exporters.vw`
wrote comes back whole: `_tipbandit` holds the columns that dsjson has no place for.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from journal import schema
from journal.importers.vw_address import Asked, Range, asked_of, span_of
from journal.importers.vw_features import MOST_TEXTS, Features
from journal.importers.vw_line import Json, Line, at_path, context_of, json_of, line_of
from journal.importers.vw_table import table_of
from journal.log import Log, log_of_table
from policies.errors import BadInput, shown
from policies.records import check_user_id


@dataclass
class _Found:
    """The lines of a file, and what was left out of it."""

    lines: list[Line]
    users: list[str | None]
    features: Features
    dangling: int = 0
    never_shown: int = 0


def read(address: str) -> Log:
    """The log of a dsjson file; raises `BadInput` naming file, line, field, rule and find."""
    asked = asked_of(address)
    name = f"vw:{address}"
    found, digest = _lines(asked)
    lines = found.lines
    if not lines:
        raise BadInput(name, "holds no decision")
    _check(found)
    span, of_data = _range(lines, asked)
    silent = _silent(lines)
    lengths = np.array([len(line.candidate_ids) for line in lines])
    context, names = found.features.columns(lengths, name)
    table = table_of(lines, found.users, silent, context, names)
    world = _same([line.our("world") for line in lines])
    kept = [_kept(lines[0], key, name) for key in ("priors", "experiments")]
    table = table.replace_schema_metadata(schema.metadata(span, world, *kept))
    notes = _notes(found, silent, names, span if of_data else None)
    return log_of_table(table, name, source=digest, notes=notes)


def _kept(first: Line, key: str, name: str) -> list[str]:
    """The texts of the log's priors or experiments, which its first line holds for all."""
    texts = first.our(key)
    if texts is None:
        return []
    if not isinstance(texts, list):
        raise BadInput(f"{name} {first.where}, _tipbandit.{key}", "must be a list", texts)
    return texts


def _lines(asked: Asked) -> tuple[_Found, str]:
    """Every line of the file, and the file's SHA-256."""
    found = _Found([], [], Features(asked.left_out))
    digest = hashlib.sha256()
    with asked.file.open("rb") as file:
        for n, raw in enumerate(file, 1):
            digest.update(raw)
            if not raw.strip():
                continue
            where = f"{asked.file} line {n}"
            said = json_of(raw, where)
            if "c" not in said:
                found.dangling += 1  # an answer whose decision is not in this file
                continue
            if said.get("_skipLearn") is True or said.get("skipLearn") is True:
                found.never_shown += 1
                continue
            line = line_of(said, where)
            found.lines.append(line)
            found.users.append(_user(said, line, asked))
            found.features.add(context_of(said, where), where)
    return found, digest.hexdigest()


def _user(said: Json, line: Line, asked: Asked) -> str | None:
    if asked.user is None:
        ours = line.our("user_id")
        return None if ours is None else check_user_id(ours, f"{line.where}, _tipbandit.user_id")
    user = at_path(said, asked.user)
    text = str(user) if isinstance(user, int) and not isinstance(user, bool) else user
    return check_user_id(text, f"{line.where}, {'.'.join(asked.user)}")


def _check(found: _Found) -> None:
    """What lines must have in common, and each for itself."""
    seen: dict[str, str] = {}
    lines = found.lines
    timed = lines[0].decided_at is not None
    for line in lines:
        if (line.decided_at is not None) != timed:
            raise BadInput(f"{line.where}, Timestamp", "must be in every line or in none")
        if line.pdrop != lines[0].pdrop:
            rule = f"must be {lines[0].pdrop:g} as in {lines[0].where}: rows have no weights here"
            raise BadInput(f"{line.where}, pdrop", rule, line.pdrop)
        if line.decision_id is not None:
            if line.decision_id in seen:
                rule = f"must be unique, is that of {seen[line.decision_id]}"
                raise BadInput(f"{line.where}, EventId", rule, line.decision_id)
            seen[line.decision_id] = line.where


def _range(lines: Sequence[Line], asked: Asked) -> tuple[Range, bool]:
    """The range of rewards, and whether it is only that of the data."""
    rewards = [line.reward for line in lines if line.reward is not None]
    told = asked.span or _told_range(lines)
    if told is None:
        low, high = min(rewards, default=0.0), max(rewards, default=0.0)
        if low >= 0 and high <= 1:
            return (0.0, 1.0), True
        return (min(low, -1.0), max(high, 1.0)), True
    for line in lines:
        if line.reward is not None and not told[0] <= line.reward <= told[1]:
            rule = f"the reward, its negative, must be in [{told[0]:g}, {told[1]:g}]"
            raise BadInput(f"{line.where}, _label_cost", rule, -line.reward)
    return told, False


def _told_range(lines: Sequence[Line]) -> Range | None:
    told: Range | None = None
    for line in lines:
        span = line.our("reward_range")
        if span is None:
            continue
        field = f"{line.where}, _tipbandit.reward_range"
        if not isinstance(span, list) or len(span) != 2:
            raise BadInput(field, "must be [low, high]", span)
        own = span_of(f"{span[0]},{span[1]}", field)
        if told is not None and own != told:
            raise BadInput(field, f"must be {list(told)} as before", span)
        told = own
    return told


def _silent(lines: Sequence[Line]) -> list[bool]:
    """Lines of a joiner that waited in vain: no `o` where others have one, and no cost."""
    joined = any(line.observed for line in lines)
    return [
        joined and line.ours is None and not line.observed and line.reward == 0 for line in lines
    ]


def _same(worlds: Sequence[Any]) -> dict[str, Any] | None:
    world = worlds[0]
    return world if isinstance(world, dict) and all(w == world for w in worlds) else None


def _notes(
    found: _Found, silent: Sequence[bool], names: Sequence[str], of_data: Range | None
) -> tuple[str, ...]:
    """What was made of a foreign file; a file of ours needs no word."""
    out = []
    if found.dangling:
        out.append(f"{found.dangling} lines have no context (answers alone) and are left out")
    if found.never_shown:
        out.append(f"{found.never_shown} decisions were never shown (_skipLearn): left out")
    if found.lines[0].pdrop:
        out.append(f"every line was dropped with probability {found.lines[0].pdrop:g}: a sample")
    if any(silent):
        out.append(f"{sum(silent)} lines without an observation (o) count as silent")
    if of_data is not None:
        low, high = of_data
        out.append(f"rewards are taken to lie in [{low:g}, {high:g}], by the data: ?range= says so")
    for name in found.features.too_many:
        out.append(f"{shown(name)} is left out: more than {MOST_TEXTS} different texts")
    if any(line.ours is None for line in found.lines):
        kinds = Counter(name.partition("=")[0] for name in names)
        said = ", ".join(k if n == 1 else f"{k} ({n})" for k, n in list(kinds.items())[:8])
        more = ", …" if len(kinds) > 8 else ""
        out.append(f"context features: {said + more if names else 'none, a constant 1'}")
    return tuple(out)
