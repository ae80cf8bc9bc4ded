"""A world like a log: its people, moments, lists and propensities, and rewards from q_hat."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from journal.log import NO_TIME, Log
from policies.arrays import Bools, Floats, Ints, Words
from policies.errors import BadInput
from policies.keys import arm_keys, decision_keys
from policies.state import UserState
from policies.sums import Sums
from replay.behavior.propensities import Behavior, is_deterministic
from replay.history.arms import arms_of, sums_of
from replay.history.order import order_of
from replay.like.effects import Effects, effects_of
from replay.like.lists import Appearances, Lists, Tasks, lists_of, tasks_of
from replay.like.rewards import Noise, noise_of
from replay.models.ridge import cross_fitted, folds
from replay.rounds import NotComputable
from replay.sample import Sample


@dataclass(frozen=True)
class Scene:
    """Candidates at the n moments, ragged, with what decides about them."""

    offsets: Ints  # (n+1,)
    context: Floats  # (M, d)
    slot: Ints  # (M,) the row of the sums a candidate is scored with; 0 = an arm never seen
    group: Ints  # (M,) its user, arm and id, for effects
    task: Ints  # (M,)
    q_hat: Floats  # (M,) expected reward without anybody's effect
    arm_key: Words  # (M,)


@dataclass(frozen=True)
class World:
    """All that is fixed about a log's world; what is drawn anew is in `living.py`."""

    user: Ints  # (n,) of each moment, ascending
    decision_key: Words  # (n,)
    at: Ints  # (n,) microseconds, ascending within a user
    edges: Ints  # (g+1,) user u has the moments edges[u]:edges[u+1]
    logged: Scene  # as logged
    lists: Scene  # what could be on the list
    tasks: Tasks
    pmf: Floats  # (N,) the logger's, of `logged`
    pmf_known: bool  # else estimators may not see it
    arm: Ints  # (N,) codes
    effects: Effects
    noise: Noise
    longest: int  # candidates of the longest logged list
    span: tuple[float, float]  # of rewards
    sums: Sums  # where the policies start
    slots: Ints  # (g+1,) user u has the rows slots[u]:slots[u+1] of the sums
    constant: Bools  # (d,) features that all candidates of a decision share
    assumed: str | None  # about propensities that were not logged

    @property
    def users(self) -> int:
        """g."""
        return len(self.edges) - 1


def world_of(log: Log, sample: Sample, logger: Behavior, states: Mapping[str, UserState]) -> World:
    """The world of a log's evaluated decisions; the policies start from `states`.

    Raises `BadInput` where the log cannot say how it was made: without propensities, with
    a logger that never had a choice, without two users.
    """
    rows = sample.rows[np.lexsort((log.decided_at[sample.rows], log.user[sample.rows]))]
    pmf, assumed = _propensities(log, logger, rows)
    rank = np.full(len(log), -1)
    rank[sample.rows] = np.arange(len(sample.rows))
    reward, silent = sample.reward[rank[rows]], sample.silent[rank[rows]]
    # every array below is of `kept`: the evaluated decisions by (user, time)
    kept = log.take(rows)
    user, users = kept.user, len(kept.user_names)  # codes ascend with the rows
    if users < 2:
        raise BadInput(log.path, "a world like it needs at least two users", users)
    sizes = np.diff(kept.offsets)
    moment = np.repeat(np.arange(len(kept)), sizes)
    ids = pd.factorize(np.array(kept.candidate_ids, object))[0]
    _, task = np.unique(user[moment] * (int(ids.max()) + 1) + ids, return_inverse=True)
    seen = Appearances(user, kept.decided_at, moment, task)
    arrived = np.where(kept.feedback_at == NO_TIME, kept.decided_at, kept.feedback_at)
    noise = noise_of(reward, silent)
    done = ~silent & noise.done(reward)
    tasks = tasks_of(seen, kept.chosen, done, arrived, users)
    longest = int(sizes.max())
    lists, constant = lists_of(seen, tasks, longest), _constant(kept)
    moved, source = _moved(kept, lists, constant), lists.source
    q_hat = _q_hat(kept, reward, moment, moved, source)
    arms_met, arm = np.unique(user[moment] * len(kept.arm_names) + kept.arm, return_inverse=True)
    groups, group = np.unique(arm * (int(task.max()) + 1) + task, return_inverse=True)
    effects = effects_of(
        reward - q_hat[: len(moment)][kept.chosen],
        group[kept.chosen],
        groups // (int(task.max()) + 1),
        arms_met // len(kept.arm_names),
        arms_met % len(kept.arm_names),
    )
    q_hat += effects.shift[np.concatenate([kept.arm, kept.arm[source]])]
    arms = arms_of(kept, order_of(kept, kept.answered), states)
    edges = np.searchsorted(user, np.arange(users + 1))
    mine, others = q_hat[: len(moment)], q_hat[len(moment) :]
    key = arm_keys(kept.arm_names)[kept.arm]
    logged = Scene(kept.offsets, kept.context, arms.read, group, task, mine, key)
    scene = Scene(
        lists.offsets, moved, arms.read[source], group[source], lists.task, others, key[source]
    )
    return World(
        user,
        decision_keys(kept.decision_id),
        kept.decided_at,
        edges,
        logged,
        scene,
        tasks,
        pmf,
        assumed is None,
        kept.arm,
        effects,
        noise,
        longest,
        log.reward_range,
        sums_of(arms, kept, states),
        np.append(arms.first[edges[:-1]], arms.last[-1]),
        constant,
        assumed,
    )


