"""Walks a log through a policy: the pmf of every decision, in the order life had.

Users are independent, so all decisions that saw s feedbacks of their user are one
batch, then all s+1st feedbacks are folded: the very `score`, `pmf` and `fold` that serve
one decision, over many users at once.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Bools, Floats, Ints
from policies.draw import draws, uniform
from policies.policy import Batch, Policy
from policies.prior import check_prior
from policies.state import UserState
from policies.sums import Sums
from replay.history.arms import Arms, arms_of, sums_of
from replay.history.keys import Keys, keys_of
from replay.history.order import Order, folded_before, order_of
from replay.history.starts import starts_of

Learn = Literal["none", "logged", "replay"]


@dataclass(frozen=True)
class Walk:
    """What a policy would have done at each decision of a log."""

    pmf: Floats  # (N,) NaN where a decision was not asked for
    matched: Bools  # (n,) accepted by rejection replay; all False unless learn is "replay"
    arms: Arms
    sums: Sums  # after the last fold
    order: Order


def walk(
    log: Log,
    policy: Policy | None,
    *,
    states: Mapping[str, UserState] | None = None,
    learn: Learn = "logged",
    known: Bools | None = None,
    score: Bools | None = None,
    threads: int = 1,
) -> Walk:
    """Walks `log` through `policy`, starting from `states`.

    Default: none has learned; of a log whose first records were pruned, "logged" goes on from
    their base states.

    `learn`: "none" keeps the start frozen, "logged" folds every earlier feedback of the
    rows `known (n,)` (default: all), "replay" folds those whose action the policy would
    have drawn itself (Li, Chu, Langford & Wang, 2011). `score (n,)`: the rows to score
    (default: all). A user whose state has already folded the first feedbacks of this very
    log goes on behind them. `policy` None folds and scores nothing. The bits do not
    depend on `threads` or the order of rows.
    """
    start = states or (starts_of(log) if learn == "logged" else {})
    check_prior(policy, log.features)
    n = len(log)
    arrived = log.answered if known is None else known
    order = order_of(log, np.zeros(n, np.bool_) if learn == "none" else arrived)
    arms = arms_of(log, order, start)
    sums = sums_of(arms, log, start)
    job = _Job(
        log=log,
        policy=policy,
        keys=keys_of(log, policy),
        arms=arms,
        sums=sums,
        stage=np.zeros(n, np.int64) if learn == "none" else order.seen,
        fold_at=np.where(folded_before(log, order, start), NONE, order.folded),
        score=np.ones(n, np.bool_) if score is None or learn == "replay" else score,
        pmf=np.full(int(log.offsets[-1]), np.nan),
        matched=np.zeros(n, np.bool_),
        accept=_Accept(log, policy) if learn == "replay" and policy is not None else None,
    )
    shards = _shards(log.user, threads)
    if len(shards) == 1:
        job.run(shards[0])
    else:
        with ThreadPoolExecutor(len(shards)) as pool:
            for done in [pool.submit(job.run, rows) for rows in shards]:
                done.result()
    return Walk(job.pmf, job.matched, arms, sums, order)


def _shards(user: Ints, threads: int) -> list[Ints]:
    """Rows in at most `threads` parts, each user in one of them."""
    if threads <= 1:
        return [np.arange(len(user))]
    part = user % threads
    return [rows for t in range(threads) if len(rows := np.flatnonzero(part == t))]


@dataclass(frozen=True)
class _Accept:
    """Rejection: the policy's own draw must be the logged action, thinned to be uniform.

    Accepting a match with probability c / pscore makes every context equally likely to
    be kept, c the log's least propensity. With a uniform logger over equally many
    candidates nothing is thinned.
    """

    log: Log
    policy: Policy

    def rows(self, rows: Ints, offsets: Ints, pmf: Floats) -> Bools:
        """Which of `rows` are accepted; `pmf` and `offsets` are theirs."""
        ids, seed = self.log.decision_id, self.policy.seed
        drawn = draws(pmf, offsets, np.array([uniform("replay", seed, ids[i]) for i in rows]))
        pscore = self.log.pscore
        least = float(np.nanmin(pscore))
        u = np.array([uniform("accept", seed, ids[i]) for i in rows])
        kept: Bools = (drawn == self.log.action[rows]) & (u < least / pscore[rows])
        return kept


@dataclass(frozen=True)
class _Job:
    log: Log
    policy: Policy | None
    keys: Keys
    arms: Arms
    sums: Sums
    stage: Ints
    fold_at: Ints
    score: Bools
    pmf: Floats
    matched: Bools
    accept: _Accept | None

    def run(self, rows: Ints) -> None:
        """All stages of some users' rows; the sums of other users are not touched."""
        log, chosen = self.log, self.log.chosen
        asked = rows[self.score[rows]] if self.policy is not None else rows[:0]
        asked = asked[np.argsort(self.stage[asked], kind="stable")]
        folds = rows[self.fold_at[rows] != NONE]
        folds = folds[np.argsort(self.fold_at[folds], kind="stable")]
        batch, where = _gather(log, self.arms, asked, self.keys)
        context, reward, slot = (
            log.context[chosen[folds]],
            log.reward[folds],
            self.arms.write[folds],
        )
        asks, ends = self.stage[asked], self.fold_at[folds] - 1
        stages = np.unique(np.concatenate([asks, ends]))
        asked_at = np.searchsorted(asks, stages), np.searchsorted(asks, stages, "right")
        folds_at = np.searchsorted(ends, stages), np.searchsorted(ends, stages, "right")
        for a, b, f, g in zip(*asked_at, *folds_at, strict=True):
            if b > a and self.policy is not None:
                part = _part(batch, a, b)
                pmf = self.policy.pmf(self.policy.score(part, self.sums), part.offsets)
                self.pmf[where[batch.offsets[a] : batch.offsets[b]]] = pmf
                if self.accept is not None:
                    self.matched[asked[a:b]] = self.accept.rows(asked[a:b], part.offsets, pmf)
            if g > f and self.accept is None:
                self.sums.fold(slot[f:g], context[f:g], reward[f:g])
            elif g > f:
                kept = f + np.flatnonzero(self.matched[folds[f:g]])
                self.sums.fold(slot[kept], context[kept], reward[kept])


def _gather(log: Log, arms: Arms, rows: Ints, keys: Keys) -> tuple[Batch, Ints]:
    """The batch of `rows` in that order, and where its candidates are in the log `(M,)`."""
    lengths = np.diff(log.offsets)[rows]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    where = np.arange(offsets[-1]) + np.repeat(log.offsets[rows] - offsets[:-1], lengths)
    batch = Batch(
        offsets,
        log.context[where],
        arms.read[where],
        arms.first[rows],
        arms.last[rows],
        *keys.of(rows, where),
    )
    return batch, where


def _part(batch: Batch, a: int, b: int) -> Batch:
    start, stop = batch.offsets[a], batch.offsets[b]
    return Batch(
        batch.offsets[a : b + 1] - start,
        batch.context[start:stop],
        batch.slot[start:stop],
        batch.first[a:b],
        batch.last[a:b],
        None if batch.decision_key is None else batch.decision_key[a:b],
        None if batch.arm_key is None else batch.arm_key[start:stop],
    )
