"""tip-v1: every trap of Todoist's data, and the door for ready features."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import BadInput
from policies.features import FEATURES, check_features, encode, parse_zone, priority_from_csv

NAMES = [f.name for f in FEATURES]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
AUCKLAND, PARIS = ZoneInfo("Pacific/Auckland"), ZoneInfo("Europe/Paris")
READY = {"hour_sin": 0.5, "hour_cos": -0.5, "is_overdue": 1, "task_age": 0.25, "priority": 1}


def feature(name: str, task: dict[str, Any], now: datetime = NOON, zone: Any = None) -> float:
    return encode(task, now, zone)[NAMES.index(name)]


def overdue(due: dict[str, Any] | None, now: datetime = NOON, zone: Any = UTC) -> bool:
    return feature("is_overdue", {"due": due}, now, zone) == 1.0


def test_no_due_is_not_overdue() -> None:
    """Null or missing."""
    assert not overdue(None)
    assert feature("is_overdue", {}) == 0.0


@pytest.mark.parametrize(
    ("now", "zone", "expected"),
    [
        ("2026-11-23T23:59:00+00:00", UTC, False),
        ("2026-11-24T00:00:00+00:00", UTC, True),
        ("2026-11-23T12:00:00+00:00", AUCKLAND, True),  # there it is the 24th already
        ("2026-11-23T10:59:00+00:00", AUCKLAND, False),
        ("2026-11-24T04:59:00+00:00", ZoneInfo("America/New_York"), False),
        ("2026-11-24T05:00:00+00:00", ZoneInfo("America/New_York"), True),
    ],
)
def test_a_date_is_overdue_when_the_users_own_day_is_past_it(
    now: str, zone: Any, expected: bool
) -> None:
    """Not the server's day, not UTC's."""
    assert overdue({"date": "2026-11-23"}, datetime.fromisoformat(now), zone) is expected


def test_a_floating_time_is_in_the_users_zone() -> None:
    """Nine o'clock wherever the user is."""
    due = {"date": "2026-11-23T09:00:00"}
    eight_utc = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
    assert overdue(due, eight_utc, PARIS)
    assert not overdue(due, eight_utc - timedelta(minutes=31), PARIS)
    assert not overdue(due, eight_utc, UTC)


@pytest.mark.parametrize("text", ["2026-11-23T11:59:00Z", "2026-11-23T12:59:00+01:00"])
@pytest.mark.parametrize("zone", [UTC, AUCKLAND, PARIS])
def test_a_fixed_time_compares_instants(text: str, zone: Any) -> None:
    """The user's zone does not matter."""
    assert overdue({"date": text, "timezone": "Asia/Tokyo"}, NOON, zone)
    assert not overdue({"date": text}, NOON - timedelta(minutes=2), zone)


def test_both_shapes_of_the_api_are_read() -> None:
    """REST v2 has `due.datetime` beside a date; it is the one that counts."""
    assert overdue({"date": "2026-11-23", "datetime": "2026-11-23T11:00:00Z"})
    assert not overdue({"date": "2026-11-23", "datetime": "2026-11-23T13:00:00Z"})


def test_age_counts_days_since_it_was_added_within_bounds() -> None:
    """ln(1+days)/ln 366, never below 0 (a clock that is ahead), never above 1."""
    assert feature("task_age", {"added_at": "2026-11-23T12:00:00Z"}) == 0.0
    assert feature("task_age", {"added_at": "2026-11-24T12:00:00Z"}) == 0.0
    week = feature("task_age", {"created_at": "2026-11-16T12:00:00Z"})
    assert week == pytest.approx(math.log(8) / math.log(366), abs=1e-15)
    assert feature("task_age", {"added_at": "2020-01-01T00:00:00Z"}) == 1.0
    assert feature("task_age", {}) == 0.0


def test_a_recurring_tasks_age_counts_from_its_last_completion() -> None:
    """It keeps its id; a task that does not recur has no such beginning."""
    task = {"added_at": "2024-01-01T00:00:00Z", "last_completed_at": "2026-11-22T12:00:00Z"}
    recurs = {**task, "due": {"date": "2026-11-23", "is_recurring": True}}
    once = {**task, "due": {"date": "2026-11-23", "is_recurring": False}}
    assert feature("task_age", recurs) == pytest.approx(math.log(2) / math.log(366), abs=1e-15)
    assert feature("task_age", once) == 1.0


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_priority_runs_up_in_the_api_and_down_in_csv(p: int) -> None:
    """4 is urgent in the API, 1 in the export."""
    assert feature("priority", {"priority": p}) == (p - 1) / 3
    assert priority_from_csv(priority_from_csv(p)) == p
    assert priority_from_csv(1) == 4


