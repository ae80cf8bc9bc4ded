"""What the encoder reads of a task is all that is kept, and all that is needed."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from policies import BadInput
from policies.features import encode, read_of

NOW = datetime.fromisoformat("2026-11-23T09:00:00+01:00")
ZONE = ZoneInfo("Europe/Paris")
SECRET = "call the doctor"
DATES = (
    "2026-11-22", "2026-11-22T09:00:00", "2026-11-23T07:59:00Z", "2026-11-24T07:00:00+09:00",
)  # fmt: skip
TIMES = st.sampled_from([None, "2026-11-01T09:00:00Z", "2025-01-01T00:00:00.000001+05:30"])
DUES = st.fixed_dictionaries(
    {"date": st.sampled_from(DATES)},
    optional={
        "datetime": st.sampled_from([None, "", *DATES]),
        "timezone": st.sampled_from([None, "", "Asia/Tokyo", SECRET]),
        "is_recurring": st.sampled_from([None, False, True, SECRET, {"x": SECRET}]),
        "string": st.just(SECRET),
        "lang": st.just("en"),
    },
)
TASKS = st.fixed_dictionaries(
    {"id": st.just("t1"), "content": st.just(SECRET), "labels": st.just([SECRET])},
    optional={
        "due": st.none() | DUES,
        "priority": st.sampled_from([None, 1, 4]),
        "added_at": TIMES,
        "created_at": TIMES,
        "last_completed_at": TIMES,
        "description": st.just(SECRET),
    },
)


@settings(max_examples=300, deadline=None)
@given(task=TASKS)
def test_it_encodes_to_the_same_bits_and_holds_nothing_else(task: dict[str, Any]) -> None:
    """Reading it again reads all of it; no word of the person is left."""
    try:
        features = encode(task, NOW, ZONE)
    except BadInput:  # a floating due in no zone: refused before anything is kept
        return
    read = read_of(task)
    assert encode(json.loads(json.dumps(read)), NOW, ZONE) == features
    assert read_of(read) == read
    assert SECRET not in json.dumps(read)
    assert "t1" not in json.dumps(read)
