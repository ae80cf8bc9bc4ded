"""No task object and no moment gets past the encoder without five good numbers or BadInput."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import BadInput
from policies.features import FEATURES, check_features, encode, parse_instant, parse_zone

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = [f.name for f in FEATURES]
ZONES = ["Pacific/Auckland", "UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu"]
SAME = settings(deadline=None, derandomize=True, database=None, max_examples=300)

LOCAL = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
INSTANTS = st.builds(lambda t, zone: t.replace(tzinfo=zone), LOCAL, OFFSETS)
TEXTS = st.one_of(
    INSTANTS.map(datetime.isoformat),
    LOCAL.map(lambda t: f"{t.isoformat()}Z"),
)
DUES = st.fixed_dictionaries(
    {"date": st.one_of(TEXTS, LOCAL.map(datetime.isoformat), st.dates().map(str))},
    optional={
        "datetime": st.one_of(st.none(), TEXTS, LOCAL.map(datetime.isoformat)),
        "timezone": st.one_of(st.none(), st.sampled_from(ZONES)),
        "is_recurring": st.booleans(),
    },
)
TASKS = st.fixed_dictionaries(
    {},
    optional={
        "due": st.one_of(st.none(), DUES),
        "added_at": st.one_of(st.none(), TEXTS),
        "created_at": TEXTS,
        "last_completed_at": st.one_of(st.none(), TEXTS),
        "priority": st.one_of(st.none(), st.integers(1, 4)),
        "content": st.text(),
    },
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), TEXTS),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
KEYS = ("due", "added_at", "created_at", "last_completed_at", "priority")


@SAME
@given(TASKS, INSTANTS, st.one_of(st.none(), st.sampled_from(ZONES).map(ZoneInfo)))
def test_what_encode_gives_check_features_takes(
    task: dict[str, Any], now: datetime, zone: ZoneInfo | None
) -> None:
    """The encoder and the check are of one mind about every range."""
    values = encode(task, now, zone)
    assert check_features(dict(zip(NAMES, values, strict=True))) == values


@SAME
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_is_encoded_or_refused_by_name(task: dict[str, Any]) -> None:
    """Five good numbers, or a BadInput whose field is a part of the task."""
    try:
        values = encode(task, NOON, field="candidates[3].task")
    except BadInput as error:
        parts = error.field.split(".")
        assert parts[:2] == ["candidates[3]", "task"]
        assert parts[2] in KEYS
    else:
        check_features(dict(zip(NAMES, values, strict=True)))


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (None, "task"),
        ([], "task"),
        ({"due": "2026-11-23"}, "task.due"),
        ({"due": {}}, "task.due.date"),
        ({"due": {"date": 20261123}}, "task.due.date"),
        ({"due": {"date": "2026-02-30"}}, "task.due.date"),
        ({"due": {"date": "tomorrow"}}, "task.due.date"),
        ({"due": {"date": "2026-11-23T25:00:00"}}, "task.due.date"),
        ({"due": {"date": "2026-11-23T09:00:00", "timezone": "Mars/Base"}}, "task.due.timezone"),
        ({"added_at": "2026-11-23T09:00:00"}, "task.added_at"),
        ({"added_at": 1}, "task.added_at"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "task.created_at"),
        ({"due": {"date": "2026-11-23", "is_recurring": True}, "last_completed_at": "x" * 20},
         "task.last_completed_at"),
        ({"priority": 0}, "task.priority"),
        ({"priority": 5}, "task.priority"),
        ({"priority": 4.0}, "task.priority"),
        ({"priority": True}, "task.priority"),
        ({"priority": "4"}, "task.priority"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(task: object, field: str) -> None:
    """One line that says which part of the task is wrong."""
    with pytest.raises(BadInput) as caught:
        encode(task, NOON)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_a_moment_without_offset_is_refused() -> None:
    """Local time of whom?"""
    with pytest.raises(BadInput) as caught:
        encode({}, datetime(2026, 11, 23, 12))
    assert caught.value.field == "now"


@pytest.mark.parametrize("name", [None, 1, "", "Mars/Base", "../../etc/passwd", "\0", "a" * 5000])
def test_a_zone_that_is_none_is_refused(name: object) -> None:
    """Neither a path nor a guess."""
    with pytest.raises(BadInput) as caught:
        parse_zone(name)
    assert caught.value.field == "timezone"


@pytest.mark.parametrize(
    ("now", "zone"),
    [("0001-01-01T00:00:00Z", "America/New_York"), ("9999-12-31T23:59:59Z", "Asia/Kathmandu")],
)
def test_an_instant_that_parses_can_be_encoded_or_is_bad_input(now: str, zone: str) -> None:
    """The first and the last hours of the calendar have no local time in some zones."""
    with pytest.raises(BadInput) as caught:
        encode({}, parse_instant(now, "now"), ZoneInfo(zone))
    assert caught.value.field == "now"
