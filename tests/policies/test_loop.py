"""One user's loop: silence first, then the decision, then the answer."""

import numpy as np
import pytest

from policies import make
from policies.draw import draw, uniform
from policies.loop import UserLoop
from policies.records import Decision
from policies.state import UserState

POLICY = make("linucb:epsilon=0.5,seed=3")
SECOND = 1_000_000


def loop() -> UserLoop:
    return UserLoop(UserState.empty("u", "tip-v1", 2))


def decide(one: UserLoop, name: str, now: int, window: int | None = 10) -> Decision:
    context = np.array([[1.0, 0.5], [0.2, 0.8], [0.0, 1.0]])
    return one.decide(POLICY, name, now, list("abc"), ["x", "y", "x"], context, window)[0]


def test_silence_is_folded_by_deadline_then_id_with_reward_0() -> None:
    """Whoever asks next finds it in the state."""
    one = loop()
    decide(one, "b", 0)
    decide(one, "a", 0)
    decide(one, "c", -SECOND)
    decide(one, "open", 5 * SECOND)
    found = one.expire(10 * SECOND)
    assert [(f.decision_id, f.seq) for f in found] == [("c", 1), ("a", 2), ("b", 3)]
    assert {(f.feedback, f.reward) for f in found} == {("expired", 0.0)}
    assert [f.feedback_at for f in found] == [9 * SECOND, 10 * SECOND, 10 * SECOND]
    assert set(one.open) == {"open"}
    assert decide(one, "next", 10 * SECOND).state_seq == 3


def test_of_an_open_tip_no_more_is_kept_than_its_answer_needs() -> None:
    """What was shown, not all that could be: people who never answer fill the memory slowly."""
    one = loop()
    d = decide(one, "d", 0)
    (tip,) = one.open.values()
    assert (tip.arm, tip.deadline) == (d.arms[d.action], 10 * SECOND)
    assert tip.row.tolist() == d.context[d.action].tolist()
    assert tip.row.base is None, "a view would keep the whole context"


def test_a_tip_that_may_be_answered_for_ever_never_expires() -> None:
    """reward_window_s null."""
    one = loop()
    decide(one, "d", 0, window=None)
    assert one.expire(10**18) == []


def test_state_seq_counts_the_feedbacks_folded() -> None:
    """Not the decisions."""
    one = loop()
    for i in range(5):
        d = decide(one, f"d{i}", i)
        assert d.state_seq == one.state.seq
        if i % 2:
            assert one.answer(d.decision_id, "done", 1.0, i).seq == d.state_seq + 1
    assert one.state.seq == 2


@pytest.mark.parametrize("i", range(50))
def test_the_action_is_the_one_its_id_draws(i: int) -> None:
    """And pscore is its probability."""
    d = decide(loop(), f"decision-{i}", 0)
    assert d.action == draw(d.pmf, uniform("act", 3, d.decision_id))
    assert d.pscore == d.pmf[d.action]


def test_an_answer_teaches_the_arm_that_was_shown() -> None:
    """Its context, its reward, nothing else."""
    one = loop()
    d = decide(one, "d", 0)
    one.answer("d", "dismiss", -1.0, 5)
    assert one.state.arms == [d.arms[d.action]]
    assert one.state.sums.moment[1].tolist() == [-x for x in d.context[d.action]]
    assert not one.open
    with pytest.raises(KeyError):
        one.answer("d", "done", 1.0, 6)
