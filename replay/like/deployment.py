"""Value if deployed: people live with a policy whose own choices shape what comes next."""

import numpy as np

from policies.arrays import Floats
from policies.draw import draws
from policies.policy import Batch, Policy
from replay.like.effects import blocks
from replay.like.people import People, minds_of
from replay.like.world import World


def deploy(world: World, people: People, policy: Policy, learn: bool) -> tuple[Floats, Floats]:
    """(decisions, sum over them of sum pmf q) of each person, `(P,)`.

    All people's first decisions, then all second ones, as a walk goes through a log. A
    candidate whose reward is the log's highest is done and leaves its person's list, unless
    it is one that stays; whatever else came of it, it stays. Who has nothing on the list is
    shown nothing. An answer arrives before the person's next decision.
    """
    scene = world.lists
    minds = minds_of(world, people.user, learn)
    gone = np.zeros(len(people.leaves), np.bool_)
    count, value = np.zeros((2, len(people.user)))
    lengths = np.diff(people.starts)
    for step in range(int(lengths.max())):
        alive = np.flatnonzero(lengths > step)
        moment = people.moment[people.starts[alive] + step]
        at, owner, starts = blocks(scene.offsets, moment)
        person = alive[owner]
        task = people.task_starts[person] + scene.task[at] - world.tasks.edges[people.user[person]]
        there = ~gone[task] & (world.at[moment][owner] <= people.leaves[task])
        rank = np.cumsum(there)
        before = np.concatenate([np.zeros(1, np.int64), rank])[starts[:-1]]
        shown = np.flatnonzero(there & (rank - before[owner] <= world.longest))
        if not len(shown):
            continue
        at, owner, person, task = at[shown], owner[shown], person[shown], task[shown]
        offsets = np.append(np.flatnonzero(np.diff(owner, prepend=-1)), len(owner))
        who = person[offsets[:-1]]
        slot = minds.slots(scene.slot[at], person)
        row = people.starts[who] + step
        keys = people.key[row], scene.arm_key[at]
        batch = Batch(offsets, scene.context[at], slot, minds.first[who], minds.last[who], *keys)
        pmf = minds.pmf(policy, batch)
        q = people.means(world, scene, at, person)
        value[who] += np.add.reduceat(pmf * q, offsets[:-1])
        count[who] += 1
        tip = offsets[:-1] + draws(pmf, offsets, people.act[row])
        reward, answered = world.noise.draw(q[tip], people.silent[row], people.draw[row])
        done = answered & world.noise.done(reward) & ~people.stays[task[tip]]
        gone[task[tip[done]]] = True
        if learn:
            minds.fold(slot[tip], batch.context[tip], reward)
    return count, value
