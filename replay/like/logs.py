"""Logs like the log: the logger's choices drawn anew, and what an evaluation sees of them."""

from dataclasses import dataclass

import numpy as np

from policies.arrays import Bools, Floats, Ints
from policies.draw import draws
from policies.policy import Batch, Policy
from replay.like.effects import blocks
from replay.like.people import People, minds_of
from replay.like.world import World
from replay.models.ridge import cross_fitted, folds
from replay.rounds import Candidates, Rounds

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Written:
    """A log of R decisions over M candidates, a person's side by side, and its truth."""

    offsets: Ints  # (R+1,)
    source: Ints  # (M,) index into the world's logged candidates
    person: Ints  # (R,)
    means: Floats  # (M,) expected rewards
    chosen: Ints  # (R,) candidates
    reward: Floats  # (R,)
    answered: Bools  # (R,)


def write(world: World, people: People) -> Written:
    """The log of `people`: contexts and propensities as logged, actions and rewards drawn."""
    source, row, offsets = blocks(world.logged.offsets, people.moment)
    person = np.repeat(np.arange(len(people.user)), np.diff(people.starts))
    means = people.means(world, world.logged, source, person[row])
    chosen = offsets[:-1] + draws(world.pmf[source], offsets, people.act)
    reward, answered = world.noise.draw(means[chosen], people.silent, people.draw)
    return Written(offsets, source, person, means, chosen, reward, answered)


def frozen(world: World, policy: Policy) -> Floats:
    """(N,) the pmf over the world's logged candidates of a policy that does not learn."""
    scene, minds = world.logged, minds_of(world, np.arange(world.users), False)
    first, last = minds.first[world.user], minds.last[world.user]
    keys = world.decision_key, scene.arm_key
    batch = Batch(scene.offsets, scene.context, scene.slot, first, last, *keys)
    return minds.pmf(policy, batch)


def shadow(world: World, people: People, log: Written, policy: Policy) -> Floats:
    """(M,) the pmf of a policy that learns from all that `log` says before each decision."""
    minds = minds_of(world, people.user, True)
    pmf = np.empty(len(log.source))
    lengths = np.diff(people.starts)
    for step in range(int(lengths.max())):
        who = np.flatnonzero(lengths > step)
        row = people.starts[who] + step
        at, owner, offsets = blocks(log.offsets, row)
        source = log.source[at]
        slot = minds.slots(world.logged.slot[source], who[owner])
        context = world.logged.context[source]
        keys = people.key[row], world.logged.arm_key[source]
        batch = Batch(offsets, context, slot, minds.first[who], minds.last[who], *keys)
        pmf[at] = minds.pmf(policy, batch)
        tip = log.chosen[row] - log.offsets[row] + offsets[:-1]
        minds.fold(slot[tip], context[tip], log.reward[row])
    return pmf


def rounds_of(world: World, people: People, log: Written, pi_e: Floats) -> Rounds:
    """What an evaluation of `pi_e (M,)` sees, q_hat cross-fitted by person; rows by time.

    Without logged pmfs neither candidates, nor the largest weight, nor the spread are known.
    """
    starts, pi_b = log.offsets[:-1], world.pmf[log.source]
    q_hat = _model(world, log)
    at = world.at[people.moment]
    by_time = np.argsort(at, kind="stable")
    weight = np.divide(pi_e, pi_b, out=np.full(len(pi_e), np.inf), where=pi_b > 0)
    weight[pi_e == 0] = 0.0
    bound = spread = every = None
    if world.pmf_known:
        every = Candidates(pi_e, pi_b)
        bound = float(weight.max()) if np.isfinite(weight).all() else None
        sums = np.add.reduceat(np.where(np.isfinite(weight), weight, 0.0) * pi_e, starts)
        spread = sums[by_time] if bound is not None else None
    return Rounds(
        log.reward[by_time],
        pi_b[log.chosen][by_time],
        pi_e[log.chosen][by_time],
        q_hat[log.chosen][by_time],
        np.add.reduceat(pi_e * q_hat, starts)[by_time],
        log.person[by_time],
        world.span,
        bound,
        every,
        (at[by_time] - at.min()) / DAY,
        spread,
    )


def _model(world: World, log: Written) -> Floats:
    fold = folds([f"u{p}" for p in range(int(log.person[-1]) + 1)])
    of_row = fold[log.person]
    return cross_fitted(
        world.logged.context[log.source],
        world.arm[log.source],
        int(world.arm.max()) + 1,
        log.chosen,
        log.reward,
        of_row,
        np.repeat(of_row, np.diff(log.offsets)),
    )
