"""`sim run`: the value if deployed, in closed loop, several policies in the same world."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from journal.cli import progress
from policies.arrays import Floats
from policies.errors import BadInput
from policies.policy import Policy
from policies.spec import as_policy, canonical
from policies.state import UserState
from sim.closed import WINDOW_S, Closed
from sim.plan import World

QUESTION = "value if deployed"
"""What a closed loop answers, with the simulator's assumptions."""


@dataclass(frozen=True)
class Deployed:
    """A policy in closed loop: per person, its decisions and the sums of their values."""

    policy: str
    decisions: Floats  # (users,)
    value: Floats  # (users,) sum over decisions of sum pmf q
    reward: Floats  # (users,) sum of the rewards that came

    @property
    def truth_deployed(self) -> float:
        """Mean value per decision."""
        return float(self.value.sum() / self.decisions.sum())

    @property
    def influence(self) -> Floats:
        """(users,) of `truth_deployed`: people, not decisions, are the sample."""
        residual = self.value - self.truth_deployed * self.decisions
        return residual / float(self.decisions.mean())

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "policy": self.policy,
            "question": QUESTION,
            "truth_deployed": self.truth_deployed,
            "standard_error": standard_error(self.influence),
            "mean_reward": float(self.reward.sum() / self.decisions.sum()),
            "decisions": int(self.decisions.sum()),
        }


def standard_error(influence: Floats) -> float | None:
    """Of a mean whose influence by person is `influence (users,)`; None for one person."""
    n = len(influence)
    if n < 2:
        return None
    return math.sqrt(float(influence @ influence) / (n - 1) / n)


def run(
    scenario: str,
    users: int,
    days: int,
    policies: Sequence[str | Policy],
    seed: int = 0,
    window_s: int | None = WINDOW_S,
) -> list[Deployed]:
    """Each policy (or spec) with the same people and the same noise, from empty states."""
    world = World(scenario, users, days, seed)
    return [_run(world, as_policy(policy), window_s) for policy in policies]


def difference(ours: Deployed, theirs: Deployed) -> dict[str, Any]:
    """The paired difference of two policies in the same world, its error over people."""
    return {
        "policy": ours.policy,
        "against": theirs.policy,
        "value": ours.truth_deployed - theirs.truth_deployed,
        "standard_error": standard_error(ours.influence - theirs.influence),
    }


def _run(world: World, policy: Policy, window_s: int | None) -> Deployed:
    sums = np.zeros((3, world.users))
    for i in progress(range(world.users), world.users, canonical(policy)):
        one = Closed(world, i, window_s=window_s)
        one.live(policy)
        one.settle(world.end)
        sums[:, i] = _sums(one, None)
    if not sums[0].any():
        raise BadInput(f"scenario {world.scenario}", "nobody asked for a tip: more days or users")
    return Deployed(canonical(policy), *sums)


def _sums(one: Closed, since: int | None) -> tuple[float, float, float]:
    lived = [s for s in one.biography.shown if since is None or s.decision.decided_at >= since]
    came = [one.biography.feedback.get(s.decision.decision_id) for s in lived]
    return len(lived), sum(s.value for s in lived), sum(f.reward for f in came if f is not None)


def deployed(
    world: Mapping[str, Any],
    policy: str | Policy,
    *,
    behavior: str | Policy,
    until: int | None = None,
    states: Mapping[str, UserState] | None = None,
    learn: bool = True,
) -> float:
    """`truth_deployed` of `policy` in the world a log came from, from `until` on.

    `behavior` decides before `until` (microseconds). Then `policy` takes over: frozen at
    `states` (default: empty), or learning from what was folded by then, on top of `states`
    that come from elsewhere.
    """
    ours, theirs = as_policy(policy), as_policy(behavior)
    try:
        which = World(world["scenario"], world["users"], world["days"], world["seed"])
        window_s = world["reward_window_s"]
    except (KeyError, TypeError) as error:
        raise BadInput("the log's world", "must say scenario, users, days, seed", error) from None
    total = count = 0.0
    for i in progress(range(which.users), which.users, f"{canonical(ours)}, closed loop"):
        n, value, _ = _sums(
            _take_over(which, i, window_s, theirs, ours, until, states or {}, learn), until
        )
        count, total = count + n, total + value
    if not count:
        raise BadInput("--since", "nobody asks for a tip after it in the simulated world")
    return total / count


def _take_over(
    world: World,
    i: int,
    window_s: int | None,
    behavior: Policy,
    policy: Policy,
    until: int | None,
    states: Mapping[str, UserState],
    learn: bool,
) -> Closed:
    one = Closed(world, i, window_s=window_s)
    if until is not None:
        one.live(behavior, until)
    given = states.get(one.user_id)
    if given is not None and given.seq:
        known = set(one.loop.state.learned.sketch).intersection(given.learned.sketch)
        if not learn:
            one.loop.state = given
        elif not known:  # it learned elsewhere: what was folded here goes on top of it
            one = Closed(world, i, _copy(given), window_s)
            if until is not None:
                one.live(behavior, until)
    elif not learn:
        one.loop.state = Closed(world, i).loop.state
    one.live(policy, learn=learn)
    return one


def _copy(state: UserState) -> UserState:
    from policies.state import from_json, to_json

    return from_json(to_json(state))
