"""What is drawn in a world like a log: rewards of a wanted mean, people of a wanted spread."""

import numpy as np
import pytest

from replay.like.effects import effects_of
from replay.like.rewards import noise_of


def test_rewards_have_the_wanted_mean_on_the_support_of_the_log() -> None:
    """Averaged over even uniforms, for any support and share of silence."""
    u = (np.arange(20_000) + 0.5) / 20_000
    never = np.ones(len(u))
    for values in ([0.0, 1.0], [-1.0, -1.0, 0.0, 1.0], [0.0, 0.5, 7.0], np.arange(200) / 7):
        noise = noise_of(np.asarray(values), np.zeros(len(values), np.bool_))
        low, high = noise.values[0], noise.values[-1]
        for share in (0.0, 0.013, 0.3, 0.77, 1.0):
            q = low + share * (high - low)
            drawn, answered = noise.draw(np.full(len(u), q), never, u)
            assert answered.all()
            assert set(drawn) <= set(noise.values)
            # each value's probability is cut to whole 20,000ths
            assert drawn.mean() == pytest.approx(q, abs=len(noise.values) * (high - low) / len(u))
    silent = noise_of(np.array([0.0, 0.0, 1.0, -1.0]), np.array([True, False, False, False]))
    drawn, _ = silent.draw(silent.within(np.full(len(u), 9.0)), u[::-1], u)
    assert drawn.mean() == pytest.approx(0.75, abs=1e-3)
    assert silent.within(np.array([9.0])).item() == 0.75


def test_effects_have_the_size_that_the_residuals_show() -> None:
    """People .3, their arms .4, candidates .2 under noise .8: found again, and drawn again."""
    rng = np.random.default_rng(5)
    users, arms, tasks, each = 400, 3, 4, 5
    user = np.repeat(np.arange(users), arms)
    arm = np.repeat(np.arange(users * arms), tasks)
    true = 0.3 * rng.normal(size=users)[user[arm]]
    true += 0.4 * rng.normal(size=users * arms)[arm] + 0.2 * rng.normal(size=len(arm))
    group = np.repeat(np.arange(len(arm)), each)
    residual = true[group] + 0.8 * rng.normal(size=len(group))
    found = effects_of(residual, group, arm, user, np.tile(np.arange(arms), users))
    # a variance from g groups: at least sqrt(2/g) of it, here doubled for what is below
    for level, sd, g in zip(
        found.levels, (0.3, 0.4, 0.2), (users, len(user), len(arm)), strict=True
    ):
        assert level.sd**2 == pytest.approx(sd**2, abs=4 * 2 * np.sqrt(2 / g) * 0.64 / 5 + 0.01)
    assert found.noise == pytest.approx(0.8, rel=0.05)
    drawn, starts = found.draw(rng, np.arange(users))
    assert starts[-1] == len(arm)
    assert drawn.var() == pytest.approx(0.29, rel=4 * np.sqrt(2 / users))
    assert np.corrcoef(drawn, true)[0, 1] > 0.7  # centred on what the log says of each
    alike = effects_of(residual - true[group], group, arm, user, np.zeros(len(user), np.int64))
    assert all(level.sd < 0.1 for level in alike.levels)
