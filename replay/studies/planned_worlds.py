"""Worlds for plans: people with tastes, two greedy policies whose true gain is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from journal import Log
from journal.frame import log_of_frame
from policies.arrays import Floats, Ints
from replay.estimators.doubly_robust import dr
from replay.estimators.estimate import Estimate
from replay.intervals.cluster import cluster_t, clustered_error, t_value
from replay.models.ridge import FOLDS, cross_fitted
from replay.rounds import Rounds

ARMS = 6
WORTH = np.linspace(-0.25, 0.25, ARMS)  # of arms, to everybody
HOUR = 3600.0  # seconds
CROWD = 200_000  # users of one day, whose mean is the truth


@dataclass(frozen=True)
class World:
    """Both policies take the candidate of the highest score; B knows more of what arms are worth.

    Frozen policies, contexts regardless of what was shown: the value on logged contexts and
    the value if deployed are one number.
    """

    name: str
    a_day: float = 2.0  # decisions of a user-day
    days: int = 10
    moods: float = 0.0  # sd between users of the mean reward
    tastes: float = 0.0  # sd between users of an arm's mean reward
    active: float = 0.0  # coefficient of variation of users' activity
    edge: float = 0.8  # how much of the arms' worth B uses

    def longer(self, days: int) -> "World":
        """The same for other days."""
        return replace(self, days=days)


@dataclass(frozen=True)
class Drawn:
    """Decisions of `users` people: n over N candidates."""

    user: Ints  # (n,)
    offsets: Ints  # (n+1,)
    arm: Ints  # (N,)
    context: Floats  # (N, 2)
    mean: Floats  # (N,) expected rewards
    a: Floats  # (N,) A's pmf, without a floor
    b: Floats  # (N,) B's
    lot: Floats  # (n, 2) uniform numbers: the action's and the reward's

    @property
    def uniform(self) -> Floats:
        """(N,) 1/K."""
        lengths = np.diff(self.offsets)
        return np.repeat(1 / lengths, lengths)

    def acted(self, pmf: Floats) -> tuple[Ints, Floats]:
        """Chosen candidates `(n,)` and rewards `(n,)` under `pmf (N,)`."""
        passed = np.cumsum(pmf)
        before = np.r_[0.0, passed][self.offsets[:-1]]
        at = np.searchsorted(passed, before + self.lot[:, 0] * (1 - 1e-12), side="right")
        chosen = np.clip(at, self.offsets[:-1], self.offsets[1:] - 1)
        mean = self.mean[chosen]
        some = np.maximum(2 / 3, np.abs(mean))
        u = self.lot[:, 1]
        return chosen, np.where(u < (some + mean) / 2, 1.0, np.where(u < some, -1.0, 0.0))

    def value(self, pmf: Floats) -> float:
        """The exact value on these contexts."""
        return float(pmf @ self.mean) / len(self.user)


def draw(world: World, users: int, rng: np.random.Generator) -> Drawn:
    """People, their decisions, candidates and tastes."""
    shape = 1 / world.active**2 if world.active else 0.0
    rate = rng.gamma(shape, 1 / shape, users) if shape else np.ones(users)
    n_u = np.maximum(rng.poisson(rate * world.a_day * world.days), 1)
    n = int(n_u.sum())
    user = np.repeat(np.arange(users), n_u)
    lengths = rng.integers(3, 6, n)
    offsets = np.r_[0, np.cumsum(lengths)]
    order = np.argsort(rng.random((n, ARMS)), axis=1)
    arm = order[np.arange(ARMS) < lengths[:, None]]
    owner = np.repeat(user, lengths)
    x = rng.uniform(-1, 1, int(offsets[-1]))
    hour = np.repeat(rng.uniform(-1, 1, n), lengths)
    worth = WORTH[arm]
    mood = world.moods * rng.standard_normal(users)
    taste = world.tastes * rng.standard_normal((users, ARMS))
    mean = 0.3 * x + worth + 0.1 * hour * x + mood[owner] + taste[owner, arm]
    return Drawn(
        user,
        offsets,
        arm,
        np.column_stack([x, hour]),
        np.clip(mean, -0.95, 0.95),
        _best(0.5 * x + 0.1 * worth, offsets),
        _best(0.5 * x + world.edge * worth, offsets),
        rng.random((n, 2)),
    )


def _best(score: Floats, offsets: Ints) -> Floats:
    """All mass on the highest score; there are no ties."""
    top = np.repeat(np.maximum.reduceat(score, offsets[:-1]), np.diff(offsets))
    out: Floats = (score == top).astype(np.float64)
    return out


@cache
def gain_of(world: World) -> float:
    """B's true value less A's, over a crowd."""
    crowd = draw(world.longer(1), CROWD, np.random.default_rng(1))
    return crowd.value(crowd.b) - crowd.value(crowd.a)


def scores_a(ids: Sequence[str], context: Floats) -> Floats:
    """A, for `plan`: the names of candidates are those of arms."""
    return _asked(ids, context, 0.1)


def scores_b(edge: float, ids: Sequence[str], context: Floats) -> Floats:
    """B."""
    return _asked(ids, context, edge)


def _asked(ids: Sequence[str], context: Floats, edge: float) -> Floats:
    score = 0.5 * context[:, 0] + edge * WORTH[[int(i) for i in ids]]
    out: Floats = (score == score.max()).astype(np.float64)
    return out


def log_under(drawn: Drawn, world: World, floor: float) -> Log:
    """The log of A at a floor, its decisions spread evenly over the days."""
    pmf = (1 - floor) * drawn.a + floor * drawn.uniform
    chosen, reward = drawn.acted(pmf)
    cuts = drawn.offsets[1:-1]
    sizes = np.bincount(drawn.user)
    turn = np.arange(len(drawn.user)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at = (turn + 0.5) / sizes[drawn.user] * world.days * 24 * HOUR
    at[0], at[-1] = 0.0, world.days * 24 * HOUR - 1  # the first and the last of all
    frame = pd.DataFrame(
        {
            "user_id": [f"u{u}" for u in drawn.user],
            "decided_at": pd.to_datetime(at, unit="s", utc=True),
            "candidate_ids": [list(map(str, a)) for a in np.split(drawn.arm, cuts)],
            "arms": [list(map(str, a)) for a in np.split(drawn.arm, cuts)],
            "context": [c.tolist() for c in np.split(drawn.context, cuts)],
            "pmf": [p.tolist() for p in np.split(pmf, cuts)],
            "pscore": pmf[chosen],
            "action": chosen - drawn.offsets[:-1],
            "reward": reward,
        }
    )
    return log_of_frame(frame, action_by="index")


def off_policy_interval(drawn: Drawn, floor: float, level: float) -> tuple[float, float, float]:
    """(low, high, mean reward) of B - A on the log of A at a floor, as `evaluate` has them."""
    pmf = (1 - floor) * drawn.a + floor * drawn.uniform
    chosen, reward = drawn.acted(pmf)
    fold = drawn.user % FOLDS
    lengths = np.diff(drawn.offsets)
    q = cross_fitted(drawn.context, drawn.arm, ARMS, chosen, reward, fold, np.repeat(fold, lengths))
    a, b = (
        Rounds(
            reward,
            pmf[chosen],
            pi_e[chosen],
            q[chosen],
            np.add.reduceat(pi_e * q, drawn.offsets[:-1]),
            drawn.user,
        )
        for pi_e in (drawn.a, drawn.b)
    )
    ours, theirs = dr(b), dr(a)
    apart = Estimate(
        ours.value - theirs.value,
        ours.influence - theirs.influence,
        ours.columns,
        ours.combine,
    )
    low, high = cluster_t(b, apart, level)
    return low, high, float(reward.mean())


def ab_interval(drawn: Drawn, level: float) -> tuple[float, float, float, float]:
    """(low, high, mean rewards of A and B) of an A/B test, half of the users each.

    Student's t over users; the degrees of freedom are those of users of equal size.
    """
    half = (drawn.user.max() + 1) // 2
    mask = drawn.user < half
    means, errors, dof = [], [], 0.0
    for pmf, mine in ((drawn.a, mask), (drawn.b, ~mask)):
        _, reward = drawn.acted(pmf)
        own = reward[mine]
        rounds = Rounds(own, None, np.ones(len(own)), user=drawn.user[mine])
        means.append(float(own.mean()))
        errors.append(clustered_error(rounds, own - own.mean()))
        dof += rounds.equal_users
    width = t_value(level, dof - 2) * math.hypot(*errors)
    apart = means[1] - means[0]
    return apart - width, apart + width, means[0], means[1]
