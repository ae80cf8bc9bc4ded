"""How people differ from q_hat: variances by moments, and draws of what each person adds."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Floats, Ints

Rng = np.random.Generator
LEAST_NOISE = 1e-12  # variance of what is left where the model explains it all
Sums = tuple[Floats, ...]  # of ones, residuals, squares in each group


@dataclass(frozen=True)
class Level:
    """Groups nested in those of the level above: its effects given that level's, normal."""

    edges: Ints  # (g+1,) user u has the groups edges[u]:edges[u+1]
    parent: Ints  # (S,) the group above, counted within the user
    sd: float  # of the effects in the world
    mean: Floats  # (S,) mean residual less what the levels below are thought to add
    kept: Floats  # (S,) the share of (mean - effects above) that is believed
    left: Floats  # (S,) standard deviation of what is not known


@dataclass(frozen=True)
class Effects:
    """What a person adds to q_hat for all candidates, for an arm's, and for a single one.

    What the log says of a person is kept: effects are drawn from their posterior given the
    log's residuals, so a policy that learned a person's taste meets that taste, and the spread
    over people is that of the moments.
    """

    levels: tuple[Level, Level, Level]  # people, their arms, their candidates
    noise: float  # standard deviation of what is left
    shift: Floats  # (kinds,) to add to q_hat of each arm of the log

    @property
    def edges(self) -> Ints:
        """(g+1,) user u has the candidates edges[u]:edges[u+1]."""
        return self.levels[2].edges

    def draw(self, rng: Rng, people: Ints) -> tuple[Floats, Ints]:
        """(effect, starts): those of person p are `effect[starts[p]:starts[p+1]]`, in order.

        `people (P,)` are user codes; each draw is fresh, also for the same user twice.
        """
        above, above_starts = np.zeros(len(people)), np.arange(len(people) + 1)
        for level in self.levels:
            at, owner, starts = blocks(level.edges, people)
            known = above[above_starts[owner] + level.parent[at]]
            own = level.kept[at] * (level.mean[at] - known)
            above = known + own + level.left[at] * rng.normal(size=len(at))
            above_starts = starts
        return above, above_starts


def blocks(edges: Ints, people: Ints) -> tuple[Ints, Ints, Ints]:
    """Ranges edges[u]:edges[u+1] of `people (P,)` one after the other.

    Returns (index `(Q,)`, the person of each `(Q,)`, starts `(P+1,)`).
    """
    sizes = (edges[people + 1] - edges[people]).astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    owner = np.repeat(np.arange(len(people)), sizes)
    return np.arange(starts[-1]) - starts[owner] + edges[people][owner], owner, starts


def effects_of(residual: Floats, group: Ints, arm: Ints, user: Ints, kind: Ints) -> Effects:
    """Effects of residuals `(n,)`, each of a user's candidate `group (n,)`, codes below S.

    `arm (S,)`, of each candidate its user's arm, codes; `user (A,)` the user of each of those;
    both ascending; `kind (A,)` which arm of the log it is.

    What is liked gets done and is seen once, what is not is seen again and again: q_hat, a mean
    over decisions, is too low for the mean over candidates. `shift` is the difference of the two
    means of the residuals: by candidates (generalised least squares) less by decisions.

    Variances by moments: two residuals of one person have a product of mean
    sd_user^2, of one arm sd_arm^2 more, of one candidate sd_candidate^2 more (Henderson's
    method 1, 1953, with products for sums of squares).
    """
    g = int(user[-1]) + 1
    ones = np.ones(len(residual))
    sums = tuple(_total(group, x, len(arm)) for x in (ones, residual, residual**2))
    n, total, square = sums
    of_arm = tuple(_total(arm, x, len(user)) for x in sums)
    of_user = tuple(_total(user, x, g) for x in of_arm)
    people, arms, candidates = _variances([sums, of_arm, of_user])
    overall = float(square.sum() / n.sum())
    noise = max(overall - people - arms - candidates, 1e-9 * overall, LEAST_NOISE)
    mean = np.divide(total, n, out=np.zeros(len(n)), where=n > 0)
    weight = n / noise / (1 + candidates * n / noise)
    apart = _gathered(arm, len(user), weight, mean)
    weight = apart[0] / (1 + (people + arms) * apart[0])
    kinds = int(kind.max()) + 1
    by_candidate = _gathered(kind, kinds, weight, apart[1])[1]
    seen_of, total_of = _total(kind, of_arm[0], kinds), _total(kind, of_arm[1], kinds)
    shift = by_candidate - np.divide(total_of, seen_of, out=np.zeros(kinds), where=seen_of > 0)
    mean -= shift[kind[arm]]
    everyone = np.arange(g + 1)
    edges = np.searchsorted(user, everyone), np.searchsorted(user[arm], everyone)
    lowest, seen = _level(edges[1], arm - edges[0][user[arm]], candidates, n / noise, mean)
    upward = _gathered(arm, len(user), *seen)
    middle, seen = _level(edges[0], np.zeros(len(user), np.int64), arms, *upward)
    upward = _gathered(user, g, *seen)
    top, _ = _level(everyone, np.zeros(g, np.int64), people, *upward)
    return Effects((top, middle, lowest), noise**0.5, shift)


def _level(
    edges: Ints, parent: Ints, variance: float, precision: Floats, mean: Floats
) -> tuple[Level, tuple[Floats, Floats]]:
    """A level whose groups were seen with `mean (S,)` of `precision (S,)`, and what they say.

    That is the (precision, mean) with which each group speaks of the level above.
    """
    kept = variance * precision / (1 + variance * precision)
    left = np.sqrt(variance * (1 - kept))
    weight = precision / (1 + variance * precision)
    return Level(edges, parent, variance**0.5, mean, kept, left), (weight, mean)


def _gathered(parent: Ints, count: int, weight: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """(precision, mean) of each group above, from those that speak of it."""
    precision, total = _total(parent, weight, count), _total(parent, weight * mean, count)
    return precision, np.divide(total, precision, out=np.zeros(count), where=precision > 0)


def _total(group: Ints, values: Floats, groups: int) -> Floats:
    return np.bincount(group, values, groups).astype(np.float64)


def _variances(nested: list[Sums]) -> tuple[float, float, float]:
    """(of people, of their arms, of their candidates), from sums by candidate, arm, user."""
    products = [float((total**2 - square).sum()) for _, total, square in nested]
    pairs = [float((n**2 - n).sum()) for n, _, _ in nested]
    # of pairs in this group that are in no smaller one
    apart = [(products[0], pairs[0])] + [
        (products[i] - products[i - 1], pairs[i] - pairs[i - 1]) for i in (1, 2)
    ]
    found: list[float] = []
    for product, count in reversed(apart):  # people first; a smaller group is no less alike
        least = found[-1] if found else 0.0
        found.append(max(least, product / count) if count > 0 else least)
    return found[0], found[1] - found[0], found[2] - found[1]
