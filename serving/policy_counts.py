"""Decisions by policy in shared memory: policies come while it serves, each gets a slot.

A worker's row names its own slots, so that workers need not agree on them; who reads adds
up by name. A slot is counted into once its name is whole, and is never given to another.
"""

import hashlib
from collections.abc import Sequence

SLOTS = 64  # policies of a row between two starts; further ones are counted together
REST = "(further policies)"  # under this name
NAME_BYTES = 496
ENTRY = 2 + NAME_BYTES // 8  # doubles: count, length of the name, name
DOUBLES = SLOTS * ENTRY
"""The size of a row's table, in units of eight bytes."""


class PolicyCounts:
    """One worker's view of the rows of all: bytes, `DOUBLES * 8` each."""

    def __init__(self, rows: Sequence[memoryview], worker: int) -> None:
        self._rows = [(row.cast("d"), row) for row in rows]
        self._numbers, self._bytes = self._rows[worker]
        # a worker that takes a dead one's place goes on with its slots
        names = _names(self._numbers, self._bytes)
        self._slot = {name: i for i, name in enumerate(names)}

    def add(self, policy: str, amount: float) -> None:
        """Counts `amount` decisions of a policy."""
        name = _fitting(policy)
        slot = self._slot.get(name)
        if slot is None:
            slot = self._named(name)
        self._numbers[slot * ENTRY] += amount

    def totals(self) -> dict[str, float]:
        """Decisions by policy, over all rows."""
        out: dict[str, float] = {}
        for numbers, raw in self._rows:
            for slot, name in enumerate(_names(numbers, raw)):
                out[name] = out.get(name, 0.0) + numbers[slot * ENTRY]
        return out

    def _named(self, name: str) -> int:
        slot = len(self._slot)
        if slot >= SLOTS - 1:
            slot, name = SLOTS - 1, REST
            if name in self._slot:
                return slot
        text = name.encode()
        start = (slot * ENTRY + 2) * 8
        self._bytes[start : start + len(text)] = text
        # last, and in one piece: until then the slot is empty to whoever reads
        self._numbers[slot * ENTRY + 1] = len(text)
        self._slot[name] = slot
        return slot


def _names(numbers: "memoryview[float]", raw: memoryview) -> list[str]:
    """The names of a row's slots; they are filled in order."""
    out = []
    for slot in range(SLOTS):
        length = int(numbers[slot * ENTRY + 1])
        if not length:
            break
        start = (slot * ENTRY + 2) * 8
        out.append(bytes(raw[start : start + length]).decode())
    return out


def _fitting(policy: str) -> str:
    """A name too long for a slot is cut, and told apart by its hash."""
    text = policy.encode()
    if len(text) <= NAME_BYTES:
        return policy
    mark = f"…{hashlib.sha256(text).hexdigest()[:12]}"
    return text[: NAME_BYTES - len(mark.encode())].decode(errors="ignore") + mark
