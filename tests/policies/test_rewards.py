"""Rewards: one table, and what a person may answer."""

import math

import pytest

from policies.errors import BadInput
from policies.rewards import ANSWERS, REWARDS, reward_of


def test_the_table() -> None:
    """done +1, snooze 0, dismiss -1, silence 0."""
    assert REWARDS == {"done": 1.0, "snooze": 0.0, "dismiss": -1.0, "expired": 0.0}
    assert ANSWERS == ("done", "snooze", "dismiss")
    assert [reward_of(word, None) for word in ANSWERS] == [1.0, 0.0, -1.0]
    assert reward_of(None, 0.25) == 0.25


@pytest.mark.parametrize(
    ("feedback", "reward"),
    [
        (None, None),
        ("done", 1.0),
        ("expired", None),
        ("DONE", None),
        (None, math.nan),
        (None, math.inf),
        (None, 2.0),
        (None, -1.0000001),
    ],
)
def test_what_is_no_answer_is_refused(feedback: str | None, reward: float | None) -> None:
    """A person cannot say that they were silent, nor more than the range."""
    with pytest.raises(BadInput):
        reward_of(feedback, reward)
