"""The worlds on which intervals are measured: logs with a known truth, drawn as plain arrays.

Every draw is independent of every other: contexts, actions and rewards of a replicate
come from one generator of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from policies import make
from policies.arrays import Floats, Ints
from policies.policy import Batch
from policies.sums import Sums
from replay.models.ridge import cross_fitted, folds
from replay.rounds import Candidates, Rounds

Rng = np.random.Generator
TRUTH_SEED = 999_983
TRUTH_DRAWS = 20
TRUTH_DECISIONS = 50_000
ACTIONS = 10
DAYS = 28.0  # the rounds are spread evenly over them
WIDTH = 5


@dataclass(frozen=True)
class Drawn:
    """A log of n decisions over N candidates, with what only the world knows."""

    offsets: Ints  # (n+1,)
    context: Floats  # (N, d)
    arm: Ints  # (N,)
    means: Floats  # (N,) expected rewards
    pi_e: Floats  # (N,)
    pi_b: Floats  # (N,)
    chosen: Ints  # (n,) candidates
    reward: Floats  # (n,)
    user: Ints  # (n,)
    span: tuple[float, float] = (0.0, 1.0)

    @property
    def value(self) -> float:
        """The exact value on these contexts."""
        return float(np.add.reduceat(self.pi_e * self.means, self.offsets[:-1]).mean())

    def rounds(self) -> Rounds:
        """What an evaluation sees, q_hat cross-fitted by user."""
        fold = folds([f"u{u}" for u in range(int(self.user.max()) + 1)])
        q_hat = cross_fitted(
            self.context,
            self.arm,
            int(self.arm.max()) + 1,
            self.chosen,
            self.reward,
            fold[self.user],
            fold[np.repeat(self.user, np.diff(self.offsets))],
        )
        return Rounds(
            self.reward,
            self.pi_b[self.chosen],
            self.pi_e[self.chosen],
            q_hat[self.chosen],
            np.add.reduceat(self.pi_e * q_hat, self.offsets[:-1]),
            self.user,
            self.span,
            float((self.pi_e / self.pi_b).max()),
            Candidates(self.pi_e, self.pi_b),
            np.linspace(0.0, DAYS, len(self.reward), endpoint=False),
            np.add.reduceat(self.pi_e * (self.pi_e / self.pi_b), self.offsets[:-1]),
        )


World = Callable[[Rng, int], Drawn]


@dataclass(frozen=True)
class Cell:
    """One world at one size."""

    group: str
    name: str
    decisions: int
    world: World
    seeds: int = 1000
    truth_of: World | None = None  # the same contexts and policy, where logging is slow

    @property
    def id(self) -> str:
        """A file name."""
        return f"{self.group}-{self.name}-{self.decisions}"

    def draw(self, seed: int) -> Drawn:
        """Replicate `seed`."""
        return self.world(np.random.default_rng([seed, self.decisions]), self.decisions)

    def truth(self) -> tuple[float, float]:
        """truth_world and its Monte-Carlo error, from logs of their own."""
        world = self.truth_of or self.world
        values = [
            world(np.random.default_rng([TRUTH_SEED, i]), TRUTH_DECISIONS).value
            for i in range(TRUTH_DRAWS)
        ]
        return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(TRUTH_DRAWS))


def softmax(scores: Floats, offsets: Ints, floor: float = 0.0) -> Floats:
    """A pmf a decision `(N,)`, mixed with the uniform one by `floor`."""
    sizes = np.diff(offsets)
    top = np.repeat(np.maximum.reduceat(scores, offsets[:-1]), sizes)
    mass = np.exp(scores - top)
    pmf = mass / np.repeat(np.add.reduceat(mass, offsets[:-1]), sizes)
    return np.asarray((1 - floor) * pmf + floor / np.repeat(sizes, sizes))


def greedy(scores: Floats, offsets: Ints, epsilon: float) -> Floats:
    """epsilon-greedy on `scores (N,)`; no ties."""
    sizes = np.diff(offsets)
    best = scores == np.repeat(np.maximum.reduceat(scores, offsets[:-1]), sizes)
    return np.asarray((1 - epsilon) * best + epsilon / np.repeat(sizes, sizes))


def drawn_from(rng: Rng, pmf: Floats, offsets: Ints) -> Ints:
    """The candidate drawn in each decision `(n,)`."""
    total = np.concatenate([[0.0], np.cumsum(pmf)])
    at = total[offsets[:-1]] + rng.random(len(offsets) - 1) * np.diff(total[offsets])
    found = np.searchsorted(total[1:], at, "right")
    return np.asarray(np.clip(found, offsets[:-1], offsets[1:] - 1))


def logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def _theta(scale: float) -> Floats:
    return np.random.default_rng(12_345).normal(scale=scale, size=(ACTIONS, WIDTH))


def actions(
    rng: Rng,
    n: int,
    *,
    beta: float,
    epsilon: float,
    scale: float = 1.0,
    people: float | None = None,
    each: int = 1,
) -> Drawn:
    """10 actions, N(0, I_5), Bernoulli rewards of logistic-linear means, softmax(beta q) logger.

    `people`: the standard deviation of what a user adds to every logit; about `each`
    decisions a user (Poisson, at least one).
    """
    context = rng.normal(size=(n, WIDTH))
    logit = context @ _theta(scale).T
    user = np.arange(n)
    if people is not None:
        sizes = 1 + rng.poisson(each - 1, size=2 * n // each + 10)
        user = np.repeat(np.arange(len(sizes)), sizes)[:n]
        logit += rng.normal(scale=people, size=len(sizes))[user][:, None]
    means = logistic(logit).ravel()
    offsets = np.arange(n + 1) * ACTIONS
    pi_b, pi_e = softmax(beta * means, offsets), greedy(means, offsets, epsilon)
    chosen = drawn_from(rng, pi_b, offsets)
    reward = (rng.random(n) < means[chosen]).astype(float)
    arm = np.tile(np.arange(ACTIONS), n)
    wide = np.repeat(context, ACTIONS, axis=0)
    return Drawn(offsets, wide, arm, means, pi_e, pi_b, chosen, reward, user)


def tips(rng: Rng, n: int, *, beta: float, epsilon: float = 0.1, floor: float = 0.1) -> Drawn:
    """Rewards -1, 0, 1 over 2 to 15 candidates with features as tip-v1; softmax with a floor."""
    offsets, context, arm = _tasks(rng, n)
    done, dismiss = _answers(context, arm)
    means = done - dismiss
    pi_b, pi_e = softmax(beta * means, offsets, floor), greedy(means, offsets, epsilon)
    chosen = drawn_from(rng, pi_b, offsets)
    reward = _answered(rng, done[chosen], dismiss[chosen])
    return Drawn(
        offsets, context, arm, means, pi_e, pi_b, chosen, reward, np.arange(n), (-1.0, 1.0)
    )


def _tasks(rng: Rng, n: int, sizes: Ints | None = None) -> tuple[Ints, Floats, Ints]:
    sizes = rng.integers(2, 16, n) if sizes is None else sizes
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    hour = np.repeat(rng.uniform(0, 2 * np.pi, n), sizes)
    total = int(offsets[-1])
    overdue = (rng.random(total) < 0.3).astype(float)
    age = np.minimum(1, np.log1p(rng.exponential(20, total)) / np.log(366))
    priority = rng.integers(0, 4, total) / 3
    context = np.column_stack([np.sin(hour), np.cos(hour), overdue, age, priority])
    return offsets, context, rng.integers(0, 5, total)


def _answers(context: Floats, arm: Ints) -> tuple[Floats, Floats]:
    """P(done) and P(dismiss) `(N,)`: not linear in the features."""
    own = np.random.default_rng(4_321).normal(size=(5, WIDTH))
    taste = (context * own[arm]).sum(axis=1) + context[:, 2] * context[:, 4] - 0.3
    done = 0.8 * logistic(taste)
    return done, (0.9 - done) * logistic(2 * context[:, 3] - taste - 0.5)


def _answered(rng: Rng, done: Floats, dismiss: Floats) -> Floats:
    u = rng.random(len(done))
    return np.asarray(np.where(u < done, 1.0, np.where(u > 1 - dismiss, -1.0, 0.0)))


def learning(rng: Rng, n: int, *, users: int, epsilon: float, target: float = 0.1) -> Drawn:
    """A log of a LinUCB that learns as it goes, a state a user; `users` 1: one state for all,
    and rows without users.
    """
    k = 6
    offsets, context, arm = _tasks(rng, n, np.full(n, k))
    done, dismiss = _answers(context, arm)
    policy = make(f"linucb:alpha=1,epsilon={epsilon}")
    sums = Sums.zeros(1 + 5 * users, WIDTH)
    user = np.arange(n) % users
    slot = 1 + 5 * np.repeat(user, k) + arm
    pi_b, chosen, reward = np.empty(n * k), np.empty(n, np.int64), np.empty(n)
    for start in range(0, n, users):
        rows = np.arange(start, min(start + users, n))
        at = slice(offsets[rows[0]], offsets[rows[-1] + 1])
        local = offsets[rows[0] : rows[-1] + 2] - offsets[rows[0]]
        first = 1 + 5 * user[rows]
        batch = Batch(local, context[at], slot[at], first, first + 5)
        pi_b[at] = policy.pmf(policy.score(batch, sums), local)
        chosen[rows] = drawn_from(rng, pi_b[at], local) + offsets[rows[0]]
        reward[rows] = _answered(rng, done[chosen[rows]], dismiss[chosen[rows]])
        sums.fold(slot[chosen[rows]], context[chosen[rows]], reward[rows])
    means = done - dismiss
    pi_e = greedy(means, offsets, target)
    who = np.arange(n) if users == 1 else user
    return Drawn(offsets, context, arm, means, pi_e, pi_b, chosen, reward, who, (-1.0, 1.0))


def rare(rng: Rng, n: int, *, p: float, share: float = 0.5, mean: float = 0.5) -> Drawn:
    """All the risk on one action of probability `p` that the policy takes with `share`; the
    others always pay 1.
    """
    k = 4
    offsets = np.arange(n + 1) * k
    context = np.repeat(rng.normal(size=(n, WIDTH)), k, axis=0)
    arm = np.tile(np.arange(k), n)
    pi_b = np.where(arm == 0, p, (1 - p) / (k - 1))
    pi_e = np.where(arm == 0, share, (1 - share) / (k - 1))
    means = np.where(arm == 0, mean, 1.0)
    chosen = drawn_from(rng, pi_b, offsets)
    reward = (rng.random(n) < means[chosen]).astype(float)
    return Drawn(offsets, context, arm, means, pi_e, pi_b, chosen, reward, np.arange(n))


def noisy(rng: Rng, n: int, *, p: float, light: float, mean: float) -> Drawn:
    """As `rare`, but the other actions are noisy too: they pay 1 with probability `light`."""
    drawn = rare(rng, n, p=p, mean=mean)
    means = np.where(drawn.arm == 0, mean, light)
    reward = (rng.random(n) < means[drawn.chosen]).astype(float)
    return replace(drawn, means=means, reward=reward)


def _cells() -> list[Cell]:
    out = []
    for beta, epsilon in ((1.0, 0.2), (-3.0, 0.1), (-6.0, 0.05), (-8.0, 0.02)):
        name = f"beta={beta:g},epsilon={epsilon:g}"
        world = partial(actions, beta=beta, epsilon=epsilon)
        out += [Cell("a", name, n, world) for n in (500, 2000)]
        out.append(Cell("a", name, 10_000, world, seeds=300))
        mild = partial(actions, beta=beta, epsilon=epsilon, scale=0.4)
        out += [Cell("a", f"{name},theta=0.4", n, mild) for n in (500, 2000)]
    for beta, floor in ((0.0, 0.1), (2.0, 0.1), (-2.0, 0.1), (-4.0, 0.1), (-8.0, 0.2)):
        world = partial(tips, beta=beta, floor=floor)
        out += [Cell("b", f"beta={beta:g},floor={floor:g}", n, world) for n in (500, 2000)]
    for people in (0.0, 0.5, 1.0):
        for each, n in ((20, 2000), (60, 1800)):
            world = partial(actions, beta=1.0, epsilon=0.2, people=people, each=each)
            out.append(Cell("c", f"people={n // each},sd={people:g}", n, world))
    for users in (100, 1):
        for epsilon in (0.2, 0.5):
            name = f"{'per user' if users > 1 else 'shared'},epsilon={epsilon:g}"
            world = partial(learning, users=users, epsilon=epsilon)
            at_once = partial(learning, users=TRUTH_DECISIONS, epsilon=epsilon)
            out.append(Cell("d", name, 2000, world, truth_of=at_once))
    for p, n in ((0.02, 500), (0.02, 2000), (0.005, 500), (0.005, 2000), (0.002, 500)):
        out.append(Cell("e", f"p={p:g}", n, partial(rare, p=p)))
    out.append(Cell("e", "p=0.02,mean=0.1", 500, partial(rare, p=0.02, mean=0.1)))
    out.append(Cell("e", "p=0.02,mean=0.9", 2000, partial(rare, p=0.02, mean=0.9)))
    for p, light, n in ((0.02, 0.9, 500), (0.005, 0.9, 2000), (0.002, 0.9, 1000)):
        world = partial(noisy, p=p, light=light, mean=0.5)
        out.append(Cell("e", f"p={p:g},others={light:g}", n, world))
    return out


CELLS = {cell.id: cell for cell in _cells()}
