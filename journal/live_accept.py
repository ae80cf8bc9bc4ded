"""Compiled from a JSON schema: whether a body breaks nothing of it, and how many pairs it holds.

It says yes or nothing: who is told no asks `live_schema.body_check`, which knows the field. The
schema stays the one truth of both; the source is written from it once, as dataclasses do.
"""

import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

Schema = Mapping[str, Any]
Accept = Callable[[Any], int]

REFUSED = -1
LEVELS = 32  # of what a schema leaves open; a body may have twice as many and takes longer then


def accepting(schema: Schema) -> Accept:
    """The function of a body: its (key, value) pairs in all its objects, or `REFUSED`.

    `REFUSED` is no verdict on what is nested deeper than `LEVELS`.
    """
    source = _Source()
    source.value("body", schema, 2)
    missing = f" except KeyError: return {REFUSED}"
    lines = ["def accept(body):", " pairs = 0", " try:", *source.lines, missing, " return pairs"]
    exec("\n".join(lines), source.names)
    accept: Accept = source.names["accept"]
    return accept


def pairs_in(value: Any) -> int:
    """The pairs of an open value's objects, or `REFUSED` when it is nested too deep."""
    pairs, level = 0, [value]
    for _ in range(LEVELS):
        below: list[Any] = []
        for part in level:
            if type(part) is dict:
                pairs += len(part)
                part = part.values()
            below += [x for x in part if type(x) is dict or type(x) is list]
        if not below:
            return pairs
        level = below
    return REFUSED


def pairs_of_text(raw: bytes) -> int:
    """The pairs that a JSON text spells: its colons outside of strings.

    A key that is given twice is two pairs here and one in what was parsed.
    """
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(raw.split(b'"')[::2]).count(b":")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Source:
    """Lines of Python that return `REFUSED` where a value breaks its schema."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"encodes": _encodes, "pairs_in": pairs_in}
        self._numbers = count()

    def value(self, name: str, schema: Schema, depth: int) -> None:
        """Of the variable `name`, `depth` levels of indentation deep."""
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if kinds == ["object"]:
            self._object(name, schema, depth)
        elif kinds == ["array"]:
            self._array(name, schema, depth)
        else:
            rule = _text(schema) if "string" in kinds else _number(schema)
            if "pattern" in schema:
                rule += f" and {self._pattern(schema['pattern'])}({{0}})"
            none = "{0} is None or " if "null" in kinds else ""
            self._unless(depth, (none + rule).format(name))

    def _unless(self, depth: int, holds: str) -> None:
        self._line(depth, f"if not ({holds}): return {REFUSED}")

    def _line(self, depth: int, line: str) -> None:
        self.lines.append(" " * depth + line)

    def _new(self, kind: str, value: Any = None) -> str:
        name = f"{kind}{next(self._numbers)}"
        if value is not None:
            self.names[name] = value
        return name

    def _pattern(self, pattern: str) -> str:
        return self._new("matches", re.compile(pattern.strip("^$"), re.DOTALL).fullmatch)

    def _array(self, name: str, schema: Schema, depth: int) -> None:
        low, high, part = schema["minItems"], schema["maxItems"], self._new("part")
        self._unless(depth, f"type({name}) is list and {low} <= len({name}) <= {high}")
        self._line(depth, f"for {part} in {name}:")
        self.value(part, schema["items"], depth + 1)

    def _object(self, name: str, schema: Schema, depth: int) -> None:
        self._unless(depth, f"type({name}) is dict")
        if schema.get("additionalProperties", True) is not False:
            held = self._new("held")
            self._line(depth, f"{held} = pairs_in({name})")
            self._unless(depth, f"{held} >= 0")
            self._line(depth, f"pairs += {held}")
            return
        properties, required = schema["properties"], schema.get("required", ())
        self._line(depth, f"pairs += len({name})")
        if len(required) == len(properties):  # all are asked for below: there is room for no other
            self._unless(depth, f"len({name}) == {len(required)}")
        else:
            known = self._new("known", frozenset(properties))
            self._unless(depth, f"{name}.keys() <= {known}")
        if "oneOf" in schema:
            one, other = (f"{choice['required'][0]!r} in {name}" for choice in schema["oneOf"])
            self._unless(depth, f"({one}) is not ({other})")
        for key, inner in properties.items():
            part, within = self._new("part"), depth
            if key not in required:
                self._line(depth, f"if {key!r} in {name}:")
                within += 1
            self._line(within, f"{part} = {name}[{key!r}]")  # KeyError: what is required lacks
            self.value(part, inner, within)


def _text(schema: Schema) -> str:
    rule = "type({0}) is str"
    if "enum" in schema:
        rule += f" and {{0}} in {tuple(schema['enum'])!r}"
    if "minLength" in schema or "maxLength" in schema:
        rule += f" and {schema.get('minLength', 0)} <= len({{0}})"
        rule += f" <= {schema['maxLength']}" if "maxLength" in schema else ""
    return f"{rule} and ({{0}}.isascii() or encodes({{0}}))"


def _number(schema: Schema) -> str:
    kind = "type({0}) is int"
    if schema["type"] != "integer":
        kind = "(type({0}) is float or type({0}) is int)"
    if "enum" in schema:
        return f"{kind} and {{0}} in {tuple(schema['enum'])!r}"
    return f"{kind} and {schema['minimum']!r} <= {{0}} <= {schema['maximum']!r}"
