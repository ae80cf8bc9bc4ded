"""How far two samples are apart: PSI, Kolmogorov-Smirnov, total variation; chance by users."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from policies.arrays import Floats, Ints
from replay.shift.measures import Measure, Side

FLOOR = 1e-4  # least share of a cell in PSI: an empty cell must not make it infinite
ATOM = 0.05  # share of OLD from which on a decile's value is a cell of its own
STEPS = 50  # quantiles of both logs at which chance is asked of a KS statistic
DRAWS = 999  # at least
FEW_USERS = 10.0  # of equal size, in either log; under it nobody knows how people differ
BLOCK = 2048  # users whose cells are held at a time


@dataclass(frozen=True)
class Cells:
    """Shares of one measure's cells in both logs."""

    names: tuple[str, ...]
    old: Floats  # (c,) sum 1
    new: Floats  # (c,) sum 1


def cells_of(measure: Measure) -> Cells:
    """The categories, or the deciles of OLD, (edge, next edge], with atoms apart."""
    if measure.categories:
        names, edges = measure.categories, np.arange(len(measure.categories) - 1.0)
    else:
        edges = decile_edges(measure.old.value)
        names = _ranges(edges)
    shares = [_shares(side.value, edges) for side in (measure.old, measure.new)]
    return Cells(names, shares[0], shares[1])


def decile_edges(old: Floats) -> Floats:
    """Upper ends of right-closed cells, ascending; the last cell has none.

    A decile on which at least `ATOM` of the values lie is a cell of its own, so that a flag or
    a constant cannot hide what falls below it.
    """
    deciles = np.unique(np.quantile(old, np.arange(1, 10) / 10, method="inverted_cdf"))
    heavy = np.array([np.mean(old == d) >= ATOM for d in deciles])
    return np.unique(np.concatenate([deciles, np.nextafter(deciles[heavy], -np.inf)]))


def psi(old: Floats, new: Floats) -> float:
    """Population stability index, sum (new - old) ln(new / old) over cells `(c,)` of shares.

    Jeffreys' divergence (Siddiqi, 2006, ch. 10); shares below `FLOOR` count as `FLOOR`.
    """
    p, q = np.maximum(old, FLOOR), np.maximum(new, FLOOR)
    return float(((q - p) * np.log(q / p)).sum())


def ks(old: Floats, new: Floats) -> float:
    """Two-sample Kolmogorov-Smirnov statistic: the largest gap of the distribution functions."""
    a, b = np.sort(old), np.sort(new)
    at = np.concatenate([a, b])
    gap = np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)
    return float(np.abs(gap).max())


def total_variation(old: Floats, new: Floats) -> float:
    """Half the sum of the differences of shares: the mass that would have to move."""
    return float(np.abs(new - old).sum() / 2)


def equal_users(user: Ints) -> float:
    """n^2 / sum n_u^2: how many users of equal size would say as much (Kish, 1965)."""
    sizes = np.bincount(user).astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes @ sizes))


