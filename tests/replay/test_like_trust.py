"""Which pair to trust is a fixed rule."""

import numpy as np
import pytest

from replay.like.trust import AUTO, Pair, avoided, least_coverage, measured, sentence, trusted


def pair(name: str, coverage: float | None, width: float | None) -> Pair:
    estimator, _, interval = name.partition(" ")
    return Pair(estimator, interval, 0.0, 0.0, 0.0, coverage, 0.0, width, 0.0)


def test_the_narrowest_that_covers_is_trusted() -> None:
    """Not the narrowest of all, and only if it covers for every policy."""
    one = [pair("ips cluster-t", 0.8, 0.1), pair("dr cluster-t", 0.95, 0.3), pair(AUTO, 0.96, 0.5)]
    best = trusted([one], 0.9)
    assert best is not None
    assert best.name == "dr cluster-t"
    two = [pair("ips cluster-t", 0.95, 0.1), pair("dr cluster-t", 0.7, 0.2), pair(AUTO, 0.95, 0.5)]
    best = trusted([one, two], 0.9)
    assert best is not None
    assert best.name == AUTO
    assert avoided([one, two], 0.9) == [("dr cluster-t", 0.7), ("ips cluster-t", 0.8)]


@pytest.mark.parametrize(("width", "name"), [(0.314, AUTO), (0.316, "dr cluster-t")])
def test_auto_is_trusted_if_it_is_tied(width: float, name: str) -> None:
    """Within 5% of the narrowest."""
    best = trusted([[pair("dr cluster-t", 0.95, 0.3), pair(AUTO, 0.95, width)]], 0.9)
    assert best is not None
    assert best.name == name


def test_what_covers_little_does_not_lower_its_own_bar() -> None:
    """.95 - .02 - 2 standard errors of .95, which shrink with replicates."""
    assert least_coverage(0.95, 100) == pytest.approx(0.93 - 2 * np.sqrt(0.95 * 0.05 / 100))
    assert least_coverage(0.95, 100) < least_coverage(0.95, 1000) < 0.93


def test_a_pair_that_was_not_always_there_is_not_trusted() -> None:
    """One replicate without bounds, and no coverage is claimed."""
    found = np.array([[0.1, 0.0, 0.2], [0.3, np.nan, np.nan]])
    never = measured("ips martingale", found, 0.15)
    assert never.coverage is never.width is None
    assert never.bias == pytest.approx(0.05)
    assert trusted([[never]], 0.5) is None
    said = sentence(None, avoided([[never]], 0.5), 0.5)
    assert "trust no estimator's interval" in said
    assert "`ips martingale` (not always computable)" in said


def test_coverage_and_width_are_counted() -> None:
    """Two of three intervals hold the truth."""
    found = measured("ips cluster-t", np.array([[0.0, -1, 1], [0.0, -2, 2], [5.0, 4, 6]]), 0.5)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.width == pytest.approx(8 / 3)
