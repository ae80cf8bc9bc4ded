"""State files that were damaged or edited: every sum's bits come back, or the file is refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies import BadInput
from policies.state import SKETCH, UserState, from_json, to_json

SAME = settings(deadline=None, derandomize=True, database=None)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ODD = [-0.0, 5e-324, -5e-324, 2.2250738585072009e-308, 1.7976931348623157e308, 0.1, 1 / 3]
NUMBERS = 2 * (6 + 3 + 1)  # two arms of three features


def taught() -> UserState:
    state = UserState.empty("u", "tip-v1", 3)
    state.fold("home", [1.0, 0.5, -0.5], 1.0, "d0", 5)
    state.fold("work", [0.1, 0.2, 0.3], -1.0, "d1", 9)
    return state


def arrays(state: UserState) -> list[np.ndarray]:
    s = state.sums
    return [s.gram, s.moment, s.total]  # counts are whole and add up to seq


@SAME
@given(st.lists(FINITE, min_size=NUMBERS, max_size=NUMBERS))
@example((ODD * 4)[:NUMBERS])
def test_json_keeps_every_bit_of_every_sum(numbers: list[float]) -> None:
    """Negative zero, subnormals and the largest double among them."""
    state = taught()
    rest = np.array(numbers)
    for array in arrays(state):
        array[1:], rest = rest[: array[1:].size].reshape(array[1:].shape), rest[array[1:].size :]
    again = from_json(to_json(state))
    for ours, theirs in zip(arrays(state), arrays(again), strict=True):
        np.testing.assert_array_equal(ours.view(np.int64), theirs.view(np.int64))


@SAME
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_arm_name_survives(arm: str) -> None:
    """Quotes, line ends, emoji, the empty name."""
    state = taught()
    state.fold(arm, [0.0, 0.0, 1.0], 0.5, "d2", 10)
    again = from_json(to_json(state))
    assert (again.arms, again.seq, again.learned) == (state.arms, 3, state.learned)
    assert again.arms == sorted(again.arms)


@SAME
@given(st.data())
def test_a_state_cut_short_is_refused(data: st.DataObject) -> None:
    """A half-written file is no state."""
    text = to_json(taught())
    cut = data.draw(st.integers(0, len(text) - 2))
    with pytest.raises(BadInput, match="state"):
        from_json(text[:cut])


def edited(part: str, value: Any) -> str:
    """The JSON of a good state with the value at a dotted path replaced."""
    record: dict[str, Any] = json.loads(to_json(taught()))
    *above, last = part.split(".")
    inner = record
    for key in above:
        inner = inner[key]
    inner[last] = value
    return json.dumps(record)


NAN, INF, LARGE = float("nan"), float("inf"), 10**400


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("seq", [NAN, INF, None, "x", [1.0], {}, -1]),
        ("width", [NAN, INF, LARGE, None, "x", [1.0], {}, -1, 0, 2, 4]),
        ("learned_from", [NAN, None, "x", [1.0], {}]),
        ("learned_from.first", [NAN, 1.5, "1", True]),
        ("learned_from.sketch", [NAN, None, 5, [1.0], ["x"]]),
        ("arms", [NAN, None, 5, ["home"], {"home": {}}, {"home": None}]),
        ("arms.home.gram", [NAN, None, [], [NAN] * 6, [INF] * 6, [0.0] * 5, [[0.0] * 6], {}]),
        ("arms.home.count", [NAN, INF, LARGE, None, "x", [1.0], {}]),
        ("user_id", [None, 5, "", "a/b", "a\n", "x" * 10_000]),
    ],
)
def test_a_part_that_cannot_be_read_is_refused(part: str, values: list[Any]) -> None:
    """Not finite, too large, of the wrong shape or of another kind."""
    for value in values:
        with pytest.raises(BadInput) as caught:
            from_json(edited(part, value), "u.json")
        assert caught.value.field.startswith("u.json")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("seq", 1.5),
        ("seq", "2"),
        ("seq", True),
        ("seq", 10**30),
        ("width", 3.7),
        ("width", "3"),
        ("schema", True),
        ("features", None),
        ("features", 5),
        ("arms", []),
        ("arms", ""),
        ("arms.home.gram", ["1", "2", "3", "4", "5", "6"]),
        ("arms.home.moment", [True, False, True]),
        ("arms.home.count", "1"),
        ("arms.home.count", -1.0),
        ("learned_from.sketch", "abc"),
        ("learned_from.sketch", ["-1"]),
        ("learned_from.sketch", ["f" * 40]),
        ("learned_from.sketch", [f"{h:016x}" for h in range(SKETCH + 1)]),
        ("learned_from.first", 10),
    ],
)
def test_what_to_json_never_writes_is_refused(part: str, value: Any) -> None:
    """`anything else` is not rounded, parsed or read as empty."""
    with pytest.raises(BadInput):
        from_json(edited(part, value))