def _propensities(log: Log, logger: Behavior, rows: Ints) -> tuple[Floats, str | None]:
    """(the logger's pmf over the candidates of `rows`, what had to be assumed)."""
    pscore, sizes = logger.pscore[rows], np.diff(log.offsets)[rows]
    if np.isnan(pscore).any():
        raise BadInput(
            log.path,
            "a world like it needs the propensity of every decision, else nobody knows how such "
            "a log is made; without one",
            int(np.isnan(pscore).sum()),
        )
    inside = np.zeros(len(log), np.bool_)
    inside[rows] = True
    if is_deterministic(log, logger.pscore, inside):
        rule = (
            "deterministic logger: on logs like it no estimator can be trusted with another policy"
        )
        raise BadInput(log.path, rule)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    if logger.pmf is not None:
        at = np.arange(starts[-1]) + np.repeat(log.offsets[rows] - starts[:-1], sizes)
        pmf = logger.pmf[at]
        if not np.isnan(pmf).any():
            return pmf, None
    uniform = np.allclose(pscore * sizes, 1.0, rtol=1e-9, atol=0)
    others = np.where(sizes > 1, (1 - pscore) / np.maximum(sizes - 1, 1), 0.0)
    pmf = np.repeat(others, sizes)
    pmf[starts[:-1] + log.action[rows]] = np.where(sizes > 1, pscore, 1.0)
    if uniform:
        return pmf, "the logger is uniform: every logged propensity is one over the candidates"
    return pmf, (
        "the logger shares what its logged propensity leaves equally among the other candidates: "
        "their own propensities were not logged"
    )


def _constant(log: Log) -> Bools:
    """(d,) the features that are equal for all candidates of every decision."""
    starts = log.offsets[:-1]
    least = np.minimum.reduceat(log.context, starts, axis=0)
    most = np.maximum.reduceat(log.context, starts, axis=0)
    return np.asarray((least == most).all(axis=0)) & bool((np.diff(log.offsets) > 1).any())


def _moved(log: Log, lists: Lists, constant: Bools) -> Floats:
    """(M, d) contexts: a task's own from its nearest appearance, the decision's of the moment."""
    context = log.context[lists.source]
    moment = np.repeat(np.arange(len(log)), np.diff(lists.offsets))
    context[:, constant] = log.context[log.offsets[moment]][:, constant]
    return context


def _q_hat(log: Log, reward: Floats, moment: Ints, moved: Floats, source: Ints) -> Floats:
    """(N + M,) q_hat of the logged candidates and of those of the lists, cross-fitted by user."""
    fold = folds(log.user_names)
    owner = np.concatenate([log.user[moment], log.user[moment[source]]])
    try:
        return cross_fitted(
            np.vstack([log.context, moved]),
            np.concatenate([log.arm, log.arm[source]]),
            len(log.arm_names),
            log.chosen,
            reward,
            fold[log.user],
            fold[owner],
        )
    except NotComputable as reason:
        raise BadInput(log.path, f"a world like it needs a reward model: {reason}") from None
