"""The reward model q_hat: ridge by arm on top of a common ridge, cross-fitted by user."""

import hashlib
from collections.abc import Sequence

import numpy as np

from policies.arrays import Floats, Ints
from replay.rounds import NotComputable

FOLDS = 5
PENALTY = 1.0  # ridge, on everything but the common intercept


def folds(user_names: Sequence[str]) -> Ints:
    """The fold of each user `(g,)`, a function of the id alone: no order, no seed."""
    ranks = [hashlib.blake2b(u.encode(), digest_size=8, key=b"fold").digest() for u in user_names]
    fold = np.empty(len(user_names), np.int64)
    fold[np.argsort(np.array(ranks), kind="stable")] = np.arange(len(user_names)) % FOLDS
    return fold


def cross_fitted(
    context: Floats,
    arm: Ints,
    arms: int,
    chosen: Ints,
    reward: Floats,
    fold: Ints,
    fold_of_candidate: Ints,
) -> Floats:
    """q_hat `(N,)` of every candidate, by a model that never saw its user.

    `context (N, d)`, `arm (N,)` codes below `arms`; `chosen (n,)` are the candidates whose
    `reward (n,)` is known, `fold (n,)` their users' folds (Chernozhukov et al., 2018,
    definition 3.1). Raises `NotComputable` with fewer than two folds, or where the features
    leave no finite model.
    """
    if len(np.unique(fold)) < 2:
        raise NotComputable("q_hat cannot be cross-fitted: it needs at least two users")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            q_hat = _fitted(context, arm, arms, chosen, reward, fold, fold_of_candidate)
    except np.linalg.LinAlgError:
        q_hat = np.full(len(context), np.nan)
    if not np.isfinite(q_hat).all():
        raise NotComputable("q_hat cannot be fitted: the features are too large or too alike")
    return q_hat


def _fitted(
    context: Floats,
    arm: Ints,
    arms: int,
    chosen: Ints,
    reward: Floats,
    fold: Ints,
    fold_of_candidate: Ints,
) -> Floats:
    x = np.column_stack([np.ones(len(context)), context])  # (N, p)
    seen = x[chosen]
    p = x.shape[1]
    penalty = PENALTY * np.diag(np.r_[0.0, np.ones(p - 1)]) + 1e-9 * np.eye(p)
    common = np.empty((FOLDS, p))
    for k in range(FOLDS):
        kept = seen[fold != k]
        common[k] = np.linalg.solve(kept.T @ kept + penalty, kept.T @ reward[fold != k])
    gram = np.empty((FOLDS, arms, p, p))
    moment = np.empty((FOLDS, arms, p))
    held = arm[chosen]
    for k in range(FOLDS):
        kept, at, rest = seen[fold != k], held[fold != k], reward[fold != k]
        rest = rest - kept @ common[k]
        for i in range(p):
            moment[k, :, i] = np.bincount(at, kept[:, i] * rest, arms)
            for j in range(i + 1):
                gram[k, :, i, j] = np.bincount(at, kept[:, i] * kept[:, j], arms)
                gram[k, :, j, i] = gram[k, :, i, j]
    own = np.linalg.solve(gram + PENALTY * np.eye(p), moment[..., None])[..., 0]  # (F, arms, p)
    theta = common[:, None, :] + own
    q_hat: Floats = np.einsum("ij,ij->i", x, theta[fold_of_candidate, arm])
    return q_hat
