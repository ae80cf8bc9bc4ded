"""One user's state: the sums of each arm, and what they were learned from."""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from policies.errors import BadInput
from policies.records import check_user_id
from policies.sums import Sums

SCHEMA = 1
MAX_ARMS = 1000  # arms a user, further ones share OTHER
OTHER = "*"  # also the arm of a candidate that names none
SKETCH = 16  # hashes of decisions kept, to know a log again that was learned from


def decision_hash(decision_id: str) -> int:
    """63 bits that stand for a decision in a sketch."""
    return int.from_bytes(hashlib.blake2b(decision_id.encode(), digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True, slots=True)
class Learned:
    """What a state learned from: how much, when, and a bottom-k sketch of which decisions.

    The sketch (the smallest `SKETCH` hashes of folded decisions; Broder, 1997) survives
    every export and file format, so a state knows a log it was trained on.
    """

    first: int | None = None  # microseconds of the first and the last feedback folded
    last: int | None = None
    sketch: tuple[int, ...] = ()

    def add(self, hashes: Iterable[int], first: int, last: int) -> "Learned":
        """With further decisions, folded between `first` and `last`."""
        return Learned(
            first if self.first is None else min(self.first, first),
            last if self.last is None else max(self.last, last),
            tuple(sorted({*self.sketch, *hashes})[:SKETCH]),
        )


@dataclass(slots=True)
class UserState:
    """A user's arms, sorted by name, and their sums: arm i is row i+1 (row 0 is empty)."""

    user_id: str
    features: str
    sums: Sums
    seq: int = 0  # feedbacks folded
    arms: list[str] = field(default_factory=list)
    learned: Learned = field(default_factory=Learned)

    @classmethod
    def empty(cls, user_id: str, features: str, width: int) -> "UserState":
        """A state that has seen nothing."""
        return cls(user_id, features, Sums.zeros(1, width))

    def slot(self, arm: str) -> int:
        """The row of an arm: 0 for one never seen, `OTHER`'s once there are too many."""
        at = bisect_left(self.arms, arm)
        if at < len(self.arms) and self.arms[at] == arm:
            return at + 1
        if len(self.arms) < MAX_ARMS or arm == OTHER or not self._full():
            return 0
        return self.slot(OTHER)

    def fold(self, arm: str, context: Any, reward: float, decision_id: str, at: int) -> None:
        """Folds one feedback at `at` (microseconds): `context (d,)`, its reward."""
        row = self.slot(arm) or self._open_row(OTHER if self._full() else arm)
        self.sums.fold(
            np.array([row], dtype=np.int64), np.array([context], dtype=float), np.array([reward])
        )
        self.seq += 1
        self.learned = self.learned.add([decision_hash(decision_id)], at, at)

    def _full(self) -> bool:
        return len(self.arms) >= MAX_ARMS and len(self.arms) - self.arms.count(OTHER) >= MAX_ARMS

    def _open_row(self, arm: str) -> int:
        at = bisect_left(self.arms, arm)
        self.arms.insert(at, arm)
        self.sums = self.sums.with_row(at + 1)
        return at + 1


def to_json(state: UserState) -> str:
    """The state as JSON; Python writes the shortest decimal that reads back to the same bits."""
    s = state.sums
    arms = {
        arm: {
            "gram": s.gram[i].tolist(),
            "moment": s.moment[i].tolist(),
            "count": s.count[i].item(),
            "reward": s.total[i].item(),
        }
        for i, arm in enumerate(state.arms, start=1)
    }
    learned = {
        "first": state.learned.first,
        "last": state.learned.last,
        "sketch": [f"{h:016x}" for h in state.learned.sketch],
    }
    record = {
        "schema": SCHEMA,
        "user_id": state.user_id,
        "features": state.features,
        "width": s.width,
        "seq": state.seq,
        "learned_from": learned,
        "arms": arms,
    }
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str, where: str = "state") -> UserState:
    """The state that `to_json` wrote, bit for bit. Raises `BadInput` for anything else."""
    try:
        record = json.loads(text)
        if record["schema"] != SCHEMA:
            raise BadInput(where, f"schema must be {SCHEMA}", record["schema"])
        state = _state(record, where)
        if json.dumps(record, ensure_ascii=False) + "\n" != to_json(state):
            raise ValueError("it says what is never written")
        return state
    except BadInput:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
    except (OverflowError, MemoryError):
        reason = "a number is too large"
    raise BadInput(where, f"is not a state of schema {SCHEMA} ({reason})")


def _state(record: Any, where: str) -> UserState:
    names = sorted(record["arms"])
    "".join(names).encode()  # raises for what no file could hold
    sums = Sums.zeros(len(names) + 1, int(record["width"]))
    for i, name in enumerate(names, start=1):
        arm = record["arms"][name]
        sums.gram[i] = _numbers(arm["gram"], sums.gram.shape[1])
        sums.moment[i] = _numbers(arm["moment"], sums.width)
        sums.count[i], sums.total[i] = _numbers([arm["count"], arm["reward"]], 2)
    source = record["learned_from"]
    learned = Learned(source["first"], source["last"], tuple(int(h, 16) for h in source["sketch"]))
    state = UserState(
        check_user_id(record["user_id"], f"{where}: user_id"),
        str(record["features"]),
        sums,
        int(record["seq"]),
        names,
        learned,
    )
    _check(state)
    return state


def _check(state: UserState) -> None:
    counts, learned = state.sums.count, state.learned
    if (counts < 0).any() or counts.sum() != state.seq:
        raise ValueError("seq must be the sum of the arms' counts")
    if list(learned.sketch) != sorted(set(learned.sketch))[:SKETCH]:
        raise ValueError(f"sketch must hold at most {SKETCH} hashes in order")
    if any(not 0 <= h < 2**63 for h in learned.sketch):
        raise ValueError("a hash has 63 bits")
    times = [t for t in (learned.first, learned.last) if t is not None]
    if any(type(t) is not int for t in times) or times != sorted(times):
        raise ValueError("learned_from must be whole numbers in order")


def _numbers(values: Any, count: int) -> Any:
    array = np.array(values, dtype=float)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise ValueError(f"expected {count} finite numbers")
    return array


def file_name(user_id: str) -> str:
    """The name of a user's state file: ids may hold what file systems do not."""
    return f"{hashlib.sha256(user_id.encode()).hexdigest()}.json"
