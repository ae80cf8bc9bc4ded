"""`sim generate`: a log of a simulated population, with the truth that no policy sees."""

from itertools import chain

from journal import Log, log_of
from journal.cli import progress
from policies.policy import Policy
from policies.spec import as_policy
from sim.closed import WINDOW_S, Closed
from sim.plan import World


def generate(
    scenario: str,
    users: int,
    days: int,
    policy: str | Policy,
    seed: int = 0,
    window_s: int | None = WINDOW_S,
) -> Log:
    """The log of `users` people over `days` days under `policy` (or its spec), by time.

    Its file says which world it is (scenario, users, days, seed, reward_window_s), so the
    world can be run again in closed loop.
    """
    world, decides = World(scenario, users, days, seed), as_policy(policy)
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
        path=f"sim:{scenario}",
    )


def _life(world: World, i: int, policy: Policy, window_s: int | None) -> list[tuple]:  # type: ignore[type-arg]
    one = Closed(world, i, window_s=window_s)
    one.live(policy)
    one.settle(world.end)
    return list(one.biography.records())
