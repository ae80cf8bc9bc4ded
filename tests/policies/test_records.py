"""Records: a digest covers every field; ids and durations keep their rules."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from policies.errors import BadInput
from policies.records import (
    Decision,
    Feedback,
    check_user_id,
    decision_digest,
    feedback_digest,
    first_duplicate,
    record_digest,
    seconds,
)

DECISION = Decision(
    "d1",
    "u1",
    1_000,
    "random",
    "tip-v1",
    3,
    ("a", "b"),
    ("x", "y"),
    np.array([[0.1, 0.2], [0.3, 0.4]]),
    np.array([0.25, 0.75]),
    1,
    60,
)
FEEDBACK = Feedback("d1", "done", 1.0, 2_000, 4)


def one_bit(array: np.ndarray, at: int) -> np.ndarray:
    changed = array.copy()
    changed.ravel().view(np.int64)[at] ^= 1
    return changed


@pytest.mark.parametrize(
    "change",
    [
        {"decision_id": "d2"},
        {"user_id": "u2"},
        {"decided_at": 1_001},
        {"policy": "random:seed=1"},
        {"features": "tip-v2"},
        {"state_seq": 4},
        {"candidate_ids": ("b", "a")},
        {"candidate_ids": ("ab", "")},
        {"arms": ("y", "x")},
        {"context": one_bit(DECISION.context, 0)},
        {"context": one_bit(DECISION.context, 3)},
        {"context": DECISION.context.reshape(2, 2).T.copy()},
        {"pmf": one_bit(DECISION.pmf, 0)},
        {"action": 0},
        {"reward_window_s": 61},
        {"reward_window_s": None},
    ],
)
def test_a_decisions_digest_covers_every_field(change: dict[str, Any]) -> None:
    """One bit is enough."""
    assert decision_digest(replace(DECISION, **change)) != decision_digest(DECISION)


@pytest.mark.parametrize(
    "change",
    [
        {"decision_id": "d2"},
        {"feedback": "snooze"},
        {"feedback": None},
        {"reward": float(np.nextafter(1.0, 0.0))},
        {"feedback_at": 2_001},
        {"seq": 5},
        {"seq": None},
    ],
)
def test_a_feedbacks_digest_covers_every_field_and_its_decision(change: dict[str, Any]) -> None:
    """The last digest of a decision vouches for all that is known of it."""
    whole = record_digest(DECISION, FEEDBACK)
    assert record_digest(DECISION, replace(FEEDBACK, **change)) != whole
    assert record_digest(replace(DECISION, state_seq=9), FEEDBACK) != whole
    assert record_digest(DECISION, None) == decision_digest(DECISION)
    assert feedback_digest(decision_digest(DECISION), FEEDBACK) == whole


def test_a_digest_does_not_depend_on_how_the_arrays_lie() -> None:
    """Views and copies of the same numbers."""
    wide = np.asfortranarray(DECISION.context)
    assert decision_digest(replace(DECISION, context=wide)) == decision_digest(DECISION)


def test_a_digest_is_the_same_for_ever() -> None:
    """Golden: journals outlive this version."""
    assert record_digest(DECISION, FEEDBACK).hex() == (
        "fc9db5595439f912c748b53e3f7950fc43b7edc86d2e606dc0ce79b0ccdde429"
    )


@pytest.mark.parametrize(
    "user_id", ["", "a/b", "..\\x", "../x", "a b", "a\n", "x" * 257, "x" * 10_000, "é", 5, None]
)
def test_user_ids_that_could_do_harm_are_refused(user_id: Any) -> None:
    """In one short line."""
    with pytest.raises(BadInput, match="user_id") as error:
        check_user_id(user_id)
    assert len(str(error.value)) < 250
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("user_id", ["u", "A.b_c:d@e+f-9", "x" * 256])
def test_user_ids_that_are_ids_pass(user_id: str) -> None:
    """1-256 of the allowed characters."""
    assert check_user_id(user_id) == user_id


def test_durations() -> None:
    """Seconds, minutes, hours, days, never."""
    said = [seconds(t) for t in ("30s", "90m", "24h", "7d", "never")]
    assert said == [30, 5_400, 86_400, 604_800, None]


@pytest.mark.parametrize("text", ["", "0s", "24", "h", "-1h", "1.5h", "1w", "24 h", "9" * 20 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """One line."""
    with pytest.raises(BadInput, match="reward window"):
        seconds(text)


def test_first_duplicate() -> None:
    """The index of the second of two equal names."""
    assert first_duplicate(["a", "b", "a", "b"]) == 2
    assert first_duplicate(["a", "b"]) is None
