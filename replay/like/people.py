"""Who lives in a draw of the world, what fate has in store for them, and what policies know."""

from dataclasses import dataclass

import numpy as np

from journal.checks import SUM_TOLERANCE
from policies import BadInput, canonical
from policies.arrays import Bools, Floats, Ints, Words
from policies.policy import Batch, Policy
from policies.sums import Sums
from replay.like.effects import Rng, blocks
from replay.like.lists import lives
from replay.like.world import Scene, World


@dataclass(frozen=True)
class People:
    """P people with R moments; the same draw serves every policy, so policies are paired."""

    user: Ints  # (P,) of the log
    starts: Ints  # (P+1,) person p has the moments starts[p]:starts[p+1]
    moment: Ints  # (R,) index into the world's
    effect: Floats  # (Q,) by person, of each of their candidates
    effect_starts: Ints  # (P+1,)
    leaves: Ints  # by person and task, microseconds
    stays: Bools  # by person and task, when it is done
    task_starts: Ints  # (P+1,)
    act: Floats  # (R,) uniforms of the action, of silence, of the reward
    silent: Floats
    draw: Floats

    @property
    def key(self) -> Words:
        """(R,) of each moment's decision: the bits of its uniform, which whoever draws hashes."""
        return self.act.view(np.uint64)

    def means(self, world: World, scene: Scene, at: Ints, person: Ints) -> Floats:
        """Expected rewards of the candidates `at` of `scene`, each met by `person`."""
        first = self.effect_starts[person] - world.effects.edges[self.user[person]]
        return world.noise.within(scene.q_hat[at] + self.effect[first + scene.group[at]])


def people_of(world: World, rng: Rng, user: Ints) -> People:
    """Draws the people with the codes `user (P,)`; one who is there twice is two people."""
    effect, effect_starts = world.effects.draw(rng, user)
    leaves, stays, task_starts = lives(world.tasks, rng, user)
    moment, _, starts = blocks(world.edges, user)
    act, silent, draw = rng.random((3, len(moment)))
    return People(
        user,
        starts,
        moment,
        effect,
        effect_starts,
        leaves,
        stays,
        task_starts,
        act,
        silent,
        draw,
    )


@dataclass(frozen=True)
class Minds:
    """What a policy knows of each person: rows of sums, apart for each if it learns."""

    sums: Sums
    shift: Ints  # (P,) from a row of the world's sums to the person's own
    first: Ints  # (P,) rows first:last are all of the person's
    last: Ints

    def slots(self, row: Ints, person: Ints) -> Ints:
        """The rows of `person` for `row` of the world's sums; 0 stays the empty one."""
        return np.where(row > 0, row + self.shift[person], 0)

    def pmf(self, policy: Policy, batch: Batch) -> Floats:
        """What `policy` would do, `(N,)`. Raises `BadInput` for what is no pmf."""
        pmf = policy.pmf(policy.score(batch, self.sums), batch.offsets)
        sums = np.add.reduceat(pmf, batch.offsets[:-1])
        if not ((pmf >= 0).all() and (np.abs(sums - 1) <= SUM_TOLERANCE).all()):
            rule = f"its pmf must be >= 0 and sum to 1 within {SUM_TOLERANCE:g}"
            raise BadInput(
                f"policy {canonical(policy)}", rule, float(sums[np.argmax(abs(sums - 1))])
            )
        return pmf

    def fold(self, slot: Ints, context: Floats, reward: Floats) -> None:
        """Folds feedbacks of different people; the empty row learns nothing."""
        known = slot > 0
        self.sums.fold(slot[known], context[known], reward[known])


def minds_of(world: World, user: Ints, learn: bool) -> Minds:
    """The start for people `user (P,)`: a copy for each if it learns, else the world's own."""
    sums, slots = world.sums, world.slots
    if not learn:
        return Minds(sums, np.zeros(len(user), np.int64), slots[user], slots[user + 1])
    at, _, starts = blocks(slots, user)
    at = np.concatenate([np.zeros(1, np.int64), at])
    own = Sums(sums.gram[at], sums.moment[at], sums.count[at], sums.total[at])
    return Minds(own, 1 + starts[:-1] - slots[user], 1 + starts[:-1], 1 + starts[1:])
