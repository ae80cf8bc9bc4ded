"""One line of dsjson: what it says of its decision, each field checked under its own name."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from journal.checks import LEAST_PSCORE, PSCORE_TOLERANCE, SUM_TOLERANCE
from policies.errors import BadInput
from policies.records import micros

PRINTED = 1e-3  # of a sum of `p`: loggers print few digits
AGREEMENT = 1e-4  # between `_label_probability` and the `p` of the action, relative

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A decision as its line tells it; None is "not said"."""

    where: str  # for errors: file and line
    decision_id: str | None
    decided_at: int | None  # microseconds
    policy: str
    candidate_ids: list[str]  # (K,)
    pmf: list[float] | None  # (K,) in the order of the candidates
    action: int
    pscore: float | None
    reward: float | None
    observed: bool  # whether an answer arrived, as a joiner's `o` tells
    pdrop: float
    ours: Json | None  # `_tipbandit`: what dsjson has no place for, in what we wrote

    def our(self, name: str) -> Any:
        """An entry of `_tipbandit`, None where the line has none."""
        return None if self.ours is None else self.ours.get(name)


def json_of(raw: bytes, where: str) -> Json:
    """The object of a line. Raises `BadInput` for all that is no JSON object in UTF-8."""
    try:
        text = raw.decode("utf-8-sig")
        said = json.loads(text, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(said, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except UnicodeError:
        raise BadInput(where, "must be text in UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(where, f"must be JSON ({error})") from None
    if not isinstance(said, dict):
        raise BadInput(where, "must be a JSON object", said)
    return said


def line_of(said: Json, where: str) -> Line:
    """The decision of a line with a context. Raises `BadInput` naming line, field and rule."""
    for foreign in ("_outcomes", "_label_ca"):
        if foreign in said:
            raise BadInput(f"{where}, {foreign}", "one discrete action a line is all that is read")
    actions = _actions(said, where)
    k = len(actions)
    ranking = _ranking(said, k, where)
    action = _action(said, ranking, k, where)
    pmf = _pmf(said, ranking, k, where)
    ours = _ours(said, where)
    pscore = _pscore(said, pmf, action, ours, where)
    cost = said.get("_label_cost")
    event = said.get("EventId")
    if event is not None and not isinstance(event, str):
        raise BadInput(f"{where}, EventId", "must be text", event)
    return Line(
        where,
        event,
        _moment(said, where),
        _policy(said, ours is not None, where),
        [_name(a, i, where) for i, a in enumerate(actions)],
        pmf,
        action,
        pscore,
        None if cost is None else _reward(cost, ours, where),
        _observed(said),
        _pdrop(said, where),
        ours,
    )


def number(value: Any, field: str) -> float:
    """A finite number, or `BadInput`."""
    try:
        found = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        found = math.inf
    if isinstance(value, bool) or not math.isfinite(found):
        raise BadInput(field, "must be a finite number", value)
    return found


def at_path(said: Json, path: tuple[str, ...]) -> Any:
    """What stands at `("c", "User", "id")`, in the first object of a list; None if nothing."""
    found: Any = said
    for part in path:
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(part) if isinstance(found, dict) else None
    return found


def context_of(said: Json, where: str) -> Json:
    """The line's `c`. Raises `BadInput` where it is no object."""
    context = said["c"]
    if not isinstance(context, dict):
        raise BadInput(f"{where}, c", "must be an object", context)
    return context


def _actions(said: Json, where: str) -> list[Json]:
    context = context_of(said, where)
    if "_slots" in context:
        raise BadInput(f"{where}, c._slots", "one action a line is all that is read, no slots")
    actions = context.get("_multi")
    if not isinstance(actions, list) or not actions:
        raise BadInput(f"{where}, c._multi", "must be a list of one action or more", actions)
    for i, action in enumerate(actions):
        if not isinstance(action, dict):
            raise BadInput(f"{where}, c._multi[{i}]", "must be an object", action)
    return actions


def _name(action: Json, i: int, where: str) -> str:
    """`_tag`, else `id`, else the place among the actions."""
    for key in ("_tag", "id"):
        name = action.get(key)
        if isinstance(name, str):
            return name
        if isinstance(name, int | float) and not isinstance(name, bool):
            return str(name)
        if name is not None:
            raise BadInput(f"{where}, c._multi[{i}].{key}", "must be text or a number", name)
    return str(i)


def _ranking(said: Json, k: int, where: str) -> list[int] | None:
    """`a` counted from 0: different actions, maybe not all."""
    ranking = said.get("a")
    if ranking is None:
        return None
    good = isinstance(ranking, list) and all(type(a) is int and 1 <= a <= k for a in ranking)
    if not good or not ranking or len(set(ranking)) != len(ranking):
        raise BadInput(f"{where}, a", f"must rank different actions of 1 to {k}", ranking)
    return [a - 1 for a in ranking]


def _action(said: Json, ranking: list[int] | None, k: int, where: str) -> int:
    found = []
    for field, first in (("_label_Action", 1), ("_labelIndex", 0)):
        value = said.get(field)
        if value is None:
            continue
        if type(value) is not int or not first <= value < k + first:
            rule = f"must be a whole number from {first} to {k - 1 + first}"
            raise BadInput(f"{where}, {field}", rule, value)
        found.append(value - first)
    if len(set(found)) > 1:
        rule = "must be _label_Action - 1"
        raise BadInput(f"{where}, _labelIndex", rule, said["_labelIndex"])
    if not found and ranking is None:
        raise BadInput(where, "needs _label_Action or a")
    return found[0] if found else (ranking or [0])[0]


def _pmf(said: Json, ranking: list[int] | None, k: int, where: str) -> list[float] | None:
    """`p` in the order of the candidates; one that `a` leaves out could not be taken."""
    given = said.get("p")
    if given is None:
        return None
    field = f"{where}, p"
    if ranking is None:
        raise BadInput(field, "needs a, the actions it speaks of")
    if not isinstance(given, list) or len(given) != len(ranking):
        raise BadInput(field, f"must be a list of {len(ranking)}, as a is", given)
    pmf = [0.0] * k
    for place, probability in zip(ranking, given, strict=True):
        value = number(probability, field)
        if not 0 <= value <= 1 + SUM_TOLERANCE:
            raise BadInput(field, "must be in [0, 1]", value)
        pmf[place] = min(value, 1.0)
    total = math.fsum(pmf)
    if abs(total - 1) > PRINTED:
        raise BadInput(field, f"must sum to 1 within {PRINTED:g}", total)
    return pmf if abs(total - 1) < SUM_TOLERANCE / 2 else [value / total for value in pmf]


def _pscore(
    said: Json, pmf: list[float] | None, action: int, ours: Json | None, where: str
) -> float | None:
    field = f"{where}, _label_probability"
    logged = said.get("_label_probability", (ours or {}).get("pscore"))
    if logged is None:
        value = None if pmf is None else pmf[action]
    else:
        value = number(logged, field)
        if 1 < value <= 1 + SUM_TOLERANCE:
            value = 1.0
    if value is None:
        return None
    if not LEAST_PSCORE <= value <= 1:
        raise BadInput(field, f"must be in (0, 1] and at least {LEAST_PSCORE:g}", value)
    if pmf is None or abs(value - pmf[action]) <= PSCORE_TOLERANCE:
        return value
    if abs(value - pmf[action]) > AGREEMENT * value:
        raise BadInput(field, f"must be the p of the action, {pmf[action]:g}", value)
    return pmf[action]  # the same number, printed to fewer digits


def _moment(said: Json, where: str) -> int | None:
    text = said.get("Timestamp")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        rule = "must be a time such as 2021-07-29T10:00:00.999Z"
        raise BadInput(f"{where}, Timestamp", rule, text) from None
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _policy(said: Json, ours: bool, where: str) -> str:
    """The model that decided: `VWState.m`, else `ModelId`, else `vw`."""
    state = said.get("VWState")
    name = state.get("m") if isinstance(state, dict) else said.get("ModelId")
    if name is not None and not isinstance(name, str):
        raise BadInput(f"{where}, VWState.m", "must be text", name)
    if ours:
        return name or ""
    return name if name and name != "N/A" else "vw"


def _reward(cost: Any, ours: Json | None, where: str) -> float:
    reward = -number(cost, f"{where}, _label_cost")
    return reward + 0.0 if ours is None else reward  # no -0.0 but where a digest covers it


def _observed(said: Json) -> bool:
    """Whether an answer came: an activation (`ActionTaken` without `v`) is none."""
    arrived = said.get("o")
    return isinstance(arrived, list) and any(isinstance(o, dict) and "v" in o for o in arrived)


def _pdrop(said: Json, where: str) -> float:
    value = number(said.get("pdrop", 0), f"{where}, pdrop")
    if not 0 <= value < 1:
        raise BadInput(f"{where}, pdrop", "must be in [0, 1)", value)
    return value


def _ours(said: Json, where: str) -> Json | None:
    ours = said.get("_tipbandit")
    if ours is not None and not isinstance(ours, dict):
        raise BadInput(f"{where}, _tipbandit", "must be an object", ours)
    return ours


def _no_constant(text: str) -> Iterator[None]:
    raise ValueError(f"{text} is no number of JSON")
