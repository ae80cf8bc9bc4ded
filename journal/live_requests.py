"""What the bodies sent to the scorer ask of the live journal: bytes to a call, or `BadInput`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np

from journal.live_accept import REFUSED, Accept, accepting, pairs_of_text
from journal.live_calls import Asked, Call, Elsewhere, Told
from journal.live_digests import Json, digest_of, earlier_digest_of
from journal.live_inputs import inputs_of
from journal.live_lookups import ELSEWHERE
from journal.live_schema import DECISION, REWARD, SCORE, Check, Schema, body_check
from policies.errors import BadInput
from policies.features import FEATURES, NAME, encode, parse_instant, parse_zone
from policies.loop import PMF_TOLERANCE
from policies.records import ID_LENGTH, first_duplicate, micros
from policies.rewards import reward_of
from policies.state import OTHER

NESTING_LIMIT = 64  # levels of objects and lists in a body

_in_order = itemgetter(*[f.name for f in FEATURES])


def prepare(path: str, raw: bytes) -> Call:
    """The call that a body `raw` sent to `path` makes. Raises `BadInput` naming the field.

    What is right is accepted as a whole; whatever is not is read again, by those who can say why.
    """
    kind = PREPARE[path]
    try:
        body = _quick.decode(raw.decode())
        pairs = kind.accept(body)
    except (ValueError, RecursionError):
        pairs = REFUSED
    # a colon within a string is no pair: then they are counted with more care
    if pairs != raw.count(b":") and (pairs == REFUSED or pairs != pairs_of_text(raw)):
        body = object_of(raw)
        kind.check(body)
    return kind.call(body)


def object_of(raw: bytes) -> Json:
    """A JSON object without NaN, without a key given twice, and not too deep."""
    try:
        body = _decoder.decode(raw.decode())
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput("body", f"must be JSON ({error})", code="not_json") from None
    if not isinstance(body, dict):
        raise BadInput("body", "must be a JSON object", body)
    if raw.count(b"{") + raw.count(b"[") > NESTING_LIMIT:  # else it cannot be that deep
        _check_depth(body)
    return body


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(items)
    if len(out) != len(items):
        twice = first_duplicate([key for key, _ in items])
        assert twice is not None
        raise BadInput(items[twice][0], "the key is given twice")
    return out


def _constant(name: str) -> NoReturn:
    raise BadInput("body", "must be JSON, which has no such number", name)


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
_quick = json.JSONDecoder(parse_constant=_constant)  # a key given twice is one


def _check_depth(body: Any) -> None:
    level = [body]
    for _ in range(NESTING_LIMIT):
        inner = [part.values() if isinstance(part, dict) else part for part in level]
        level = [x for part in inner for x in part if isinstance(x, dict | list)]
        if not level:
            return
    rule = f"must not be nested deeper than {NESTING_LIMIT} levels"
    raise BadInput("body", rule, code="not_json")


def asked_of(body: Json) -> Asked:
    """What POST /score asks."""
    now = None if body.get("now") is None else parse_instant(body["now"], "now")
    zone = None if body.get("timezone") is None else parse_zone(body["timezone"])
    ids, arms, contexts, tasks = [], [], [], []
    for i, candidate in enumerate(body["candidates"]):
        task, name, arm = candidate.get("task"), candidate.get("id"), candidate.get("arm")
        if task is not None:
            contexts.append(_encoded(task, now, zone, f"candidates[{i}].task"))
        else:
            contexts.append(_in_order(candidate["features"]))
        tasks.append(task)
        ids.append(name or _from_task(task, "id", f"candidates[{i}].id"))
        arms.append(arm or _from_task(task, "project_id", f"candidates[{i}].arm", OTHER))
    twice = first_duplicate(ids)
    if twice is not None:
        raise BadInput(f"candidates[{twice}].id", "each candidate may be given once", ids[twice])
    request_id, context = body.get("request_id"), np.array(contexts, dtype=np.float64)
    any_task = tasks.count(None) < len(tasks)
    return Asked(
        body["user_id"],
        ids,
        arms,
        context,
        NAME,
        request_id,
        b"" if request_id is None else digest_of(body, context),
        inputs_of(body["now"], body["timezone"], tasks) if any_task else None,
        partial(earlier_digest_of, body),
    )


def _encoded(
    task: Json, now: datetime | None, zone: tzinfo | None, field: str
) -> tuple[float, ...]:
    if now is None:
        raise BadInput("now", "is needed to read a task")
    if zone is None:
        raise BadInput("timezone", "is needed to read a task")
    return encode(task, now, zone, field)


def _from_task(task: Json | None, name: str, field: str, default: str | None = None) -> str:
    """What the candidate does not say of itself, its task may; else the default."""
    value = None if task is None else task.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or not 1 <= len(value) <= ID_LENGTH:
        raise BadInput(field, f"must be text of 1 to {ID_LENGTH} characters", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(field, "must be valid Unicode", ascii(value)) from None
    return value


def told_of(body: Json) -> Told:
    """What POST /reward says."""
    reward, at = body.get("reward"), body.get("answered_at")
    feedback = body.get("feedback")
    worth = reward_of(feedback, None if reward is None else float(reward))
    answered_at = None if at is None else micros(parse_instant(at, "answered_at"))
    return Told(body["decision_id"], feedback, worth, answered_at)


def elsewhere_of(body: Json) -> Elsewhere:
    """What POST /decision tells: the pmf is checked, since every estimate will trust it."""
    asked = asked_of(body)
    pmf = np.array(body["pmf"], dtype=np.float64)
    action, count = body["action"], len(asked.candidate_ids)
    if len(pmf) != count:
        raise BadInput("pmf", f"must have one probability for each of {count} candidates", len(pmf))
    if abs(float(pmf.sum()) - 1.0) > PMF_TOLERANCE:
        raise BadInput("pmf", f"must sum to 1 within {PMF_TOLERANCE:g}", float(pmf.sum()))
    if action >= count:
        raise BadInput("action", f"must be the index of one of {count} candidates", action)
    if pmf[action] <= 0:
        raise BadInput("action", "must be a candidate of positive probability", action)
    name = body.get("policy")
    return Elsewhere(asked, ELSEWHERE if name is None else f"{ELSEWHERE}:{name}", pmf, action)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of body: whether it keeps its schema, what it breaks, and the call it makes then."""

    accept: Accept
    check: Check
    call: Callable[[Json], Call]


def _kind(schema: Schema, call: Callable[[Json], Call]) -> Kind:
    return Kind(accepting(schema), body_check(schema), call)


PREPARE = {
    "/score": _kind(SCORE, asked_of),
    "/reward": _kind(REWARD, told_of),
    "/decision": _kind(DECISION, elsewhere_of),
}
