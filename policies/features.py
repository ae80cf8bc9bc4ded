"""Features `tip-v1`: from a Todoist task and a moment to five numbers. Defined nowhere else.

| feature      | range   | meaning                                                      |
| ------------ | ------- | ------------------------------------------------------------ |
| `hour_sin`   | [-1, 1] | sine of the user's local time of day, with minutes           |
| `hour_cos`   | [-1, 1] | cosine of it                                                 |
| `is_overdue` | {0, 1}  | 1 when the due date or time has passed                       |
| `task_age`   | [0, 1]  | min(1, ln(1+days)/ln(366)), days since added, clipped at 0   |
| `priority`   | [0, 1]  | (p-1)/3 with the Todoist API's p: 4 is urgent                |
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.errors import BadInput

NAME = "tip-v1"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its name, the values it may take, what they mean, what stands for none."""

    name: str
    low: float
    high: float
    whole: bool = False
    libm: bool = False  # made by the platform's mathematics: another's may differ in the last bits
    meaning: str = ""
    missing: str = "refused"


FEATURES = (
    Feature(
        "hour_sin",
        -1.0,
        1.0,
        libm=True,
        meaning="sine of the user's local time of day, with minutes",
    ),
    Feature("hour_cos", -1.0, 1.0, libm=True, meaning="cosine of it"),
    Feature(
        "is_overdue",
        0.0,
        1.0,
        whole=True,
        meaning="1 when the due date or time has passed",
        missing="no due: 0, not overdue",
    ),
    Feature(
        "task_age",
        0.0,
        1.0,
        libm=True,
        meaning="min(1, ln(1 + days) / ln 366), days since the task was added, not below 0",
        missing="no time of adding: 0",
    ),
    Feature(
        "priority",
        0.0,
        1.0,
        meaning="(p - 1) / 3 with the Todoist API's p: 4 is urgent",
        missing="no priority: 0, that of p = 1, normal",
    ),
)
WIDTH = len(FEATURES)


