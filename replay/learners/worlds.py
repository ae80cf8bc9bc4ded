"""Worlds that may have made a log: draws from the posterior of its mean rewards."""

from dataclasses import dataclass, replace

import numpy as np

from policies.arrays import Floats, Ints
from replay.learners.components import components
from replay.learners.course import Course
from replay.learners.drift import BLOCKS
from replay.learners.layer import Layer, Rows, fitted, given, refitted
from replay.learners.link import Link
from replay.models.ridge import folds
from replay.rounds import NotComputable

POPULATION = 3  # layers that speak of everybody: common, arm and curve
LEAST_SPREAD = 1e-9  # of a feature, below which it tells nothing
MOST_CURVES = 120  # squares and products of features: 15 features have as many
MOST_MOVING = 17  # columns, beyond which matrices over time are too large
MOST_ENTRIES = 50_000_000  # of the matrices of all users and arms
NEWTON_STEPS = 4  # the first and the last find the priors anew


@dataclass(frozen=True)
class Plan:
    """Which layers there are: each on what the ones before it leave."""

    every: list[Rows]  # all candidates
    classes: list[list[Ints]]  # a layer's columns with a common prior
    chosen: Ints  # (m,) the candidates whose reward is known
    reward: Floats  # (m,)
    fold: Ints  # (m,) users' folds


@dataclass(frozen=True)
class Worlds:
    """Layers fitted to the working response of a link."""

    plan: Plan
    link: Link
    weighted: list[Rows]  # the chosen candidates, their features by the root of their weight
    response: Floats  # (m,) by the root of its weight
    layers: list[Layer]

    def draw(self, rng: np.random.Generator | None = None) -> Floats:
        """Mean rewards `(N,)` of one world; without `rng` at the mean of the coefficients."""
        rest = self.response
        score = np.zeros(len(self.plan.every[0].group))
        for layer, seen, every in zip(self.layers, self.weighted, self.plan.every, strict=True):
            theta = layer.draw(seen, rest, rng)
            rest = rest - at(seen, theta)
            score += at(every, theta)
        return self.link.mean(score)

    def moved(self) -> float:
        """Posterior probability that the arms, or all of them together, moved during the log."""
        return max(1 - layer.share("static") for layer in self.layers[:2])

    def curved(self) -> float:
        """Share of the arms' prior variance that is in squares and products of features."""
        arm, curve = (layer.prior() for layer in self.layers[1:POPULATION])
        return curve / (arm + curve) if arm + curve > 0 else 0.0


def worlds_of(plan: Plan, link: Link) -> Worlds:
    """The layers by Newton steps, priors from the data."""
    start = np.full(len(plan.reward), link.start(plan.reward))
    steps = NEWTON_STEPS if link.bounded else 1
    score, found = _stepped(plan, link, start, POPULATION, steps, [])
    if len(plan.every) == POPULATION:
        return found
    apart = _apart(plan, link, score, found.layers)
    share, slope = link.local(apart, plan.reward)
    people = [_chosen(r, plan.chosen) for r in plan.every[POPULATION:]]
    rest = (plan.reward - link.mean(apart)) / share
    priors = components(people, plan.classes[-1], rest, slope, link.bounded)
    _, found = _stepped(plan, link, score, len(plan.every), steps, found.layers, priors)
    return found


def _apart(plan: Plan, link: Link, score: Floats, layers: list[Layer]) -> Floats:
    """Scores `(m,)` of the population's layers, by a fit that never saw the row's user.

    What a user's own rewards pull the fit toward would else hide how much people differ.
    """
    out = np.empty(len(score))
    for k in np.unique(plan.fold):
        held = plan.fold == k
        kept = replace(plan, chosen=plan.chosen[~held], reward=plan.reward[~held])
        _, found = _stepped(kept, link, score[~held], POPULATION, 2, layers, search=False)
        rest, total = found.response, np.zeros(held.sum())
        for layer, seen, every in zip(found.layers, found.weighted, plan.every, strict=False):
            theta = layer.draw(seen, rest)
            rest = rest - at(seen, theta)
            total += at(_chosen(every, plan.chosen[held]), theta)
        out[held] = total
    return out


