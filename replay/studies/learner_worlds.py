"""Worlds on which a learner's value is estimated: logs of a uniform logger, and life itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from journal import schema
from journal.log import Log, log_of_table
from policies.arrays import Floats, Ints
from policies.draw import draws
from policies.policy import Batch, Policy
from policies.sums import Sums

Rng = np.random.Generator
START = 1_700_000_000_000_000  # microseconds
MINUTE = 60_000_000
ACTIONS = 10
WIDTH = 5
THETA = np.random.default_rng(2_024).normal(size=(2, ACTIONS, WIDTH))
TASTE = np.random.default_rng(4_321).normal(size=(2, 5, WIDTH))


@dataclass(frozen=True)
class Drawn:
    """T decisions over N candidates, t of user t % U, with what only the world knows."""

    offsets: Ints  # (T+1,)
    context: Floats  # (N, d)
    arm: Ints  # (N,)
    good: Floats  # (N,) probability of the reward 1
    bad: Floats | None = None  # (N,) of -1, else 0; None: rewards are 0 or 1

    @property
    def mean(self) -> Floats:
        """Expected rewards `(N,)`."""
        return self.good if self.bad is None else self.good - self.bad

    def reward(self, candidate: Ints, u: Floats) -> Floats:
        """Rewards by `u` in [0, 1)."""
        reward = np.where(u < self.good[candidate], 1.0, 0.0)
        if self.bad is not None:
            reward = np.where(u > 1 - self.bad[candidate], -1.0, reward)
        return reward


@dataclass(frozen=True)
class World:
    """One world at one size."""

    goal: str  # stationary, drift or people
    name: str
    decisions: int
    users: int
    draw: Callable[[Rng, int, int], Drawn]

    def log(self, seed: int) -> Log:
        """The log of a uniform logger, replicate `seed`."""
        rng = np.random.default_rng([seed, self.decisions, 1])
        drawn = self.draw(rng, self.decisions, self.users)
        sizes = np.diff(drawn.offsets)
        action = (rng.random(self.decisions) * sizes).astype(np.int64)
        reward = drawn.reward(drawn.offsets[:-1] + action, rng.random(self.decisions))
        return _log(drawn, action, reward, np.arange(self.decisions) % self.users)

    def lived(self, policy: Policy, runs: int, seed: int) -> Floats:
        """Mean expected reward of `runs` learners that decided for real, `(runs,)`."""
        rngs = [np.random.default_rng([seed, run, self.decisions, 2]) for run in range(runs)]
        drawn = [self.draw(rng, self.decisions, self.users) for rng in rngs]
        whole = _joined(drawn)
        arms = int(whole.arm.max()) + 1
        sums = Sums.zeros(1 + runs * self.users * arms, whole.context.shape[1])
        rng = np.random.default_rng([seed, self.decisions, 3])
        earned = np.zeros(runs)
        each = np.arange(runs)[:, None]
        for start in range(0, self.decisions, self.users):
            rows = (each * self.decisions + np.arange(start, start + self.users)).ravel()
            state = (each * self.users + np.arange(self.users)).ravel()
            sizes = whole.offsets[rows + 1] - whole.offsets[rows]
            offsets = np.concatenate([[0], np.cumsum(sizes)])
            where = np.arange(offsets[-1]) + np.repeat(whole.offsets[rows] - offsets[:-1], sizes)
            first = 1 + state * arms
            slot = np.repeat(first, sizes) + whole.arm[where]
            batch = Batch(offsets, whole.context[where], slot, first, first + arms)
            pmf = policy.pmf(policy.score(batch, sums), offsets)
            took = offsets[:-1] + draws(pmf, offsets, rng.random(len(rows)))
            reward = whole.reward(where[took], rng.random(len(rows)))
            value = np.add.reduceat(pmf * whole.mean[where], offsets[:-1])
            earned += value.reshape(runs, -1).sum(axis=1)
            sums.fold(slot[took], batch.context[took], reward)
        return earned / self.decisions


def _joined(drawn: list[Drawn]) -> Drawn:
    """Several draws one behind the other."""
    ends = np.cumsum([0, *(d.offsets[-1] for d in drawn)])
    offsets = [d.offsets[1:] + end for d, end in zip(drawn, ends, strict=False)]
    bad = [d.bad for d in drawn if d.bad is not None]
    return Drawn(
        np.concatenate([[0], *offsets]),
        np.concatenate([d.context for d in drawn]),
        np.concatenate([d.arm for d in drawn]),
        np.concatenate([d.good for d in drawn]),
        np.concatenate(bad) if bad else None,
    )


def _log(drawn: Drawn, action: Ints, reward: Floats, user: Ints) -> Log:
    n, sizes = len(action), np.diff(drawn.offsets)

    def lists(flat: Any) -> Any:
        return pa.ListArray.from_arrays(pa.array(drawn.offsets, pa.int32()), flat)

    width = drawn.context.shape[1]
    names = pa.array([f"arm{a}" for a in range(int(drawn.arm.max()) + 1)])
    place = np.arange(drawn.offsets[-1]) - np.repeat(drawn.offsets[:-1], sizes)
    ids = pa.array([f"c{k}" for k in range(int(sizes.max()))])
    moments = pa.array(START + MINUTE * np.arange(n), schema.TIME)
    table = pa.table(
        {
            "decision_id": pa.array([f"d{i}" for i in range(n)]),
            "user_id": pa.array([f"u{u}" for u in user]),
            "decided_at": moments,
            "candidate_ids": lists(ids.take(pa.array(place))),
            "arms": lists(names.take(pa.array(drawn.arm))),
            "context": lists(pa.FixedSizeListArray.from_arrays(drawn.context.ravel(), width)),
            "pmf": lists(pa.array(np.repeat(1 / sizes, sizes))),
            "action": pa.array(action, pa.int32()),
            "pscore": pa.array(1 / sizes),
            "reward": pa.array(reward),
        }
    )
    span = (0.0, 1.0) if drawn.bad is None else (-1.0, 1.0)
    return log_of_table(table.replace_schema_metadata(schema.metadata(span, None)), "study")


def actions(
    rng: Rng,
    n: int,
    users: int,
    *,
    scale: float,
    people: float = 0.0,
    moves: str = "",
    at: float = 0.5,
) -> Drawn:
    """10 actions, N(0, I_5), rewards 0 or 1 of logistic-linear means.

    `people`: standard deviation of what each user adds to every coefficient. `moves`:
    `change`, all coefficients are others from the share `at` of the log on; `rotate`, they
    turn by a right angle over it.
    """
    context = rng.normal(size=(n, WIDTH))
    moment = np.arange(n) / n
    angle = {"change": (moment >= at) * np.pi / 2, "rotate": moment * np.pi / 2}
    turned = angle.get(moves, np.zeros(n))[:, None, None]
    theta = scale * (np.cos(turned) * THETA[0] + np.sin(turned) * THETA[1])
    own = rng.normal(scale=people, size=(users, ACTIONS, WIDTH)) if people else None
    if own is not None:
        theta = theta + own[np.arange(n) % users]
    logit = np.einsum("tkd,td->tk", np.broadcast_to(theta, (n, ACTIONS, WIDTH)), context)
    arm = np.tile(np.arange(ACTIONS), n)
    wide = np.repeat(context, ACTIONS, axis=0)
    return Drawn(np.arange(n + 1) * ACTIONS, wide, arm, _logistic(logit.ravel()))


def tips(
    rng: Rng, n: int, users: int, *, people: float = 0.0, moves: str = "", at: float = 0.5
) -> Drawn:
    """2 to 15 tasks of 5 projects with features as tip-v1, rewards -1, 0, 1, not linear in them."""
    sizes = rng.integers(2, 16, n)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    total = int(offsets[-1])
    hour = np.repeat(rng.uniform(0, 2 * np.pi, n), sizes)
    overdue = (rng.random(total) < 0.3).astype(float)
    age = np.minimum(1, np.log1p(rng.exponential(20, total)) / np.log(366))
    priority = rng.integers(0, 4, total) / 3
    context = np.column_stack([np.sin(hour), np.cos(hour), overdue, age, priority])
    arm = rng.integers(0, 5, total)
    row = np.repeat(np.arange(n), sizes)
    late = (row / n >= at) & (moves == "change")
    own = (
        rng.normal(scale=people, size=(users, 5, WIDTH)) if people else np.zeros((users, 5, WIDTH))
    )
    theta = np.where(late[:, None], TASTE[1][arm], TASTE[0][arm]) + own[row % users, arm]
    taste = (context * theta).sum(axis=1) + context[:, 2] * context[:, 4] - 0.3
    done = 0.8 * _logistic(taste)
    dismiss = (0.9 - done) * _logistic(2 * context[:, 3] - taste - 0.5)
    return Drawn(offsets, context, arm, done, dismiss)


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


WORLDS = {
    w.name: w
    for w in (
        World("stationary", "actions, theta .4", 1000, 1, partial(actions, scale=0.4)),
        World("stationary", "actions, theta .8", 3000, 1, partial(actions, scale=0.8)),
        World("stationary", "tips", 2000, 1, tips),
        World("drift", "change half-way", 1000, 1, partial(actions, scale=0.6, moves="change")),
        World(
            "drift", "change at .35", 2000, 1, partial(actions, scale=0.4, moves="change", at=0.35)
        ),
        World("drift", "rotation", 2000, 1, partial(actions, scale=0.6, moves="rotate")),
        World("drift", "tips, change", 2000, 1, partial(tips, moves="change")),
        World("people", "common and own", 3000, 50, partial(actions, scale=0.4, people=0.6)),
        World("people", "mostly common", 3000, 50, partial(actions, scale=0.5, people=0.3)),
        World("people", "all own", 3000, 50, partial(actions, scale=0.0, people=1.0)),
        World("people", "tips, own tastes", 3000, 50, partial(tips, people=1.0)),
    )
}
