"""`sim generate`: a log of a simulated population, with the truth that no policy sees."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from journal import Log, log_of
from journal.cli import progress
from policies.experiment import Experiment, policy_of
from policies.policy import Policy
from policies.spec import as_policy
from sim.closed import WINDOW_S, Closed
from sim.plan import World


def generate(
    scenario: str,
    users: int,
    days: int,
    policy: str | Policy | Experiment,
    seed: int = 0,
    window_s: int | None = WINDOW_S,
) -> Log:
    """The log of `users` people over `days` days under `policy` (or its spec), by time.

    An experiment's people live with the policies of their variants.

    Its file says which world it is (scenario, users, days, seed, reward_window_s), so the
    world can be run again in closed loop.
    """
    decides = policy if isinstance(policy, Experiment) else as_policy(policy)
    world = World(scenario, users, days, seed)
    lived = [_life(world, i, decides, window_s) for i in progress(range(users), users, "people")]
    rows = sorted(
        chain.from_iterable(lived), key=lambda row: (row[0].decided_at, row[0].decision_id)
    )
    return log_of(
        [(decision, feedback) for decision, feedback, _ in rows],
        expected_reward=[expected for _, _, expected in rows],
        world={
            "scenario": scenario,
            "users": users,
            "days": days,
            "seed": seed,
            "reward_window_s": window_s,
        },
        **_experiment_of(decides, [decision.user_id for decision, _, _ in rows]),
        path=f"sim:{scenario}",
    )


def _life(world: World, i: int, policy: Policy | Experiment, window_s: int | None) -> list[tuple]:  # type: ignore[type-arg]
    one = Closed(world, i, window_s=window_s)
    one.live(policy_of(policy, one.user_id))
    one.settle(world.end)
    return list(one.biography.records())


def _experiment_of(policy: Policy | Experiment, users: Sequence[str]) -> dict[str, Any]:
    """What the log of an experiment says further: its content, and each row's variant."""
    if not isinstance(policy, Experiment):
        return {}
    variants = [policy.assigned(user) for user in users]
    further = {
        "experiment": [policy.name] * len(users),
        "variant": [v.name for v in variants],
        "variant_probability": [v.share for v in variants],
    }
    return {"further": further, "experiments": [policy.text]}