def _stepped(
    plan: Plan,
    link: Link,
    score: Floats,
    depth: int,
    steps: int,
    layers: list[Layer],
    people: tuple[list[Floats], float] | None = None,
    search: bool = True,
) -> tuple[Floats, Worlds]:
    """`steps` Newton steps of the first `depth` layers from `score (m,)`: where they lead."""
    layers = list(layers)
    spread, floor = np.zeros(len(score)), link.dispersion(plan.reward)
    for step in range(steps):
        response, weight = link.working(score, plan.reward, spread)
        root = np.sqrt(weight)
        weighted = [_chosen(r, plan.chosen, root) for r in plan.every[:depth]]
        rest = response * root
        score = np.zeros(len(rest))
        for i, rows in enumerate(weighted):
            if i >= POPULATION and people is not None:
                layer = given(rows, rest, plan.classes[i], people[0][i - POPULATION], people[1])
            elif search and step in (0, steps - 1):
                layer = fitted(rows, rest, plan.classes[i], floor)
            else:
                layer = refitted(layers[i], rows, rest, floor)
            layers[i : i + 1] = [layer]
            part = at(rows, layer.draw(rows, rest))
            rest = rest - part
            score += part / root
        parts = [layer.variance(r) for layer, r in zip(layers, weighted, strict=False)]
        spread = np.sum(parts, axis=0) / weight
    return score, Worlds(plan, link, weighted, response * root, layers)


def _chosen(rows: Rows, chosen: Ints, root: Floats | None = None) -> Rows:
    features = rows.features[chosen]
    if root is not None:
        features = features * root[:, None]
    return rows._replace(features=features, group=rows.group[chosen], block=rows.block[chosen])


def plan_of(course: Course) -> Plan:
    """Layers common, arm, curve, and where users decide more than once user, user and arm.

    Common and arm may move during the log, of at most `MOST_MOVING` - 1 features. Curve is
    what squares and products of features add by arm; it and what is a user's own stay. What is
    a user's own is left out where its matrices are too many to hold.
    """
    log = course.log
    rows = np.flatnonzero(np.isfinite(course.reward))
    if len(rows) < 2:
        raise NotComputable("q_hat cannot be fitted: fewer than two rewards are known")
    z, classes = _features(log.context)
    bent = _curves(z)
    sizes = np.diff(log.offsets)
    user = np.repeat(_by_name(log.user, log.user_names), sizes)
    arm = _by_name(log.arm, log.arm_names)
    blocks = np.repeat(course.rank * BLOCKS // len(log), sizes)
    arms, users = len(log.arm_names), len(log.user_names)
    still = np.zeros(len(z), np.int64)
    p = z.shape[1]
    moving = (blocks, BLOCKS) if p <= MOST_MOVING else (still, 1)
    layers = [
        Rows(z, still, moving[0], 1, moving[1]),
        Rows(z, arm, moving[0], arms, moving[1]),
        Rows(bent, arm, still, arms, 1),
    ]
    kinds = [classes, classes, [np.arange(bent.shape[1])]]
    names, pair = np.unique(user * arms + arm, return_inverse=True)
    if 1 < users < len(rows) and len(names) * p * p <= MOST_ENTRIES:
        layers += [Rows(z, user, still, users, 1), Rows(z, pair, still, len(names), 1)]
        kinds += [classes, classes]
    fold = folds(log.user_names)[log.user[rows]]
    return Plan(layers, kinds, log.chosen[rows], course.reward[rows], fold)


def _by_name(code: Ints, names: list[str]) -> Ints:
    """Codes in the order of names: a draw must not depend on the order of rows."""
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(np.array(names), kind="stable")] = np.arange(len(names))
    return rank[code]


def _features(context: Floats) -> tuple[Floats, list[Ints]]:
    """1 and the standardised context `(N, p)`; classes of columns with a common prior."""
    spread = context.std(axis=0)
    kept = spread > LEAST_SPREAD * np.maximum(1.0, np.abs(context).max(axis=0))
    z = (context[:, kept] - context[:, kept].mean(axis=0)) / spread[kept]
    out = np.column_stack([np.ones(len(context)), z])
    classes = [np.array([0]), np.arange(1, out.shape[1])]
    return out, [c for c in classes if len(c)]


def _curves(z: Floats) -> Floats:
    """Squares and products of the features `(N, q)`, standardised; one column of 0 if too many."""
    x = z[:, 1:]
    i, j = np.triu_indices(x.shape[1])
    if not 0 < len(i) <= MOST_CURVES:
        return np.zeros((len(z), 1))
    products = x[:, i] * x[:, j]
    spread = products.std(axis=0)
    kept = spread > LEAST_SPREAD
    if not kept.any():
        return np.zeros((len(z), 1))
    found: Floats = (products[:, kept] - products[:, kept].mean(axis=0)) / spread[kept]
    return found


def at(rows: Rows, theta: Floats) -> Floats:
    """Scores `(n,)` of coefficients `(G, J, p)`."""
    found: Floats = np.einsum("np,np->n", rows.features, theta[rows.group, rows.block])
    return found
