"""JSON Schemas of what is sent to the scorer, and the checks that are made from them.

One table serves both: /openapi.json publishes these schemas, `body_check` enforces them.
Known keywords: type, properties, required, additionalProperties, oneOf (of two `required`),
items, minItems, maxItems, minLength, maxLength, pattern, enum, minimum, maximum; format informs.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from policies.errors import BadInput
from policies.features import FEATURES
from policies.records import ID_LENGTH, USER_ID
from policies.rewards import ANSWERS, REWARD_RANGE

CANDIDATES_LIMIT = 1000  # of one decision
ELSEWHERE_NAME = r"[A-Za-z0-9._-]{1,64}"

Schema = Mapping[str, Any]
Check = Callable[[Any], None]

_TEXT = {"type": "string", "minLength": 1, "maxLength": ID_LENGTH}
_OPTIONAL = {**_TEXT, "type": ["string", "null"]}
_USER = {"type": "string", "pattern": f"^{USER_ID.pattern}$"}
_TIME = {"type": ["string", "null"], "maxLength": 64, "format": "date-time"}


def _feature(low: float, high: float, whole: bool) -> Schema:
    return {"type": "number", "enum": [0, 1]} if whole else {
        "type": "number", "minimum": low, "maximum": high,
    }  # fmt: skip


FEATURES_SCHEMA: Schema = {
    "type": "object",
    "properties": {f.name: _feature(f.low, f.high, f.whole) for f in FEATURES},
    "required": [f.name for f in FEATURES],
    "additionalProperties": False,
}
CANDIDATE: Schema = {
    "type": "object",
    "properties": {
        "id": _OPTIONAL,
        "arm": _OPTIONAL,
        "arm_kind": _OPTIONAL,
        "features": FEATURES_SCHEMA,
        "task": {"type": "object", "description": "a Todoist task: its id and project_id serve"
                 " as id and arm; docs/features.md says what is read of it"},
    },
    "oneOf": [{"required": ["features"]}, {"required": ["task"]}],
    "additionalProperties": False,
}  # fmt: skip
_CANDIDATES = {
    "type": "array", "items": CANDIDATE, "minItems": 1, "maxItems": CANDIDATES_LIMIT,
}  # fmt: skip
_ASKING = {"user_id": _USER, "now": _TIME, "timezone": _OPTIONAL, "candidates": _CANDIDATES}

SCORE: Schema = {
    "type": "object",
    "properties": {**_ASKING, "request_id": _OPTIONAL},
    "required": ["user_id", "candidates"],
    "additionalProperties": False,
}
REWARD: Schema = {
    "type": "object",
    "properties": {
        "decision_id": _TEXT,
        "feedback": {"type": "string", "enum": list(ANSWERS)},
        "reward": {"type": "number", "minimum": REWARD_RANGE[0], "maximum": REWARD_RANGE[1]},
        "answered_at": _TIME,
    },
    "required": ["decision_id"],
    "oneOf": [{"required": ["feedback"]}, {"required": ["reward"]}],
    "additionalProperties": False,
}
DECISION: Schema = {
    "type": "object",
    "properties": {
        **_ASKING,
        "request_id": _TEXT,
        "pmf": {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "minItems": 1,
            "maxItems": CANDIDATES_LIMIT,
        },
        "action": {"type": "integer", "minimum": 0, "maximum": CANDIDATES_LIMIT - 1},
        "policy": {"type": ["string", "null"], "pattern": f"^{ELSEWHERE_NAME}$"},
    },
    "required": ["user_id", "request_id", "candidates", "pmf", "action"],
    "additionalProperties": False,
}


class Breach(Exception):
    """What breaks a rule, and where: the path grows as the exception leaves the nesting."""

    def __init__(self, rule: str, found: object = None, path: str = "") -> None:
        super().__init__(rule)
        self.rule, self.found, self.path = rule, found, path

    def within(self, outer: str) -> "Breach":
        """The same, seen from outside."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{outer}{dot}{self.path}"
        return self


def body_check(schema: Schema) -> Check:
    """The check of a body: raises `BadInput` naming the first field that breaks the schema."""
    check = _check_of(schema)

    def checked(value: Any) -> None:
        try:
            check(value)
        except Breach as breach:
            raise BadInput(breach.path or "body", breach.rule, breach.found) from None

    return checked


def _check_of(schema: Schema) -> Check:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds == ["array"]:
        return _array(schema)
    if kinds == ["object"]:
        return _object(schema)
    check = _text(schema) if "string" in kinds else _number(schema)
    if "null" not in kinds:
        return check

    def checked(value: Any) -> None:
        if value is not None:
            check(value)

    return checked


def _object(schema: Schema) -> Check:
    known = {name: _check_of(part) for name, part in schema.get("properties", {}).items()}
    required = schema.get("required", ())
    needed = frozenset(required)
    closed = schema.get("additionalProperties", True) is False
    choice = [name for one in schema.get("oneOf", ()) for name in one["required"]]
    whole = "candidates" in known or "decision_id" in known  # a body: its own path is empty

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Breach("must be an object", value)
        if not needed <= value.keys():
            raise Breach("missing", path=next(name for name in required if name not in value))
        if choice and (choice[0] in value) == (choice[1] in value):
            rule = f"give either {' or '.join(choice)}, one of them"
            raise Breach(rule, path=choice[0] if whole else "")
        name = ""
        try:
            for name, part in value.items():
                if name in known:
                    known[name](part)
                elif closed:
                    raise Breach(f"unknown, known are {', '.join(known)}")
        except Breach as breach:
            raise breach.within(name) from None

    return check


def _array(schema: Schema) -> Check:
    inner, low, high = _check_of(schema["items"]), schema["minItems"], schema["maxItems"]

    def check(value: Any) -> None:
        if type(value) is not list or not low <= len(value) <= high:
            found = len(value) if isinstance(value, list) else value
            raise Breach(f"must be a list of {low} to {high}", found)
        i = 0
        try:
            for i, part in enumerate(value):  # noqa: B007
                inner(part)
        except Breach as breach:
            raise breach.within(f"[{i}]") from None

    return check


def _text(schema: Schema) -> Check:
    low, high = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    pattern = re.compile(schema.get("pattern", "").strip("^$"), re.DOTALL)
    words, shape = schema.get("enum"), "pattern" in schema

    def check(value: Any) -> None:
        if type(value) is not str:
            raise Breach("must be text", value)
        if words is not None and value not in words:
            raise Breach(f"must be one of {', '.join(words)}", value)
        if not low <= len(value) <= high:
            raise Breach(f"must be text of {low} to {high} characters", value)
        if shape and not pattern.fullmatch(value):
            raise Breach(f"must match {pattern.pattern}", value)
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Breach("must be valid Unicode", ascii(value)) from None

    return check


def _number(schema: Schema) -> Check:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    values, whole = schema.get("enum"), schema["type"] == "integer"

    def check(value: Any) -> None:
        if type(value) is not int and (type(value) is not float or whole):
            raise Breach(f"must be a {'whole ' if whole else ''}number", value)
        if values is not None:
            if value not in values:
                raise Breach(f"must be {' or '.join(map(str, values))}", value)
        elif not low <= value <= high:
            raise Breach(f"must be in [{low:g}, {high:g}]", value)

    return check
