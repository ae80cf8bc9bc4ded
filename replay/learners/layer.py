"""One layer of the reward model: a Bayesian regression within groups, its prior from the data."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from policies.arrays import Floats, Ints
from replay.learners.drift import HYPOTHESES, STILL, Hypothesis

RATIOS = (0.0, *(10.0 ** (e / 2) for e in range(-8, 3)))  # prior variance / noise variance
SCALES = (1.0, 3.0)  # of the prior variances beside a drift
SWEEPS = 3
CHUNK = 4096  # rows at once, where each needs a matrix of its own
LEAST_WEIGHT = 0.01  # of a hypothesis that is kept
FINER = 10.0 ** (np.arange(-3, 4) / 12)  # between two of them


class Rows(NamedTuple):
    """Decisions as a layer sees them."""

    features: Floats  # (n, p)
    group: Ints  # (n,)
    block: Ints  # (n,)
    groups: int  # G
    blocks: int  # J, 1 where nothing moves


class _Moments(NamedTuple):
    """Sufficient statistics by group and block."""

    gram: Floats  # (G, J, p, p)
    moment: Floats  # (G, J, p)
    square: float
    n: int


@dataclass(frozen=True)
class _Option:
    """A hypothesis with its prior: what is drawn given it."""

    hypothesis: Hypothesis
    root_prior: Floats  # (p,) square roots of prior variances over noise variance
    noise: float  # variance
    factor: Floats  # (G, rp, rp) Cholesky of I + S S'

    def given(self, moment: Floats, rng: np.random.Generator | None = None) -> Floats:
        """Coefficients `(G, J, p)` given the moments: a draw, or without `rng` their mean.

        theta = noise^1/2 root z root_prior, z ~ N(A^-1 right, A^-1), A = I + S S'.
        """
        root, lower, scale = self.hypothesis.root, self.factor, math.sqrt(self.noise)
        right = np.linalg.solve(lower, _right(moment, root, self.root_prior)[..., None] / scale)
        if rng is not None:
            right = right + rng.standard_normal(right.shape)
        z = np.linalg.solve(lower.transpose(0, 2, 1), right)[..., 0]
        z = z.reshape(len(z), root.shape[1], -1) * self.root_prior
        theta: Floats = scale * np.einsum("jr,grp->gjp", root, z)
        return theta


@dataclass(frozen=True)
class Layer:
    """Coefficients theta[group, block] of one layer, as a posterior that can be drawn from."""

    options: list[_Option]
    weight: Floats  # (len(options),) posterior probabilities

    def draw(self, rows: Rows, y: Floats, rng: np.random.Generator | None = None) -> Floats:
        """Coefficients `(G, J, p)` given `y (n,)`, what the layers before it leave.

        Without `rng` their posterior mean over all hypotheses.
        """
        moment = _moment(rows, y)
        if rng is None:
            parts = zip(self.weight, self.options, strict=True)
            return np.asarray(sum(weight * o.given(moment) for weight, o in parts))
        return self.options[rng.choice(len(self.options), p=self.weight)].given(moment, rng)

    def variance(self, rows: Rows) -> Floats:
        """Posterior variance `(n,)` of the scores of `rows`, by the likeliest hypothesis."""
        option = self.options[int(self.weight.argmax())]
        inverse = np.linalg.inv(option.factor)
        out = np.empty(len(rows.group))
        for start in range(0, len(out), CHUNK):
            part = slice(start, start + CHUNK)
            time = option.hypothesis.root[rows.block[part]]  # (c, r)
            scaled = time[:, :, None] * (rows.features[part] * option.root_prior)[:, None, :]
            half = np.einsum("nij,nj->ni", inverse[rows.group[part]], scaled.reshape(len(time), -1))
            out[part] = option.noise * (half**2).sum(axis=1)
        return out

    def prior(self) -> float:
        """Prior variance of a score at standardised features, by the likeliest hypothesis."""
        option = self.options[int(self.weight.argmax())]
        return option.noise * float((option.root_prior**2).sum())

    def share(self, kind: str) -> float:
        """Posterior probability of a kind of hypothesis."""
        kinds = np.array([o.hypothesis.kind == kind for o in self.options])
        return float(self.weight[kinds].sum())


def refitted(layer: Layer, rows: Rows, y: Floats, floor: float) -> Layer:
    """The layer with its priors, on further `y (n,)`."""
    found = _moments(rows, y)
    made = [_option(found, o.hypothesis, o.root_prior, floor) for o in layer.options]
    return Layer(made, layer.weight)


def given(rows: Rows, y: Floats, classes: list[Ints], variance: Floats, noise: float) -> Layer:
    """The layer of `y (n,)` with known prior variances, one a class, and noise variance."""
    root_prior = _spread(variance / noise, classes)
    lower = _factor(_moments(rows, y), STILL[0].root, root_prior)
    return Layer([_Option(STILL[0], root_prior, noise, lower)], np.ones(1))


def fitted(rows: Rows, y: Floats, classes: list[Ints], floor: float) -> Layer:
    """The layer of `y (n,)`: prior variances by maximal marginal likelihood.

    `classes`: columns of the features that share one prior variance (empirical Bayes;
    Efron & Morris, 1973). With more than one block, coefficients may have drifted: each
    hypothesis has its posterior probability. `floor`: the least noise variance.
    """
    found = _moments(rows, y)
    moves = rows.blocks > 1
    hypotheses = HYPOTHESES if moves else STILL
    ratio = _ascended(found, hypotheses[0].root, classes, np.full(len(classes), 0.01))
    tried = [(h, ratio * s) for h in hypotheses for s in (SCALES if h.kind != "static" else (1.0,))]
    score = np.array([_likelihood(found, h.root, _spread(r, classes)) for h, r in tried])
    if moves:
        best = tried[int(score[1:].argmax()) + 1]
        moving = _ascended(found, best[0].root, classes, best[1])
        again = [(h, moving) for h in hypotheses if h.kind != "static"]
        score = np.append(
            score, [_likelihood(found, h.root, _spread(r, classes)) for h, r in again]
        )
        tried += again
    options, scores = [], []
    for h in hypotheses:
        mine = [i for i, (g, _) in enumerate(tried) if g is h]
        at = max(mine, key=lambda i: score[i])
        scores.append(score[at] + math.log(h.prior))
        options.append((h, tried[at][1]))
    weight = np.exp(np.array(scores) - max(scores))
    weight /= weight.sum()
    kept = [i for i in range(len(options)) if weight[i] > LEAST_WEIGHT]
    made = [_option(found, options[i][0], _spread(options[i][1], classes), floor) for i in kept]
    return Layer(made, weight[kept] / weight[kept].sum())


def _spread(ratio: Floats, classes: list[Ints]) -> Floats:
    """Square roots of the prior variances, one a feature."""
    out = np.empty(sum(len(c) for c in classes))
    for value, columns in zip(ratio, classes, strict=True):
        out[columns] = math.sqrt(value)
    return out


def _ascended(found: _Moments, root: Floats, classes: list[Ints], start: Floats) -> Floats:
    """Prior variances by coordinate ascent: over `RATIOS`, then between its neighbours."""
    ratio = start.copy()
    for fine in (False, True):
        for _ in range(SWEEPS):
            before = ratio.copy()
            for k in range(len(classes)):
                values = ratio[k] * FINER if fine else np.array(RATIOS)
                trials = []
                for value in values:
                    ratio[k] = value
                    trials.append(_likelihood(found, root, _spread(ratio, classes)))
                ratio[k] = values[int(np.argmax(trials))]
            if (ratio == before).all():
                break
    return ratio


def _likelihood(found: _Moments, root: Floats, root_prior: Floats) -> float:
    """Log marginal likelihood, the noise variance profiled out."""
    lower = _factor(found, root, root_prior)
    logdet = 2 * float(np.log(np.diagonal(lower, axis1=1, axis2=2)).sum())
    return -found.n / 2 * math.log(_noise(found, root, root_prior, lower)) - logdet / 2


def _noise(found: _Moments, root: Floats, root_prior: Floats, lower: Floats) -> float:
    right = _right(found.moment, root, root_prior)
    half = np.linalg.solve(lower, right[..., None])
    return max((found.square - float((half**2).sum())) / found.n, 1e-12)


def _factor(found: _Moments, root: Floats, root_prior: Floats) -> Floats:
    """Cholesky of I + S S', S the features under the prior's root, `(G, rp, rp)`."""
    groups, _, p, _ = found.gram.shape
    r = root.shape[1]
    if r == 1:
        inner = found.gram.sum(axis=1)[:, None, :, None, :]
    else:
        pairs = (root[:, :, None] * root[:, None, :]).reshape(len(root), r * r)
        flat = found.gram.reshape(groups, len(root), p * p)
        inner = (pairs.T @ flat).reshape(groups, r, r, p, p).transpose(0, 1, 3, 2, 4)
    scaled = inner * root_prior[:, None, None] * root_prior
    square = scaled.reshape(groups, r * p, r * p) + np.eye(r * p)
    return np.linalg.cholesky(square)


def _right(moment: Floats, root: Floats, root_prior: Floats) -> Floats:
    inner = np.einsum("jr,gjp->grp", root, moment) * root_prior
    return np.asarray(inner.reshape(len(moment), -1))


def _option(found: _Moments, hypothesis: Hypothesis, root_prior: Floats, floor: float) -> _Option:
    lower = _factor(found, hypothesis.root, root_prior)
    noise = max(_noise(found, hypothesis.root, root_prior, lower), floor)
    return _Option(hypothesis, root_prior, noise, lower)


def _moment(rows: Rows, y: Floats) -> Floats:
    """sum of y x by group and block, `(G, J, p)`."""
    cell, cells = rows.group * rows.blocks + rows.block, rows.groups * rows.blocks
    columns = [np.bincount(cell, x * y, cells) for x in rows.features.T]
    found: Floats = np.stack(columns, axis=1).astype(np.float64)
    return found.reshape(rows.groups, rows.blocks, -1)


def _moments(rows: Rows, y: Floats) -> _Moments:
    cell, cells = rows.group * rows.blocks + rows.block, rows.groups * rows.blocks
    x = rows.features.T
    p = len(x)
    gram = np.empty((rows.groups, rows.blocks, p, p))
    for i in range(p):
        for j in range(i + 1):
            column = np.bincount(cell, x[i] * x[j], cells).reshape(rows.groups, rows.blocks)
            gram[:, :, i, j] = gram[:, :, j, i] = column
    return _Moments(gram, _moment(rows, y), float(y @ y), len(y))