def check_features(features: object, field: str = "features") -> tuple[float, ...]:
    """Ready features, `(5,)` in the order of `FEATURES`, each finite and in its range.

    Raises `BadInput` naming the first feature that is missing, unknown or out of range.
    """
    if not isinstance(features, Mapping):
        raise BadInput(field, "must be an object of the five tip-v1 features", features)
    names = [f.name for f in FEATURES]
    for name in features:
        if name not in names:
            raise BadInput(f"{field}.{name}", f"unknown feature, {NAME} has {', '.join(names)}")
    values = []
    for f in FEATURES:
        where = f"{field}.{f.name}"
        if f.name not in features:
            raise BadInput(where, "missing")
        value = features[f.name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(where, "must be a number", value)
        if not f.low <= value <= f.high or (f.whole and value != int(value)):
            span = "0 or 1" if f.whole else f"in [{f.low:g}, {f.high:g}]"
            raise BadInput(where, f"must be {span}", value)
        values.append(float(value))
    return tuple(values)


def encode(
    task: object, now: datetime, zone: tzinfo | None = None, field: str = "task"
) -> tuple[float, ...]:
    """Features `(5,)` of a Todoist task object at `now` (aware) for a user in `zone`.

    Reads both shapes of Todoist's API: `due.date` alone (v1) or with `due.datetime`
    (REST v2), `added_at` or `created_at`. Without a `zone`, `now`'s own offset is the
    user's. A recurring task keeps its id, so its age counts from `last_completed_at`
    where the caller knows it. Missing: no due is not overdue, no time of adding is age
    0, no priority is 1 (normal). Raises `BadInput` naming the field that cannot be read.
    """
    if not isinstance(task, Mapping):
        raise BadInput(field, "must be a Todoist task object", task)
    if now.tzinfo is None:
        raise BadInput("now", "needs a UTC offset", now.isoformat())
    _within_time(now, "now")
    local = now if zone is None else now.astimezone(zone)
    angle = 2 * math.pi * (local.hour * 60 + local.minute) / 1440
    return (
        math.sin(angle),
        math.cos(angle),
        float(_is_overdue(task.get("due"), local, f"{field}.due")),
        _age(task, now, field),
        (_priority(task.get("priority"), f"{field}.priority") - 1) / 3,
    )


def read_of(task: Mapping[str, object]) -> dict[str, object]:
    """What `encode` reads of a task it has accepted, and nothing else: of this it makes the same.

    Times, a zone's name, a priority and whether it recurs; no content, description or label.
    """
    read: dict[str, object] = {}
    added = task.get("added_at")
    if added is not None:
        read["added_at"] = added
    elif task.get("created_at") is not None:
        read["created_at"] = task["created_at"]
    if task.get("priority") is not None:
        read["priority"] = task["priority"]
    due: Any = task.get("due")
    if due is not None:
        text = due.get("datetime") or due["date"]
        read["due"] = kept = {"date": text}
        if due.get("timezone") and _is_floating(text):
            kept["timezone"] = due["timezone"]
        if due.get("is_recurring"):
            kept["is_recurring"] = True
            if task.get("last_completed_at") is not None:
                read["last_completed_at"] = task["last_completed_at"]
    return read


def priority_from_csv(priority: int) -> int:
    """Todoist's CSV exports count the other way round: there 1 is urgent, in the API 4."""
    return 5 - _priority(priority, "priority")


def parse_instant(text: object, field: str) -> datetime:
    """An RFC 3339 time with its UTC offset. Raises `BadInput` otherwise."""
    moment = _parse(text, field)
    if moment.tzinfo is None:
        raise BadInput(field, "needs a UTC offset such as Z or +01:00", text)
    return moment


def parse_zone(name: object, field: str = "timezone") -> ZoneInfo:
    """A zone by its IANA name."""
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise BadInput(field, "must be an IANA time zone such as Europe/Paris", name)


def _is_overdue(due: object, local: datetime, field: str) -> bool:
    if due is None:
        return False
    if not isinstance(due, Mapping):
        raise BadInput(field, "must be a Todoist due object or null", due)
    text = due.get("datetime") or due.get("date")
    if not isinstance(text, str):
        raise BadInput(f"{field}.date", "must be a date or a datetime", text)
    if len(text) == len("2026-11-23"):
        try:
            return local.date() > date.fromisoformat(text)
        except ValueError:
            raise BadInput(f"{field}.date", "must be a date such as 2026-11-23", text) from None
    moment = _parse(text, f"{field}.date")
    if moment.tzinfo is None:  # floating: nine o'clock wherever the user is
        named = due.get("timezone")
        zone = parse_zone(named, f"{field}.timezone") if named else local.tzinfo
        moment = moment.replace(tzinfo=zone)
    return moment < local


def _is_floating(text: str) -> bool:
    """Whether a due that was accepted is a time without an offset."""
    return len(text) > len("2026-11-23") and datetime.fromisoformat(text).tzinfo is None


def _age(task: Mapping[str, object], now: datetime, field: str) -> float:
    since = [
        parse_instant(task[name], f"{field}.{name}")
        for name in ("added_at", "created_at")
        if task.get(name) is not None
    ][:1]
    if task.get("last_completed_at") is not None and _recurs(task):
        since.append(parse_instant(task["last_completed_at"], f"{field}.last_completed_at"))
    if not since:
        return 0.0
    return age_feature((now - max(since)) / timedelta(days=1))


def age_feature(days: float) -> float:
    """`task_age` of a task that was added `days` ago."""
    return min(1.0, math.log1p(max(0.0, days)) / math.log(366))


def _recurs(task: Mapping[str, object]) -> bool:
    due = task.get("due")
    return isinstance(due, Mapping) and bool(due.get("is_recurring"))


def _priority(value: object, field: str) -> int:
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4:
        raise BadInput(field, "must be 1, 2, 3 or 4 (urgent)", value)
    return value


def _parse(text: object, field: str) -> datetime:
    try:
        if isinstance(text, str) and len(text) > len("2026-11-23"):
            moment = datetime.fromisoformat(text)
            _within_time(moment, field)
            return moment
    except BadInput:
        raise
    except ValueError:
        pass
    raise BadInput(field, "must be an RFC 3339 time such as 2026-11-23T09:00:00+01:00", text)


def _within_time(moment: datetime, field: str) -> None:
    """At the ends of the calendar some zones have no such moment."""
    if not 1 < moment.year < 9999:
        raise BadInput(field, "must be in the years 2 to 9998", moment.isoformat())
