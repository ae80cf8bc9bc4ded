"""The worlds intervals are measured on: what they claim to be."""

import numpy as np
import pytest

from replay.studies.cells import CELLS


@pytest.mark.parametrize("name", sorted(CELLS))
def test_a_cell_draws_pmfs_of_full_support_and_the_same_log_for_a_seed(name: str) -> None:
    cell = CELLS[name]
    drawn, again, other = cell.draw(3), cell.draw(3), cell.draw(4)
    starts = drawn.offsets[:-1]
    assert len(drawn.reward) == cell.decisions
    for pmf in (drawn.pi_e, drawn.pi_b):
        np.testing.assert_allclose(np.add.reduceat(pmf, starts), 1.0, atol=1e-9)
    assert (drawn.pi_b > 0).all()
    assert (starts <= drawn.chosen).all()
    assert (drawn.chosen < drawn.offsets[1:]).all()
    low, high = drawn.span
    assert low <= drawn.reward.min()
    assert drawn.reward.max() <= high
    np.testing.assert_array_equal(drawn.reward, again.reward)
    assert not np.array_equal(drawn.chosen, other.chosen)


def test_ips_finds_the_known_value() -> None:
    cell = CELLS["a-beta=1,epsilon=0.2-2000"]
    off = [
        float((rounds.weight * rounds.reward).mean()) - drawn.value
        for drawn in map(cell.draw, range(40))
        for rounds in [drawn.rounds()]
    ]
    assert abs(np.mean(off)) < 4 * np.std(off, ddof=1) / np.sqrt(len(off))
