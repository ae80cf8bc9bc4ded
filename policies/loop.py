"""One user's side of the loop: expire what is due, decide, fold the answer. No I/O.

The server, the simulator and the audit all go through these functions; whoever calls
them writes the records they return.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from policies.arrays import Floats, Ints
from policies.draw import draw, uniform
from policies.errors import BadInput
from policies.jit import kernel
from policies.keys import arm_keys, decision_keys, is_keyed
from policies.policy import Batch, Policy
from policies.prior import check_prior
from policies.records import Decision, Feedback
from policies.rewards import DEFAULT_REWARD
from policies.spec import canonical
from policies.state import UserState
from policies.sums import Sums


@dataclass(frozen=True, slots=True)
class Awaited:
    """What the answer to an open tip is folded into; of the rest of it memory is not kept."""

    arm: str
    row: Floats  # (d,) the context of what was shown
    deadline: int | None  # microseconds


@dataclass(slots=True)
class UserLoop:
    """A user's state and the tips whose answers are awaited."""

    state: UserState
    open: dict[str, Awaited] = field(default_factory=dict)
    _due: int | None = 0  # no open tip is due before this; None: none ever

    def expire(self, now: int) -> list[Feedback]:
        """Folds the silence of every tip whose window closed by `now` (microseconds).

        By (deadline, decision_id), before anything else that happens at `now`.
        """
        if self._due is None or now < self._due:
            return []
        awaited = sorted(
            (tip.deadline, name) for name, tip in self.open.items() if tip.deadline is not None
        )
        due = [(at, name) for at, name in awaited if at <= now]
        self._due = awaited[len(due)][0] if len(due) < len(awaited) else None
        return [self._fold(name, "expired", DEFAULT_REWARD, at) for at, name in due]

    def decide(
        self,
        policy: Policy,
        decision_id: str,
        now: int,
        candidate_ids: Sequence[str],
        arms: Sequence[str],
        context: Floats,
        reward_window_s: int | None,
    ) -> tuple[Decision, Floats]:
        """One tip of K candidates, `context (K, d)`: the decision and the scores `(K,)`.

        Call `expire(now)` first: what is due belongs into the state that decides.
        """
        scores, pmf = probabilities(policy, self.state, arms, context, decision_id)
        action = draw(pmf, uniform("act", policy.seed, decision_id))
        decision = Decision(
            decision_id,
            self.state.user_id,
            now,
            canonical(policy),
            self.state.features,
            self.state.seq,
            tuple(candidate_ids),
            tuple(arms),
            context,
            pmf,
            int(action),
            reward_window_s,
        )
        self.record(decision)
        return decision, scores

    def record(self, decision: Decision) -> None:
        """Awaits the answer to a decision, whoever made it."""
        shown, deadline = decision.action, decision.deadline
        row = decision.context[shown].copy()
        self.open[decision.decision_id] = Awaited(decision.arms[shown], row, deadline)
        if deadline is not None and (self._due is None or deadline < self._due):
            self._due = deadline

    def void(self, decision_id: str) -> None:
        """An open tip that was never shown: it will be neither answered nor expired."""
        del self.open[decision_id]

    def answer(self, decision_id: str, feedback: str | None, reward: float, at: int) -> Feedback:
        """Folds a person's answer to an open tip, arrived at `at` (microseconds)."""
        return self._fold(decision_id, feedback, reward, at)

    def _fold(self, decision_id: str, feedback: str | None, reward: float, at: int) -> Feedback:
        tip = self.open.pop(decision_id)
        self.state.fold(tip.arm, tip.row, reward, decision_id, at)
        return Feedback(decision_id, feedback, reward, at, self.state.seq)


def probabilities(
    policy: Policy, state: UserState, arms: Sequence[str], context: Floats, decision_id: str
) -> tuple[Floats, Floats]:
    """Scores and pmf, each `(K,)`, of one decision: a batch of one."""
    offsets = np.array([0, len(arms)], dtype=np.int64)
    keyed = is_keyed(policy)
    if keyed:
        check_prior(policy, state.features)
    batch = Batch(
        offsets,
        context,
        slots_of(state, arms),
        np.array([1], dtype=np.int64),
        np.array([len(state.arms) + 1], dtype=np.int64),
        decision_keys([decision_id]) if keyed else None,
        arm_keys(arms) if keyed else None,
    )
    return answer_of(policy, batch, state.sums)


def slots_of(state: UserState, arms: Sequence[str]) -> Ints:
    """Each candidate's row of the user's sums, `(K,)`."""
    slot = {arm: state.slot(arm) for arm in set(arms)}
    return np.array([slot[arm] for arm in arms], dtype=np.int64)


def answer_of(policy: Policy, batch: Batch, sums: Sums) -> tuple[Floats, Floats]:
    """Scores and pmf of a batch, each `(N,)`.

    Raises `BadInput` for scores that are not finite and for what is no pmf.
    """
    offsets = batch.offsets.copy()  # what is checked is not for the policy to move
    scores = policy.score(batch, sums)
    if not _finite(np.ascontiguousarray(scores, np.float64).ravel()):
        raise BadInput(f"policy {canonical(policy)}", "its scores must be finite", scores)
    pmf = policy.pmf(scores, batch.offsets)
    check_pmf(pmf, offsets, policy)
    return scores, pmf


PMF_TOLERANCE = 1e-9  # how far a pmf's sum may be from 1


def check_pmf(pmf: Floats, offsets: Ints, policy: Policy) -> None:
    """Raises `BadInput` when a pmf of `pmf (N,)` is none: a bug in a policy of one's own."""
    if pmf.shape != (offsets[-1],):
        rule = f"its pmf must have one entry a candidate, ({offsets[-1]},)"
        raise BadInput(f"policy {canonical(policy)}", rule, pmf.shape)
    if not _sums_to_one(np.ascontiguousarray(pmf, np.float64), offsets, PMF_TOLERANCE):
        raise BadInput(f"policy {canonical(policy)}", "its pmf must be >= 0 and sum to 1", pmf)


# compiled: for one decision, numpy's reductions cost more than what they add up
@kernel
def _finite(values: Floats) -> bool:
    off = 0.0
    for i in range(values.shape[0]):
        off += values[i] - values[i]  # 0, but of what is not finite NaN
    return off == 0.0


@kernel
def _sums_to_one(pmf: Floats, offsets: Ints, tolerance: float) -> bool:
    for i in range(offsets.shape[0] - 1):
        total = 0.0
        for j in range(offsets[i], offsets[i + 1]):
            if not pmf[j] >= 0.0:  # nor is NaN
                return False
            total += pmf[j]
        if not abs(total - 1.0) <= tolerance:
            return False
    return True
