"""What a person's answer is worth: the one table of feedback and its reward."""

import math

from policies.errors import BadInput

REWARDS: dict[str, float] = {"done": 1.0, "snooze": 0.0, "dismiss": -1.0, "expired": 0.0}
"""`expired` is silence: the reward window closed and nobody answered."""

ANSWERS = tuple(name for name in REWARDS if name != "expired")
"""What a person can answer; `expired` is written by the loop alone."""

REWARD_RANGE = (-1.0, 1.0)
DEFAULT_REWARD = REWARDS["expired"]


def reward_of(feedback: str | None, reward: float | None) -> float:
    """The reward of an answer: a word of `ANSWERS`, or a number within `REWARD_RANGE`.

    Raises `BadInput` when neither or both are given, or the one given is not allowed.
    """
    if (feedback is None) == (reward is None):
        raise BadInput("feedback", "give either feedback or reward, not both and not neither")
    if feedback is not None:
        if feedback not in ANSWERS:
            raise BadInput("feedback", f"must be one of {', '.join(ANSWERS)}", feedback)
        return REWARDS[feedback]
    assert reward is not None
    low, high = REWARD_RANGE
    if not (math.isfinite(reward) and low <= reward <= high):
        raise BadInput("reward", f"must be a finite number in [{low:g}, {high:g}]", reward)
    return reward
