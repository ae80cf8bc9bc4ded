"""`train --prior`: a population's prior from a log, its strength chosen on people it never saw."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Floats, Ints
from policies.errors import BadInput
from policies.prior import SCHEMA, know
from policies.state import decision_hash
from replay.history.order import arrivals, order_of
from replay.priors.fit import Belief, Pairs, cold, fit

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
FOLDS = 5
FIRST = 50  # feedbacks of a person and arm that the strength is judged by
FEWEST_USERS = 5  # of an arm that gets its own prior
SKETCH = 512  # hashes of decisions kept, to know a log again that was learned from


@dataclass(frozen=True)
class TrainedPrior:
    """A prior as it is kept, and how its strength was chosen."""

    text: str
    name: str  # sha256:…, of the text
    arms: int
    users: int
    feedbacks: int
    strength: float
    loss: Mapping[str, float]  # strength, or "cold" -> mean squared error on held-out people

    def write(self, path: Path) -> None:
        """Writes the file whole or not at all. Raises `BadInput` where it cannot be."""
        if path.is_dir():
            raise BadInput(str(path), "must be a file, a prior is one")
        if not path.parent.is_dir():
            raise BadInput(str(path), "the directory does not exist", str(path.parent))
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(self.text.encode())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(part, 0o666 & ~mask)
        os.replace(part, path)


@dataclass(frozen=True)
class _History:
    """m feedbacks by person and arm, then by time; pair p is rows start[p]:start[p+1]."""

    context: Floats  # (m, d)
    reward: Floats  # (m,)
    start: Ints  # (P+1,)
    arm: Ints  # (P,)
    user: Ints  # (P,)

    @property
    def pairs(self) -> Pairs:
        """Every pair's sums."""
        at, x, r = self.start[:-1], self.context, self.reward
        return Pairs(
            np.add.reduceat(x[:, :, None] * x[:, None, :], at),
            np.add.reduceat(r[:, None] * x, at),
            np.diff(self.start).astype(float),
            np.add.reduceat(r * r, at),
        )


def train_prior(log: Log, until: int | None = None) -> TrainedPrior:
    """The prior of a log's people, from the feedback that arrived before `until` (microseconds).

    One belief an arm that at least `FEWEST_USERS` people know, one for all other arms from
    every person and arm. Its strength has the least squared error in progressive validation:
    each fold of people is predicted, feedback by feedback, by a prior of the other folds and
    what the person has taught before. Raises `BadInput` for feedback of fewer people.
    """
    arrived = arrivals(log)
    known = log.answered if until is None else log.answered & (arrived < until)
    order = order_of(log, known)
    rows = np.flatnonzero(order.folded != NONE)
    users = len(np.unique(log.user[rows]))
    if users < FOLDS:
        raise BadInput(log.path, f"a prior needs feedback of at least {FOLDS} users", users)
    history = _history(log, rows, order.folded)
    fold = _folds(log.user_names)[history.user]
    loss, cold_loss = _losses(history, fold)
    strength = STRENGTHS[int(np.argmin(loss))]
    arms, others = _beliefs(history, np.ones(len(fold), np.bool_))
    said = {f"{s:g}": float(v) for s, v in zip(STRENGTHS, loss, strict=True)}
    said["cold"] = cold_loss
    hashes = sorted(decision_hash(log.decision_id[i]) for i in rows.tolist())[:SKETCH]
    record = {
        "schema": SCHEMA,
        "kind": "prior",
        "features": log.features,
        "width": history.context.shape[1],
        "strength": strength,
        "validation": {"folds": FOLDS, "first": FIRST, "squared_error": said},
        "users": users,
        "feedbacks": len(rows),
        "learned_from": {
            "log": log.sha256,
            "first": int(arrived[rows].min()),
            "last": int(arrived[rows].max()),
            "sketch": [f"{h:016x}" for h in hashes],
        },
        "arms": {
            log.arm_names[code]: _said(belief.scaled(strength))
            for code, belief in sorted(arms.items(), key=lambda item: log.arm_names[item[0]])
        },
        "others": _said(others.scaled(strength)),
    }
    text = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    name = know(text, log.path)  # what serving would refuse is not written
    return TrainedPrior(text, name, len(arms), users, len(rows), strength, said)


