"""Draws are functions of an id, fit their pmf, and no two purposes share bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from policies.draw import PURPOSES, draw, draws, uniform

N = 20_000
GOLDEN = (0.12478856831445462, 0.8266029752015298, 0.11803235497207998)


def test_the_same_key_draws_the_same_number_for_ever() -> None:
    """Golden values: an audit of an old journal depends on them."""
    assert (uniform("act", 0, "a"), uniform("act", 1, "a"), uniform("act", 0, "a", 1)) == GOLDEN


@pytest.mark.parametrize("purpose", PURPOSES)
def test_numbers_are_uniform(purpose: str) -> None:
    """In [0, 1), Kolmogorov-Smirnov, seeded."""
    u = [uniform(purpose, 3, f"d{i}") for i in range(N)]
    assert 0 <= min(u) <= max(u) < 1
    assert kstest(u, "uniform").pvalue > 1e-3


def test_purposes_never_share_bits() -> None:
    """A uniform logger and a uniform evaluated policy over 4 candidates match 25%, not 50%."""
    offsets, pmf = np.arange(N + 1) * 4, np.full(4 * N, 0.25)
    ids = [f"d{i}" for i in range(N)]
    chosen = {
        purpose: draws(pmf, offsets, np.array([uniform(purpose, 0, i) for i in ids]))
        for purpose in PURPOSES
    }
    for first in PURPOSES:
        for second in PURPOSES:
            if first < second:
                match = float((chosen[first] == chosen[second]).mean())
                assert abs(match - 0.25) < 4 * np.sqrt(0.25 * 0.75 / N), (first, second)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.1, 1.0, 7.0]), min_size=1, max_size=12).filter(sum),
    st.floats(0, 1, exclude_max=True),
)
def test_a_candidate_without_mass_is_never_drawn(weights: list[float], u: float) -> None:
    """Not at 0, not at the last double below 1, not by what rounding leaves."""
    pmf = np.array(weights) / sum(weights)
    for number in (u, 0.0, np.nextafter(1.0, 0.0)):
        assert pmf[draw(pmf, number)] > 0


def test_the_remainder_falls_to_the_last_candidate_of_positive_mass() -> None:
    """A pmf whose sum is a little short of 1."""
    assert draw(np.array([0.5, 0.5 - 1e-12, 0.0]), np.nextafter(1.0, 0.0)) == 1


@pytest.mark.parametrize("pmf", [[0.5, 0.3, 0.2], [0.975, 0.025], [0.1] * 10, [0.0, 0.99, 0.01]])
def test_sampled_actions_fit_their_pmf(pmf: list[float]) -> None:
    """Chi-squared over 20,000 decisions, seeded."""
    u = np.array([uniform("act", 11, f"d{i}") for i in range(N)])
    chosen = draws(np.tile(pmf, N), np.arange(N + 1) * len(pmf), u)
    count = np.bincount(chosen, minlength=len(pmf))
    held = np.array(pmf) > 0
    assert count[~held].sum() == 0
    assert chisquare(count[held], N * np.array(pmf)[held]).pvalue > 1e-3
