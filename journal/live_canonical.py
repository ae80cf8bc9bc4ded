"""Compiled from a JSON schema: the canonical JSON of a body, by which a retry is known.

The text is that of `json.dumps(body, sort_keys=True)`, character for character: journals hold its
digests. Written for the keys that a schema names, it takes three quarters of the time.
"""

import json
from collections.abc import Callable
from itertools import count
from json.encoder import encode_basestring_ascii
from typing import Any

from journal.live_schema import Schema

Writer = Callable[[Any], str]

_NAMES = {
    "text": encode_basestring_ascii,
    "dumps": json.JSONEncoder(sort_keys=True).encode,
}


def canonical_of(schema: Schema) -> Writer:
    """The writer of bodies that keep `schema`; of others it promises nothing."""
    writer: Writer = eval(f"lambda body: {_written(schema, 'body', count())}", dict(_NAMES))
    return writer


def _written(schema: Schema, value: str, numbers: "count[int]") -> str:
    """The expression of the text of an expression `value`."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds == ["array"]:
        each = f"each{next(numbers)}"
        inner = _written(schema["items"], each, numbers)
        return f"'[' + ', '.join([{inner} for {each} in {value}]) + ']'"
    if kinds == ["object"]:
        return _object(schema, value, numbers)
    written = f"text({value})" if "string" in kinds else f"repr({value})"
    return f"('null' if {value} is None else {written})" if "null" in kinds else written


def _object(schema: Schema, value: str, numbers: "count[int]") -> str:
    if schema.get("additionalProperties", True) is not False:
        return f"dumps({value})"
    properties = sorted(schema["properties"].items())
    if all(key in schema.get("required", ()) and _number(inner) for key, inner in properties):
        inner = ", ".join(f"{json.dumps(key)}: {{{value}[{key!r}]!r}}" for key, _ in properties)
        return f'f"""{{{{{inner}}}}}"""'  # one f-string: most of a body is features
    parts = []
    for key, inner in properties:
        head, part = f", {json.dumps(key)}: ", _written(inner, f"{value}[{key!r}]", numbers)
        parts.append(f"({head!r} + {part} if {key!r} in {value} else '')")
    return f"'{{' + ({' + '.join(parts)})[2:] + '}}'"


def _number(schema: Schema) -> bool:
    return schema["type"] in ("number", "integer")