def _history(log: Log, rows: Ints, folded: Ints) -> _History:
    arm = log.arm[log.chosen[rows]]
    sort = np.lexsort((folded[rows], arm, log.user[rows]))
    rows, arm = rows[sort], arm[sort]
    pair = log.user[rows] * len(log.arm_names) + arm
    start = np.flatnonzero(np.diff(pair, prepend=-1))
    return _History(
        log.context[log.chosen[rows]],
        log.reward[rows],
        np.append(start, len(rows)),
        arm[start],
        log.user[rows][start],
    )


def _folds(users: Sequence[str]) -> Ints:
    """The fold of each user, by a hash of the name: folds of equal size, the same every time."""
    rank = np.argsort(np.argsort([decision_hash(name) for name in users]))
    return rank % FOLDS


def _beliefs(history: _History, rows: Any) -> tuple[dict[int, Belief], Belief]:
    """The belief of each arm's code, and the one of all others, from the pairs `rows (P,)`."""
    pairs = history.pairs
    arms, people = np.unique(history.arm[rows], return_counts=True)
    kept = [int(a) for a, n in zip(arms, people, strict=True) if n >= FEWEST_USERS]
    return {a: fit(pairs.take(rows & (history.arm == a))) for a in kept}, fit(pairs.take(rows))


def _losses(history: _History, fold: Ints) -> tuple[Floats, float]:
    """Mean squared error of each strength `(S,)`, and of the cold start, on people unseen."""
    total = np.zeros(len(STRENGTHS) + 1)
    count = 0
    for f in range(FOLDS):
        held = np.flatnonzero(fold == f)
        if not len(held) or len(held) == len(fold):
            continue
        arms, others = _beliefs(history, fold != f)
        error, n = _progressive(history, held, arms, others)
        total, count = total + error, count + n
    loss = total / count
    return loss[:-1], float(loss[-1])


def _progressive(
    history: _History, held: Ints, arms: Mapping[int, Belief], others: Belief
) -> tuple[Floats, int]:
    """Squared errors summed `(S+1,)` over the first feedbacks of the pairs `held`, and how many.

    Each is predicted from the prior and the feedbacks before it, then folded.
    """
    width = history.context.shape[1]
    own = [arms.get(int(code), others) for code in history.arm[held]]
    strength = np.array([*STRENGTHS, 1.0])
    precision = np.array([b.precision for b in own])[:, None] * strength[:, None, None]
    precision[:, -1] = cold(width).precision
    mean = np.repeat(np.array([b.mean for b in own])[:, None], len(strength), axis=1)
    mean[:, -1] = cold(width).mean
    moment = np.einsum("psij,psj->psi", precision, mean)  # (P, S+1, d)
    start, length = history.start[held], np.diff(history.start)[held]
    error, count = np.zeros(len(strength)), 0
    for t in range(min(FIRST, int(length.max()))):
        on = np.flatnonzero(length > t)
        x, r = history.context[start[on] + t], history.reward[start[on] + t]
        theta = np.linalg.solve(precision[on], moment[on][..., None])[..., 0]
        off = r[:, None] - np.einsum("psi,pi->ps", theta, x)
        error, count = error + (off * off).sum(axis=0), count + len(on)
        precision[on] += (x[:, :, None] * x[:, None, :])[:, None]
        moment[on] += (r[:, None] * x)[:, None]
    return error, count


def _said(belief: Belief) -> dict[str, list[float]]:
    lower = np.tril_indices(len(belief.mean))
    return {"mean": belief.mean.tolist(), "precision": belief.precision[lower].tolist()}
