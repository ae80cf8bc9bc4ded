"""`Course`: a log as a learner lives through it, and the `Outcome` of a method on it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Bools, Floats, Ints
from policies.draw import uniform
from policies.policy import Policy
from policies.state import UserState
from policies.sums import Sums
from replay.history.arms import Arms, arms_of, sums_of
from replay.history.keys import Keys, keys_of
from replay.history.order import Order, folded_before, order_of
from replay.rounds import NotComputable
from replay.sample import Sample


@dataclass(frozen=True)
class Outcome:
    """A learner's mean reward per decision, and which learner it speaks of."""

    value: float
    horizon: int  # decisions the learner made
    history: float  # feedbacks that one state has folded at the end, mean over states
    chosen: Mapping[str, Any] = field(default_factory=dict)  # what was found in the data


@dataclass(frozen=True)
class Course:
    """n decisions of a log with everything that a method may use to run the learner again."""

    log: Log
    policy: Policy
    sample: Sample
    matched: Bools  # (n,) what rejection replay accepted
    arms: Arms
    start: Sums  # the states the learner starts from
    order: Order
    fold_at: Ints  # (n,) the user's state_seq after folding its feedback; NONE = never
    seed: int

    @cached_property
    def evaluated(self) -> Bools:
        """(n,) the decisions whose rewards are averaged."""
        mask = np.zeros(len(self.log), np.bool_)
        mask[self.sample.rows] = True
        return mask

    @cached_property
    def keys(self) -> Keys:
        """What the policy's own draws are keyed by."""
        return keys_of(self.log, self.policy)

    @property
    def pscore(self) -> Floats:
        """(n,) the logger's own propensities, NaN = unknown: what rejection needs."""
        return self.log.pscore

    @cached_property
    def lived(self) -> Ints:
        """Rows that the learner decides: from the log's first to the last that is evaluated."""
        end = self.log.decided_at[self.sample.rows].max()
        return np.flatnonzero(self.log.decided_at <= end)

    @cached_property
    def reward(self) -> Floats:
        """(n,) the sample's rewards and, before it, the logged ones; NaN = unknown."""
        reward = np.where(self.sample.known, self.log.reward, np.nan)
        reward[self.sample.rows] = self.sample.reward
        return reward

    @cached_property
    def rank(self) -> Ints:
        """(n,) place by (time, id): what draws are keyed by, whatever the order of rows."""
        order = np.lexsort((np.array(self.log.decision_id), self.log.decided_at))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return rank

    @cached_property
    def _digest(self) -> str:
        """Of what was done and what came of it, by `rank`: another log, other draws."""
        order = np.argsort(self.rank)
        told = self.log.action[order].tobytes() + self.reward[order].tobytes()
        return hashlib.blake2b(told, digest_size=8).hexdigest()

    def rng(self, purpose: str, name: str) -> np.random.Generator:
        """A stream for one purpose of one method on one log, the same for a seed."""
        bits = uniform(purpose, self.seed, f"{name} {self.policy.seed} {self._digest}")
        return np.random.default_rng(int(bits * 2.0**53))

    @property
    def states(self) -> int:
        """Learners: one a user that decides."""
        return len(np.unique(self.log.user[self.lived]))

    def history(self, folded: float) -> float:
        """Mean feedbacks a state, of `folded` in all."""
        return folded / self.states


def course_of(
    log: Log,
    policy: Policy,
    sample: Sample,
    matched: Bools,
    states: Mapping[str, UserState],
    seed: int,
) -> Course:
    """The course of a log, as `replay.history.walk.walk` walks it. Raises `NotComputable`."""
    order = order_of(log, sample.known)
    arms = arms_of(log, order, states)
    if not arms.read.all():
        raise NotComputable("a user has more arms than a state holds: no closed loop of that")
    fold_at = np.where(folded_before(log, order, states), NONE, order.folded)
    sums = sums_of(arms, log, states)
    return Course(log, policy, sample, matched, arms, sums, order, fold_at, seed)
