"""State: raw sums whose JSON keeps every bit, arms in order, and what they learned from."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import BadInput
from policies.state import (
    MAX_ARMS,
    OTHER,
    SKETCH,
    Learned,
    UserState,
    decision_hash,
    file_name,
    from_json,
    to_json,
)
from policies.sums import Sums

finite = st.floats(allow_nan=False, allow_infinity=False)


def taught(rewards: list[float], width: int = 3) -> UserState:
    state = UserState.empty("u@x", "tip-v1", width)
    rng = np.random.default_rng(1)
    for i, reward in enumerate(rewards):
        state.fold(f"arm{i % 4}", rng.uniform(-1, 1, width), reward, f"d{i}", 1000 + i)
    return state


@given(st.lists(finite, min_size=18, max_size=18))
def test_json_keeps_every_bit(numbers: list[float]) -> None:
    """Subnormal, negative zero, huge: the shortest decimal reads back to the same double."""
    state = taught([1.0, -1.0])
    flat = np.array(numbers)
    state.sums.gram[1:] = flat[:12].reshape(2, 6)
    state.sums.moment[1:] = flat[12:].reshape(2, 3)
    again = from_json(to_json(state))
    for ours, theirs in (("gram", "gram"), ("moment", "moment"), ("count", "count")):
        a, b = getattr(state.sums, ours), getattr(again.sums, theirs)
        assert np.array_equal(a.view(np.int64), b.view(np.int64))
    assert to_json(again) == to_json(state)
    assert (again.user_id, again.features, again.seq) == ("u@x", "tip-v1", 2)
    assert (again.arms, again.learned) == (state.arms, state.learned)


def test_sums_are_the_raw_sums() -> None:
    """G = sum x x', b = sum r x, count, total; lambda is nowhere in them."""
    state = UserState.empty("u", "tip-v1", 2)
    state.fold("a", np.array([1.0, 2.0]), 1.0, "d1", 1)
    state.fold("a", np.array([3.0, -1.0]), -1.0, "d2", 2)
    assert state.sums.gram[1].tolist() == [10.0, -1.0, 5.0]
    assert state.sums.moment[1].tolist() == [-2.0, 3.0]
    assert (state.sums.count[1], state.sums.total[1], state.seq) == (2.0, 0.0, 2)
    assert not state.sums.gram[0].any()


def test_arms_stay_sorted_with_their_sums() -> None:
    """arm=shared adds them in sorted order, whatever came first."""
    state = UserState.empty("u", "tip-v1", 1)
    for i, arm in enumerate(["m", "a", "z", "a"]):
        state.fold(arm, np.array([1.0]), float(i), f"d{i}", i)
    assert state.arms == ["a", "m", "z"]
    assert [state.slot(a) for a in ("a", "m", "z", "new")] == [1, 2, 3, 0]
    assert state.sums.total[1:].tolist() == [4.0, 0.0, 2.0]


def test_too_many_arms_share_one() -> None:
    """A thousand, then `*`."""
    state = UserState.empty("u", "tip-v1", 1)
    for i in range(MAX_ARMS + 5):
        state.fold(f"a{i:05d}", np.array([1.0]), 1.0, f"d{i}", i)
    assert len(state.arms) == MAX_ARMS + 1
    assert state.sums.count[state.slot(OTHER)] == 5
    assert state.slot("never seen") == state.slot(OTHER)


def test_a_sketch_is_the_least_hashes_in_any_order() -> None:
    """Bottom-k: it does not depend on the order of folding or on merging."""
    names = [f"d{i}" for i in range(200)]
    hashes = [decision_hash(n) for n in names]
    whole = Learned().add(hashes, 1, 9)
    parts = Learned().add(hashes[100:], 5, 9).add(hashes[:100], 1, 4)
    assert whole == parts
    assert whole.sketch == tuple(sorted(hashes)[:SKETCH])
    assert (whole.first, whole.last) == (1, 9)


@pytest.mark.parametrize("user_id", ["u1", "a.b@c:d+e-f", "x" * 256])
def test_a_file_name_holds_nothing_of_the_id(user_id: str) -> None:
    """A sha256, safe on every file system."""
    assert re.fullmatch(r"[0-9a-f]{64}\.json", file_name(user_id))


def without(record: dict[str, object], key: str) -> dict[str, object]:
    return {k: v for k, v in record.items() if k != key}


def test_what_is_no_state_is_refused() -> None:
    """Garbage, another schema, missing parts, NaN, wrong shapes: one line that names the file."""
    good = json.loads(to_json(taught([1.0, 0.5])))
    arm = next(iter(good["arms"]))
    bad: list[str] = ["", "{", "[]", "3", "null", json.dumps({**good, "schema": 2})]
    bad += [json.dumps(without(good, key)) for key in good]
    for change in ({"gram": [1.0]}, {"moment": [math.nan] * 3}, {"count": "many"}):
        arms = {**good["arms"], arm: {**good["arms"][arm], **change}}
        bad.append(json.dumps({**good, "arms": arms}))
    for text in bad:
        with pytest.raises(BadInput, match="some-file") as error:
            from_json(text, "some-file")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_new_arm_moves_no_sum_of_another(at: int) -> None:
    """Every row stays as it was, bit for bit; the new one is empty."""
    rng = np.random.default_rng(at)
    before = Sums(*(rng.normal(size=shape) for shape in ((4, 6), (4, 3), (4,), (4,))))
    after = before.with_row(at)
    for old, new in ((getattr(before, f), getattr(after, f)) for f in Sums.__slots__):
        assert not new[at].any()
        assert np.delete(new, at, axis=0).tobytes() == old.tobytes()
