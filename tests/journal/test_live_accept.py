"""What is compiled from the schemas accepts what their check lets pass."""

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from journal.live_accept import LEVELS, REFUSED, accepting, pairs_in, pairs_of_text
from journal.live_requests import PREPARE, object_of, prepare
from journal.live_schema import DECISION, REWARD, SCORE, body_check
from policies.errors import BadInput

SCHEMAS = {"/score": SCORE, "/reward": REWARD, "/decision": DECISION}
FEATURES = {"hour_sin": 0.5, "hour_cos": -0.5, "is_overdue": 1, "task_age": 0, "priority": 1.0}
TASK = {"id": "t1", "labels": ["a:b", {"deep": [{"x": None}]}], "due": {"date": "2026-11-23"}}
GOOD: dict[str, list[dict[str, Any]]] = {
    "/score": [
        {"user_id": "u", "candidates": [{"id": "t0", "features": FEATURES}]},
        {
            "user_id": "u:1",
            "now": "2026-11-23T09:00:00+01:00",
            "timezone": "UTC",
            "candidates": [{"task": TASK, "arm": None}, {"id": "ü", "features": FEATURES}],
            "request_id": 'say "a:b" \\ ',
        },
    ],
    "/reward": [
        {"decision_id": "d", "feedback": "done"},
        {"decision_id": "d", "reward": -0.5, "answered_at": "2026-11-23T09:00:00Z"},
    ],
    "/decision": [
        {
            "user_id": "u",
            "request_id": "r",
            "candidates": [{"id": "t0", "arm": "a", "features": FEATURES}],
            "pmf": [1],
            "action": 0,
            "policy": "local",
        }
    ],
}
WRONG = [
    None, True, 0, -1, 2, 1.5, math.inf, math.nan, 10**400, "", "x", "x" * 300, "a b", "\ud800",
    "ü", [], {}, [1], [None], {"x": 1}, {"id": "t"}, FEATURES,
]  # fmt: skip


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a body."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, k) for k in keys] + [place for k in keys for place in _places(value[k])]


@st.composite
def bodies(draw: st.DrawFn, path: str) -> Any:
    """A good body of which up to two places are changed, dropped or added to."""
    body = json.loads(json.dumps(draw(st.sampled_from(GOOD[path]))))
    for _ in range(draw(st.integers(0, 2))):
        held, key = draw(st.sampled_from(_places(body) or [([None], 0)]))
        how = draw(st.sampled_from(("change", "drop", "add")))
        if how == "drop":
            del held[key]
        elif how == "add" and isinstance(held, dict):
            new = draw(st.sampled_from(("surprise", "task", "arm_kind", "features")))
            held[new] = copy.deepcopy(draw(st.sampled_from(WRONG)))
        else:
            held[key] = copy.deepcopy(draw(st.sampled_from(WRONG)))
    return body


def _keeps(path: str, body: Any) -> bool:
    try:
        body_check(SCHEMAS[path])(body)
    except BadInput:
        return False
    return True


@pytest.mark.parametrize("path", SCHEMAS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_it_accepts_what_the_check_lets_pass(path: str, data: st.DataObject) -> None:
    body = data.draw(bodies(path))
    pairs = accepting(SCHEMAS[path])(body)
    assert (pairs != REFUSED) == _keeps(path, body)
    if pairs != REFUSED:
        assert pairs == sum(isinstance(held, dict) for held, _ in _places(body))


@pytest.mark.parametrize("path", SCHEMAS)
@pytest.mark.parametrize("value", WRONG)
def test_no_body_but_an_object_is_accepted(path: str, value: Any) -> None:
    assert accepting(SCHEMAS[path])(value) == REFUSED


@settings(max_examples=300, deadline=None)
@example({'":': {"\\": '\\"":'}}, True)
@given(
    st.recursive(
        st.text('":,{}\\ü\n', max_size=6) | st.none() | st.floats(allow_nan=False),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text('":{\\a', max_size=4), inner, max_size=3)
        ),
        max_leaves=12,
    ),
    st.booleans(),
)
def test_a_text_spells_as_many_pairs_as_its_value_has(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert pairs_of_text(text) == sum(isinstance(held, dict) for held, _ in _places(value))


@pytest.mark.parametrize(
    "task",
    [
        '{"id": "t", "id": "u"}',
        '{"id": "t", "a": {"x": 1, "x": 1}}',
        # an escaped colon must not stand in for the pair that was lost
        '{"id": "a\\u003ab", "c": "\\u003a\\u003a", "id": "t"}',
        '{"id": "t", "\\u0069d": "t"}',
        '{"id": "t", "c": "\\\\", "c": "\\":"}',
    ],
)
def test_a_key_given_twice_is_found_wherever_colons_stand(task: str) -> None:
    body = '{"user_id": "u", "now": "2026-11-23T09:00:00Z", "timezone": "UTC", "candidates": [%s]}'
    raw = (body % f'{{"task": {task}}}').encode()
    assert PREPARE["/score"].accept(json.loads(raw)) != REFUSED
    with pytest.raises(BadInput, match="the key is given twice"):
        prepare("/score", raw)


def test_what_is_nested_too_deep_for_it_is_left_to_the_check() -> None:
    deep: Any = 1
    for _ in range(LEVELS + 1):
        deep = {"in": [deep]}
    assert pairs_in(deep) == REFUSED
    ready = {"user_id": "u", "now": "2026-11-23T09:00:00Z", "timezone": "UTC"}
    raw = json.dumps({**ready, "candidates": [{"task": {"id": "t", "x": deep}}]}).encode()
    with pytest.raises(BadInput, match="nested deeper"):
        object_of(raw)
    with pytest.raises(BadInput, match="nested deeper"):
        prepare("/score", raw)