def test_the_hour_is_local_with_minutes() -> None:
    """6:00 is the top of the sine; half past five is not."""
    six = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
    assert feature("hour_sin", {}, six, PARIS) == 1.0
    assert feature("hour_sin", {}, six - timedelta(minutes=30), PARIS) < 1.0
    assert encode({}, NOON, PARIS)[:2] != encode({}, NOON, UTC)[:2]


def test_the_day_the_clocks_change() -> None:
    """One instant, two o'clock summer time and winter time: the user's clock counts."""
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 2:30 in Paris, summer
    after = before + timedelta(hours=1)  # 2:30 again, winter
    assert encode({}, before, PARIS)[:2] == encode({}, after, PARIS)[:2]


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ("text", "task"),
        ({"priority": 5}, "task.priority"),
        ({"priority": True}, "task.priority"),
        ({"due": "tomorrow"}, "task.due"),
        ({"due": {}}, "task.due.date"),
        ({"due": {"date": "2026-13-01"}}, "task.due.date"),
        ({"due": {"date": "2026-11-23T09:00:00", "timezone": "Mars"}}, "task.due.timezone"),
        ({"added_at": "2026-11-23T09:00:00"}, "task.added_at"),
        ({"added_at": 5}, "task.added_at"),
    ],
)
def test_a_task_that_cannot_be_read_names_its_field(task: Any, field: str) -> None:
    """In the sender's own terms."""
    with pytest.raises(BadInput) as error:
        encode(task, NOON)
    assert error.value.field == field


@pytest.mark.parametrize("name", ["", "../etc/passwd", "Mars/Base", "x" * 999, "\0", 5, None])
def test_a_zone_is_an_iana_name(name: Any) -> None:
    """Nothing else, and no path."""
    with pytest.raises(BadInput):
        parse_zone(name)


def test_now_needs_an_offset() -> None:
    """Whose noon?"""
    with pytest.raises(BadInput, match="offset"):
        encode({}, datetime(2026, 11, 23))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hour_sin": math.nan}, "features.hour_sin"),
        ({"hour_cos": math.inf}, "features.hour_cos"),
        ({"task_age": 1.0000001}, "features.task_age"),
        ({"priority": -0.1}, "features.priority"),
        ({"priority": True}, "features.priority"),
        ({"priority": "1"}, "features.priority"),
        ({"priority": None}, "features.priority"),
        ({"is_overdue": 0.5}, "features.is_overdue"),
        ({"hour": 1}, "features.hour"),
    ],
)
def test_ready_features_are_checked_one_by_one(change: dict[str, Any], field: str) -> None:
    """Finite, in range, known."""
    with pytest.raises(BadInput) as error:
        check_features({**READY, **change})
    assert error.value.field == field


@pytest.mark.parametrize("name", NAMES)
def test_none_may_be_missing(name: str) -> None:
    """A zero would be a guess."""
    with pytest.raises(BadInput, match="missing") as error:
        check_features({k: v for k, v in READY.items() if k != name})
    assert error.value.field == f"features.{name}"


def test_ready_features_keep_their_order() -> None:
    """The order of the table, not of the sender."""
    assert check_features(dict(reversed(READY.items()))) == (0.5, -0.5, 1.0, 0.25, 1.0)


moments = st.datetimes(
    datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, PARIS, AUCKLAND])
)


@given(
    moments,
    moments,
    st.one_of(st.none(), moments, st.dates(datetime(1990, 1, 1).date())),
    st.integers(1, 4),
    st.integers(-14, 14),
)
def test_what_is_encoded_is_always_in_range(
    now: datetime, added: datetime, due: Any, priority: int, hours: int
) -> None:
    """encode's five numbers pass the door for ready features."""
    task = {
        "added_at": added.isoformat(),
        "due": due and {"date": due.isoformat()},
        "priority": priority,
    }
    values = encode(task, now, timezone(timedelta(hours=hours)))
    assert check_features(dict(zip(NAMES, values, strict=True))) == values
