"""`--deployed`: the value if deployed of each policy, in the simulated world a log came from."""

from dataclasses import replace

from policies import make
from policies.errors import BadInput
from policies.features import parse_instant
from policies.records import micros
from policies.spec import is_ours
from replay.result import Evaluation


def with_truth_deployed(found: Evaluation, since: str | None, state: str | None) -> Evaluation:
    """The evaluation with `truth_deployed` of every policy of ours.

    The log's world is run again in closed loop: its logger decides up to `since`, then
    the policy does, from `state` (frozen unless it learns), its own choices shaping what
    comes next. Raises `BadInput` for a log that is not simulated.
    """
    from journal.states import read_states
    from sim import deployed

    world = found.log.world
    if world is None:
        raise BadInput(found.log.path, "--deployed needs a simulated log, no other can be re-run")
    logger = found.log.policy_names[0]
    if not is_ours(logger):
        raise BadInput(found.log.path, "--deployed needs a logger of ours", logger)
    behavior = make(logger)
    until = None
    if since is not None:
        until = micros(parse_instant(since, "--since"))
    states = read_states(state) if state is not None else None
    results = [
        replace(
            p,
            truth_deployed=deployed(
                world,
                make(p.policy),
                behavior=behavior,
                until=until,
                states=states,
                learn=p.learn != "none",
            ),
        )
        if is_ours(p.policy)
        else p
        for p in found.results
    ]
    return replace(found, results=results)
