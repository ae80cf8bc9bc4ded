"""A DataFrame with anybody's column names becomes a log, or is refused with its reason."""

import numpy as np
import pandas as pd
import pytest

from journal import log_of_frame
from policies import BadInput


def frame(**changed: object) -> pd.DataFrame:
    columns = {
        "customer": ["ann", "bob", "ann"],
        "shown": [["a", "b"], ["b", "c", "d"], ["a"]],
        "picked": ["b", "b", "a"],
        "p": [0.5, 0.25, 1.0],
        "gain": [1.0, np.nan, -1.0],
    }
    return pd.DataFrame({**columns, **changed})


NAMES = {
    "user_id": "customer",
    "candidate_ids": "shown",
    "action": "picked",
    "pscore": "p",
    "reward": "gain",
}


def test_other_names_and_ids_as_actions() -> None:
    log = log_of_frame(frame(), columns=NAMES)
    assert log.action.tolist() == [1, 0, 0]
    assert log.user_names == ["ann", "bob"]
    assert log.answered.tolist() == [True, False, True]
    assert log.pscore.tolist() == [0.5, 0.25, 1.0]
    assert log.context.shape == (6, 1)


def test_a_column_named_for_another_purpose_is_not_also_its_own() -> None:
    """A frame may call its contexts `features`, which is the name of a column of ours."""
    contexts = [[[1.0], [2.0]], [[3.0], [4.0], [5.0]], [[6.0]]]
    log = log_of_frame(frame(features=contexts), columns={**NAMES, "context": "features"})
    assert log.context.ravel().tolist() == [1, 2, 3, 4, 5, 6]
    assert log.features == "custom"


def test_whole_numbers_on_both_sides_are_ambiguous() -> None:
    numbers = frame(shown=[[1, 2], [2, 3, 4], [1]], picked=[1, 2, 1])
    with pytest.raises(BadInput, match="say action_by='index' or 'id'"):
        log_of_frame(numbers, columns=NAMES)
    assert log_of_frame(numbers, columns=NAMES, action_by="id").action.tolist() == [0, 0, 0]
    with pytest.raises(BadInput, match="row 2, column action: must be an index"):
        log_of_frame(numbers, columns=NAMES, action_by="index")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"picked": ["b", "z", "a"]}, "row 1, column action: must be the id of a candidate"),
        ({"shown": ["ab", "bc", "a"]}, "row 0, column candidate_ids: must be a list"),
        ({"p": [0.5, 0.0, 1.0]}, "row 1, column pscore: must be in (0, 1], found 0.0"),
        ({"p": [0.5, np.nan, 1.0]}, "row 1, column pscore: must be in (0, 1], found nan"),
        ({"gain": [1.0, 0.0, 7.0]}, "row 2, column reward: must be finite and in [-1, 1]"),
    ],
)
def test_bad_frames_are_named(changed: dict, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        log_of_frame(frame(**changed), columns=NAMES)
    assert said in str(caught.value)


def test_contexts_must_have_one_width() -> None:
    ragged = frame(context=[[[1, 2], [3, 4]], [[1, 2]] * 3, [[1, 2, 3]]])
    with pytest.raises(BadInput, match="row 2, column context: every vector has 2 features"):
        log_of_frame(ragged, columns=NAMES)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadInput, match=r"maps names of docs/log-schema\.md"):
        log_of_frame(frame(), columns={"usr": "customer"})
    with pytest.raises(BadInput, match="must be a column of the frame"):
        log_of_frame(frame(), columns={**NAMES, "pmf": "probabilities"})
    with pytest.raises(BadInput, match="needs a column user_id"):
        log_of_frame(frame())
