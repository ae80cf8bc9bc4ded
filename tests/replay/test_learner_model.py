"""The model of a learner's world: noise, layers, links, how much people differ."""

from typing import Any

import numpy as np
import pytest

from replay.learners.components import components
from replay.learners.drift import BLOCKS, HYPOTHESES, STILL
from replay.learners.layer import Rows, _factor, _likelihood, _moments, fitted
from replay.learners.link import Link
from replay.learners.noise import noise_of


@pytest.mark.parametrize("rewards", [[0.0, 1.0], [-1.0, 0.0, 0.0, 1.0], [0.0, 0.1, 0.4, 2.0, 5.0]])
def test_noise_keeps_the_support_and_the_mean(rewards: list[float]) -> None:
    noise = noise_of(np.array(rewards))
    u = (np.arange(1000) + 0.5) / 1000
    mix = np.random.default_rng(0).permutation(u)
    for mean in np.linspace(min(rewards), max(rewards), 8):
        drawn = noise.draw(np.full(1000, mean), u, mix)
        assert set(drawn) <= set(rewards)
        assert drawn.mean() == pytest.approx(mean, abs=0.01 * (max(rewards) - min(rewards)))
    logged = noise.draw(np.full(1000, np.mean(rewards)), u, mix)
    share = np.mean(np.array(rewards) == rewards[0])
    assert np.mean(logged == rewards[0]) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("hypothesis", [HYPOTHESES[0], HYPOTHESES[20], HYPOTHESES[-1]])
def test_a_layers_likelihood_is_that_of_the_dense_gaussian(hypothesis: Any) -> None:
    """n/2 log(y' V^-1 y / n) + log|V| / 2, V = I + F F' over the kernel of time."""
    rng = np.random.default_rng(7)
    n, groups = 60, 3
    rows = Rows(
        rng.normal(size=(n, 2)), rng.integers(groups, size=n), rng.integers(BLOCKS, size=n),
        groups, BLOCKS,
    )  # fmt: skip
    y, prior = rng.normal(size=n), np.array([0.7, 0.3])
    kernel = hypothesis.root @ hypothesis.root.T
    same = rows.group[:, None] == rows.group
    scaled = rows.features * prior
    v = np.eye(n) + same * kernel[rows.block][:, rows.block] * (scaled @ scaled.T)
    dense = -n / 2 * np.log(y @ np.linalg.solve(v, y) / n) - np.linalg.slogdet(v)[1] / 2
    found = _moments(rows, y)
    assert _likelihood(found, hypothesis.root, prior) == pytest.approx(dense, rel=1e-9)
    assert _factor(found, hypothesis.root, prior).shape[0] == groups


def test_draws_have_the_posteriors_mean_and_spread() -> None:
    rng = np.random.default_rng(8)
    n = 300
    rows = Rows(rng.normal(size=(n, 2)), np.zeros(n, np.int64), np.zeros(n, np.int64), 1, 1)
    y = rows.features @ np.array([0.5, -0.2]) + rng.normal(scale=0.4, size=n)
    layer = fitted(rows, y, [np.array([0, 1])], 0.0)
    (option,) = layer.options
    assert option.hypothesis is STILL[0]
    drawn = np.array([layer.draw(rows, y, rng)[0, 0] for _ in range(2000)])
    prior = np.diag(1 / option.root_prior**2)
    precision = (rows.features.T @ rows.features + prior) / option.noise
    covariance = np.linalg.inv(precision)
    mean = covariance @ rows.features.T @ y / option.noise
    error = 4 * np.sqrt(np.diag(covariance) / 2000)
    assert layer.draw(rows, y)[0, 0] == pytest.approx(mean, rel=1e-9)
    assert (np.abs(drawn.mean(axis=0) - mean) < error).all()
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=6 * covariance.max() / 2000**0.5)
    assert layer.variance(rows) == pytest.approx(
        np.einsum("ni,ij,nj->n", rows.features, covariance, rows.features), rel=1e-9
    )


def test_how_much_people_differ_is_found_in_few_zeros_and_ones() -> None:
    """Six answers a person and arm, a logistic curve: variance 1 within four standard errors."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        users, arms, n = 50, 10, 3000
        z = np.column_stack([np.ones(n), rng.normal(size=(n, 3))])
        user, arm = np.arange(n) % users, rng.integers(arms, size=n)
        own = rng.normal(size=(users * arms, 4)) * np.array([0, 1, 1, 1])
        pair = user * arms + arm
        good = 1 / (1 + np.exp(-(z * own[pair]).sum(axis=1)))
        rest = (rng.random(n) < good) - 0.5
        still = np.zeros(n, np.int64)
        layers = [Rows(z, user, still, users, 1), Rows(z, pair, still, users * arms, 1)]
        classes = [np.array([0]), np.arange(1, 4)]
        (by_user, by_pair), noise = components(layers, classes, rest, np.full(n, 0.25), True)
        found.append([by_user[1], by_pair[1], noise])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / 12**0.5
    assert abs(mean[1] - 1) < 4 * error[1]
    assert mean[0] < 0.1
    assert mean[2] == pytest.approx(1, abs=0.1)


def test_a_link_and_its_newton_step() -> None:
    """At the fit the working response is the score; a reward off it pulls by 1 / slope."""
    link = Link(-1.0, 1.0, bounded=True)
    score = np.linspace(-2, 2, 9)
    mean = link.mean(score)
    response, weight = link.working(score, mean, np.zeros(9))
    assert response == pytest.approx(score, abs=1e-12)
    slope = (link.mean(score + 1e-6) - link.mean(score - 1e-6)) / 2e-6 / 2
    assert weight == pytest.approx(slope, rel=1e-6)
    assert link.mean(np.array([link.start(mean)])) == pytest.approx(mean.mean(), abs=1e-9)
