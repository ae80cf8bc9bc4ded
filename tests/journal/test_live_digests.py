"""A request that is sent again is known by its digest, and another one is not taken for it."""

import hashlib
import json
from typing import Any

import pytest

from journal.live_requests import prepare

FEATURES = {"hour_sin": 0.5, "hour_cos": -0.5, "is_overdue": 1, "task_age": 0, "priority": 1.0}
TASK = {"id": "t1", "labels": ["a:b", {"deep": [{"x": None}]}], "due": {"date": "2026-11-23"}}


def asked(path: str, body: Any, **how: Any) -> Any:
    call: Any = prepare(path, json.dumps(body, **how).encode())
    return call if path == "/score" else call.asked


NUMBERS = [0, 1, -0.0, 1e-5, 1e-7, 5e-324, 1 / 3, 0.1 + 0.2, 1.0]
TOLD = {"pmf": [1], "action": 0, "policy": None}


@pytest.mark.parametrize("path", ["/score", "/decision"])
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", ["t", 'a"b\\', "ü\u2028\x7f\n", "😀"])
def test_a_request_is_known_again_however_it_is_spelled(
    path: str, number: float, name: str
) -> None:
    """The order of keys, escapes, spaces, 1 for 1.0, and null for what is left out."""
    ready = {**FEATURES, "task_age": number, "hour_sin": number}
    candidates = [{"features": ready, "arm": name, "id": name}, {"task": TASK, "arm_kind": "k"}]
    body: dict[str, Any] = {"user_id": "u", "candidates": candidates, "request_id": "r"}
    body |= {"now": "2026-11-23T09:00:00Z", "timezone": "UTC"}
    if path == "/decision":
        body |= {**TOLD, "pmf": [1, 0]}
    other = {key: body[key] for key in sorted(body)}
    other["candidates"] = [{**dict(reversed(c.items())), "id": c.get("id")} for c in candidates]
    other["candidates"][0]["features"] = {k: float(v) for k, v in sorted(ready.items())}
    if path == "/decision":
        other["pmf"] = [1.0, 0.0]
        del other["policy"]
    first = asked(path, body)
    again = asked(path, other, ensure_ascii=False, indent=1)
    assert first.body == again.body
    assert len(first.body) == 32
    assert first.is_retry_of(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest())
    assert not first.is_retry_of(hashlib.sha256(b"another").digest())


@pytest.mark.parametrize("path", ["/score", "/decision"])
def test_a_request_that_says_anything_else_is_another(path: str) -> None:
    """Each part of it, what no encoder reads of a task too."""
    ready, task = {"id": "a", "arm": "x", "features": FEATURES}, {"id": "b", "task": TASK}
    body: dict[str, Any] = {"user_id": "u", "candidates": [ready, task], "request_id": "r"}
    body |= {"now": "2026-11-23T09:00:00Z", "timezone": "UTC"}
    if path == "/decision":
        body |= {**TOLD, "pmf": [0.5, 0.5]}
    others: list[dict[str, Any]] = [
        {"user_id": "v"},
        {"now": "2026-11-23T09:00:01Z"},
        {"now": "2026-11-23T10:00:00+01:00"},
        {"timezone": "Europe/London"},
        {"candidates": [task, ready]},
        {"candidates": [ready]},
        *({"candidates": [{**ready, key: "other"}, task]} for key in ("id", "arm", "arm_kind")),
        {"candidates": [{**ready, "features": {**FEATURES, "priority": 0.5}}, task]},
        {"candidates": [ready, {**task, "task": {**TASK, "content": "other"}}]},
        {"candidates": [ready, {**task, "task": {**TASK, "labels": []}}]},
    ]
    if path == "/decision":
        others += [{"pmf": [0.25, 0.75]}, {"action": 1}, {"policy": "other"}]
        others[5] = {"candidates": [ready], "pmf": [1.0]}
    digests = [asked(path, {**body, **other}).body for other in ({}, *others)]
    assert len(set(digests)) == len(digests)
