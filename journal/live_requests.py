"""What the bodies of POST /score and POST /reward say, field by field."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, NoReturn

import numpy as np

from journal.live import Asked
from policies.errors import BadInput
from policies.features import NAME, check_features, encode, parse_instant, parse_zone
from policies.records import ID_LENGTH, check_user_id, first_duplicate, micros
from policies.rewards import reward_of
from policies.state import OTHER

CANDIDATES_LIMIT = 1000  # of one decision

Json = Mapping[str, Any]


def object_of(raw: bytes) -> Json:
    """A JSON object without NaN and without a key given twice."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = first_duplicate([key for key, _ in items])
        if twice is not None:
            raise BadInput(items[twice][0], "the key is given twice")
        return dict(items)

    def constant(name: str) -> NoReturn:
        raise BadInput("body", "must be JSON, which has no such number", name)

    try:
        body = json.loads(raw.decode(), object_pairs_hook=pairs, parse_constant=constant)
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput("body", f"must be JSON ({error})", code="not_json") from None
    if not isinstance(body, dict):
        raise BadInput("body", "must be a JSON object", body)
    return body


def asked_of(body: Json) -> Asked:
    """What POST /score asks. Raises `BadInput` naming the field."""
    _only(body, "", ("user_id", "now", "timezone", "candidates", "request_id"))
    user_id = check_user_id(body.get("user_id"))
    now = None if body.get("now") is None else parse_instant(body["now"], "now")
    zone = None if body.get("timezone") is None else parse_zone(body["timezone"])
    candidates = body.get("candidates")
    if not isinstance(candidates, list) or not 1 <= len(candidates) <= CANDIDATES_LIMIT:
        rule = f"must be a list of 1 to {CANDIDATES_LIMIT} candidates"
        found = len(candidates) if isinstance(candidates, list) else candidates
        raise BadInput("candidates", rule, found)
    parsed = [_candidate(c, f"candidates[{i}]", now, zone) for i, c in enumerate(candidates)]
    ids = [name for name, _, _ in parsed]
    twice = first_duplicate(ids)
    if twice is not None:
        raise BadInput(f"candidates[{twice}].id", "each candidate may be given once", ids[twice])
    request_id = body.get("request_id")
    if request_id is not None:
        _text(request_id, "request_id")
    return Asked(
        user_id,
        ids,
        [arm for _, arm, _ in parsed],
        np.array([x for _, _, x in parsed], dtype=np.float64),
        NAME,
        request_id,
        _digest(body),
    )


def _digest(body: Json) -> bytes:
    """The same for the same request however its JSON was spelled."""
    try:
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    except RecursionError:
        raise BadInput("body", "is nested too deeply", code="not_json") from None


def _candidate(
    value: Any, field: str, now: datetime | None, zone: tzinfo | None
) -> tuple[str, str, tuple[float, ...]]:
    if not isinstance(value, dict):
        raise BadInput(field, "must be an object", value)
    _only(value, f"{field}.", ("id", "arm", "arm_kind", "features", "task"))
    if ("features" in value) == ("task" in value):
        raise BadInput(field, "give either features or task")
    task = value.get("task")
    named = task if isinstance(task, dict) else {}
    if "task" in value:
        if now is None:
            raise BadInput("now", "is needed to read a task")
        if zone is None:
            raise BadInput("timezone", "is needed to read a task")
        context = encode(task, now, zone, f"{field}.task")
    else:
        context = check_features(value["features"], f"{field}.features")
    if value.get("arm_kind") is not None:
        _text(value["arm_kind"], f"{field}.arm_kind")
    arm = value.get("arm")
    arm = named.get("project_id") if arm is None else arm
    name = _text(value.get("id", named.get("id")), f"{field}.id")
    return name, OTHER if arm is None else _text(arm, f"{field}.arm"), context


def answer_of(body: Json) -> tuple[str, str | None, float, int | None]:
    """What POST /reward says: decision_id, feedback, reward, answered_at in microseconds."""
    _only(body, "", ("decision_id", "feedback", "reward", "answered_at"))
    decision_id = _text(body.get("decision_id"), "decision_id")
    feedback, reward = body.get("feedback"), body.get("reward")
    if feedback is not None and not isinstance(feedback, str):
        raise BadInput("feedback", "must be a word", feedback)
    if reward is not None and (isinstance(reward, bool) or not isinstance(reward, int | float)):
        raise BadInput("reward", "must be a number", reward)
    at = body.get("answered_at")
    answered_at = None if at is None else micros(parse_instant(at, "answered_at"))
    worth = reward_of(feedback, None if reward is None else _number(reward))
    return decision_id, feedback, worth, answered_at


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise BadInput("reward", "must be a finite number", value) from None


def _only(body: Json, prefix: str, known: tuple[str, ...]) -> None:
    for key in body:
        if key not in known:
            raise BadInput(f"{prefix}{key}", f"unknown, known are {', '.join(known)}")


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= ID_LENGTH:
        raise BadInput(field, f"must be text of 1 to {ID_LENGTH} characters", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(field, "must be valid Unicode", ascii(value)) from None
    return value
