"""By what a request is known again when it is sent once more, however its JSON is spelled then.

Order and spacing of the JSON are no matter, nor whether a number is 1 or 1.0, or a key left out
or null. Everything else is: the content of a task that no encoder reads too.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from policies.arrays import Floats

Json = Mapping[str, Any]

_ABOUT = ("user_id", "now", "timezone", "policy", "action", "pmf")
_write = json.JSONEncoder(sort_keys=True, check_circular=False).encode


def digest_of(body: Json, context: Floats) -> bytes:
    """SHA-256 of a checked body of /score or /decision, whose features are `context (K, d)`."""
    about = [body.get(key) for key in _ABOUT]
    candidates = [
        (c.get("id"), c.get("arm"), c.get("arm_kind"), c.get("task")) for c in body["candidates"]
    ]
    if about[-1] is not None:
        about[-1] = [float(p) for p in about[-1]]
    text = _write((about, candidates)).encode()
    return hashlib.sha256(b"tipbandit request 2" + text + context.tobytes()).digest()


def earlier_digest_of(body: Json) -> bytes:
    """As it was made at first: a retry may come to the version after the one that decided."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