def chances(measures: Sequence[Measure], users: int, seed: int) -> list[float | None]:
    """p of each measure: how often no drift, but other people, would be as far apart.

    Wild cluster bootstrap with the null imposed (Cameron, Gelbach & Miller, 2008) of KS or total
    variation: what a user has in a cell beyond the share of both logs together is summed (over
    both logs if the user is in both) and takes one random sign a draw, the same for every
    measure. None: fewer than `FEW_USERS` users of equal size in either log.
    """
    told = [
        i
        for i, m in enumerate(measures)
        if min(equal_users(m.old.user), equal_users(m.new.user)) >= FEW_USERS
    ]
    asked = [_Asked(measures[i]) for i in told]
    draws = max(DRAWS, 40 * len(measures) - 1)  # so that Holm's correction can reach 0.025
    moved = [np.zeros((draws, a.count)) for a in asked]
    for block in range(-(-users // BLOCK) if asked else 0):
        first, last = block * BLOCK, min((block + 1) * BLOCK, users)
        rng = np.random.Generator(np.random.Philox(key=[seed, block]))
        signs = rng.integers(0, 2, (draws, last - first)) * 2.0 - 1.0
        for a, total in zip(asked, moved, strict=True):
            total += signs @ a.influence(first, last)
    out: list[float | None] = [None] * len(measures)
    for i, a, total in zip(told, asked, moved, strict=True):
        least = a.distance(a.gap[None, :])[0] * (1 - 1e-9)  # equal but for rounding is as far
        out[i] = float((1 + np.sum(a.distance(total) >= least)) / (1 + draws))
    return out


def holm(chance: Sequence[float | None]) -> list[float | None]:
    """p corrected for all that is asked at once (Holm, 1979); None stays None."""
    known = [(p, i) for i, p in enumerate(chance) if p is not None]
    out: list[float | None] = [None] * len(chance)
    largest = 0.0
    for rank, (p, i) in enumerate(sorted(known)):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        out[i] = largest
    return out


class _Asked:
    """One measure in cells fine enough for its distance, ready to be summed within users."""

    def __init__(self, measure: Measure):
        self.ordered = not measure.categories
        if measure.categories:
            edges = np.arange(len(measure.categories) - 1.0)
        else:
            both = [np.quantile(s.value, np.arange(1, STEPS) / STEPS, method="inverted_cdf")
                    for s in (measure.old, measure.new)]  # fmt: skip
            edges = np.unique(np.concatenate(both))
        self.count = len(edges) + 1
        self.sides = [_Summed(side, edges) for side in (measure.old, measure.new)]
        old, new = self.sides
        self.gap = new.share - old.share
        sizes = [len(s.cell) for s in self.sides]
        self.null = (old.share * sizes[0] + new.share * sizes[1]) / sum(sizes)

    def influence(self, first: int, last: int) -> Floats:
        """What users `first:last` add to new minus old shares were there no drift, `(u, c)`."""
        old, new = (side.influence(first, last, self.null) for side in self.sides)
        return new - old

    def distance(self, gap: Floats) -> Floats:
        """(B,) of gaps `(B, c)`."""
        found: Floats
        if self.ordered:
            found = np.abs(np.cumsum(gap, axis=1)).max(axis=1)
        else:
            found = np.abs(gap).sum(axis=1) / 2
        return found


class _Summed:
    """One log's cells in the order of its users."""

    def __init__(self, side: Side, edges: Floats):
        order = np.argsort(side.user, kind="stable")
        self.user = side.user[order]
        self.cell = np.searchsorted(edges, side.value[order], "left")
        self.count = len(edges) + 1
        self.share = np.bincount(self.cell, minlength=self.count) / len(self.cell)

    def influence(self, first: int, last: int, null: Floats) -> Floats:
        start, stop = np.searchsorted(self.user, [first, last], "left")
        key = (self.user[start:stop] - first) * self.count + self.cell[start:stop]
        counts = np.bincount(key, minlength=(last - first) * self.count)
        counts = counts.reshape(last - first, self.count).astype(np.float64)
        size = counts.sum(axis=1, keepdims=True)
        # 1 - size / n as in the jackknife (CR3): a large user pulls the share towards itself
        found: Floats = (counts - size * null) / (len(self.cell) - size)
        return found


def _shares(value: Floats, edges: Floats) -> Floats:
    cell = np.searchsorted(edges, value, "left")
    return np.bincount(cell, minlength=len(edges) + 1) / len(value)


def _ranges(edges: Floats) -> tuple[str, ...]:
    """What lies in each cell; an atom by its value."""
    atoms = np.nextafter(edges[1:], -np.inf) == edges[:-1]
    out = [f"< {edges[1]:.4g}" if len(atoms) and atoms[0] else f"<= {edges[0]:.4g}"]
    for (low, high), atom in zip(pairwise(edges), atoms, strict=True):
        out.append(f"= {high:.4g}" if atom else f"{low:.4g} to {high:.4g}")
    return (*out, f"> {edges[-1]:.4g}")
