"""The world of the gate's study: logs of a champion that explores, and a challenger's true gain."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from journal import schema
from journal.log import Log, log_of_table
from policies.arrays import Bools, Floats, Ints
from policies.policy import Batch, greedy_pmf
from policies.rewards import REWARD_RANGE
from policies.sums import Sums
from replay.studies.cells import Rng

SQUARE = 2 / 3  # mean square of the rewards -1, 0, 1
ARMS = np.array(["errands", "home", "study", "work"])
OVERDUE = 0.3
START = 1_767_225_600_000_000  # microseconds, a midnight
HOUR, DAY = 3_600_000_000, 86_400_000_000


@dataclass(frozen=True)
class ByFeature:
    """Ranks candidates by one feature, with an exploration floor."""

    column: int = 3
    epsilon: float = 0.4
    seed: int = 0

    @property
    def explores(self) -> bool:
        """With a floor."""
        return self.epsilon > 0

    def score(self, batch: Batch, sums: Sums) -> Floats:
        """The feature `(N,)`."""
        return np.ascontiguousarray(batch.context[:, self.column])

    def pmf(self, scores: Floats, offsets: Ints) -> Floats:
        """Of each decision `(N,)`."""
        return greedy_pmf(scores, offsets, self.epsilon)


@dataclass(frozen=True)
class Life:
    """What came of one run, each `(people, days, a_day)`: two candidates a decision."""

    apart: Bools  # the policies differ
    best: Bools  # the champion's favourite is the second candidate
    taken: Bools  # the logged action is the champion's favourite
    reward: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        """(people, days, a_day)"""
        people, days, a_day = self.reward.shape
        return people, days, a_day

    def weights(self, epsilon: float) -> Floats:
        """The challenger's, of a floor `epsilon`; the champion logged, so that its own are 1."""
        low, high = epsilon / 2, 1 - epsilon / 2
        return np.where(self.apart, np.where(self.taken, low / high, high / low), 1.0)


def live(
    rng: Rng,
    shape: tuple[int, int, int],
    apart: float,
    epsilon: float,
    gain: float,
    sd: float,
    act: Floats | None = None,
) -> Life:
    """A person's gain per decision is normal around `gain`, cut where rewards could not have it.

    `act`: the actions' uniforms, of `shape`; an audit asks for those of the decisions' ids.
    Where the policies differ, the challenger's favourite is worth as much more as the gain
    per decision needs, and the two are worth 0 on average; elsewhere both are worth 0.
    """
    most = SQUARE * 2 * apart * (1 - epsilon)
    own = np.clip(rng.normal(gain, sd, shape[0]), gain - (most - gain), most)
    differ = rng.random(shape) < apart
    best = rng.random(shape) < 0.5
    second = (rng.random(shape) if act is None else act) >= np.where(
        best, epsilon / 2, 1 - epsilon / 2
    )
    taken = second == best
    lead = (own / (apart * (1 - epsilon)))[:, None, None]  # challenger's less champion's favourite
    mean = np.where(differ, np.where(taken, -lead, lead), 0.0) / 2
    u = rng.random(shape)
    good = (SQUARE + mean) / 2
    reward = np.where(u < good, 1.0, np.where(u < SQUARE, -1.0, 0.0))
    return Life(differ, best, taken, reward)


def names(shape: tuple[int, int, int]) -> list[str]:
    """The decisions' ids, by person, day and part of the day."""
    return ["-".join(map(str, place)) for place in np.ndindex(shape)]


def log_of_life(life: Life, rng: Rng, spec: str, epsilon: float) -> Log:
    """The log that the champion `spec` kept: features as `tip-v1`, which carry no gain.

    `task_age` ranks by the champion's taste, `priority` by the challenger's.
    """
    a_day = life.shape[2]
    n = life.reward.size
    who, day, part = (i.ravel() for i in np.indices(life.shape))
    best = life.best.ravel().astype(np.int64)
    hour = 8 + part * 12 // a_day + rng.integers(0, 12 // a_day, n)
    hour[0] = 8  # no later day's decision falls into the first seven times 24 hours
    context = np.empty((n, 2, 5))
    context[:, :, 0] = np.sin(2 * np.pi * hour / 24)[:, None]
    context[:, :, 1] = np.cos(2 * np.pi * hour / 24)[:, None]
    context[:, :, 2] = rng.random((n, 2)) < OVERDUE
    rows = np.arange(n)
    for column, favourite in ((3, best), (4, np.where(life.apart.ravel(), 1 - best, best))):
        pair = np.sort(rng.random((n, 2)), axis=1)
        context[rows, favourite, column] = pair[:, 1]
        context[rows, 1 - favourite, column] = pair[:, 0]
    pmf = np.full((n, 2), epsilon / 2)
    pmf[rows, best] = 1 - epsilon / 2
    action = np.where(life.taken.ravel(), best, 1 - best)
    at = START + day * DAY + hour * HOUR + who  # a person's decisions are an hour apart or more
    told = day * a_day + part  # all answers come before the person's next decision
    order = np.lexsort((who, at))
    offsets = pa.array(np.arange(0, 2 * n + 1, 2, dtype=np.int32))

    def listed(values: object) -> pa.ListArray:
        return pa.ListArray.from_arrays(offsets, values)

    flat = pa.array(context[order].ravel())
    columns = {
        "decision_id": pa.array(names(life.shape)).take(pa.array(order)),
        "user_id": pa.array([f"u{i}" for i in who[order]]),
        "decided_at": pa.array(at[order]).cast(schema.TIME),
        "policy": pa.array([spec] * n),
        "features": pa.array(["tip-v1"] * n),
        "state_seq": pa.array(told[order]),
        "candidate_ids": listed(pa.array(["a", "b"] * n)),
        "arms": listed(pa.array(ARMS[rng.integers(0, len(ARMS), 2 * n)])),
        "context": listed(pa.FixedSizeListArray.from_arrays(flat, 5)),
        "pmf": listed(pa.array(pmf[order].ravel())),
        "action": pa.array(action[order].astype(np.int32)),
        "pscore": pa.array(pmf[rows, action][order]),
        "reward": pa.array(life.reward.ravel()[order]),
        "feedback_at": pa.array(at[order] + HOUR // 2).cast(schema.TIME),
        "feedback_seq": pa.array(told[order] + 1),
    }
    table = pa.table(columns).replace_schema_metadata(schema.metadata(REWARD_RANGE, None))
    return log_of_table(table, "study")


def part_of(log: Log, days: int) -> Log:
    """The log of the first `days` days."""
    return log.take(log.decided_at < START + days * DAY)
