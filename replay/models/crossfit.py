"""q_hat of any model with `fit` and `predict`, cross-fitted by user."""

from typing import Any

import numpy as np

from policies.arrays import Floats, Ints
from policies.errors import BadInput
from replay.models.named import RewardModel
from replay.models.ridge import FOLDS
from replay.rounds import NotComputable


def cross_fitted_by(
    model: RewardModel,
    context: Floats,
    arm: Ints,
    chosen: Ints,
    reward: Floats,
    fold: Ints,
    fold_of_candidate: Ints,
) -> Floats:
    """q_hat `(N,)` of every candidate, by a fresh model that never saw its user.

    `X (rows, d + 1)` is the context with the arm's code behind it; the other arguments are
    those of `replay.model.cross_fitted`, and so are the folds. Raises `NotComputable` with
    fewer than two folds, `BadInput` where the model fails, or predicts anything but one
    finite number a row.
    """
    if len(np.unique(fold)) < 2:
        raise NotComputable("q_hat cannot be cross-fitted: it needs at least two users")
    assert model.fresh is not None
    x = np.column_stack([context, arm.astype(float)])
    q_hat = np.empty(len(x))
    for k in range(FOLDS):
        asked = np.flatnonzero(fold_of_candidate == k)
        if not len(asked):
            continue
        kept = chosen[fold != k]
        q_hat[asked] = _predicted(model, x[kept], reward[fold != k], x[asked])
    return q_hat


def _predicted(model: RewardModel, seen: Floats, reward: Floats, asked: Floats) -> Floats:
    who = f"model {model.name!r}"
    assert model.fresh is not None
    try:
        fitted: Any = model.fresh()
        fitted.fit(seen, reward)
        given = np.asarray(fitted.predict(asked), dtype=np.float64)
    except Exception as error:  # somebody else's code
        raise BadInput(who, f"failed: {type(error).__name__}: {error}") from error
    if given.shape != (len(asked),):
        raise BadInput(who, f"must predict one number a row, ({len(asked)},)", given.shape)
    if not np.isfinite(given).all():
        raise BadInput(who, "must predict finite numbers", given[~np.isfinite(given)][0].item())
    return given
