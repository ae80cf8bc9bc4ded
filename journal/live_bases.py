"""Base states: what a user's pruned records had been folded into, where the rest goes on."""

import hashlib
import sqlite3
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from journal.live_rows import Source, rows_of
from policies.state import UserState, from_json

COLUMNS = "user_id, seq, n, latest, state, chain, digest"
NO_CHAIN = bytes(32)  # of a user of whom nothing was pruned yet


class DamagedBase(Exception):
    """A base state is not what was written: its user cannot be served until it is restored."""


@dataclass(frozen=True, slots=True)
class Base:
    """A user's first `seq` feedbacks, folded; `n` and `latest` are of the records pruned."""

    user_id: str
    seq: int
    n: int  # the last decision row
    latest: int  # when the last record was written, microseconds
    text: str  # the state as JSON
    chain: bytes  # (32,) of the digests of the records, in the order of their feedbacks
    digest: bytes  # (32,) of all of this

    @property
    def holds(self) -> bool:
        """Whether it is what was written."""
        return self.digest == digest_of(self)

    def state(self) -> UserState:
        """A state of its own to go on with. Raises `DamagedBase`."""
        if not self.holds:
            raise DamagedBase(f"the base state of {self.user_id} is not what was written")
        return from_json(self.text, f"base state of {self.user_id}")


def digest_of(base: Base) -> bytes:
    """SHA-256 (32 bytes) of a base's canonical bytes."""
    user, text = base.user_id.encode(), base.text.encode()
    numbers = struct.pack("<qqqII", base.seq, base.n, base.latest, len(user), len(text))
    return hashlib.sha256(b"tipbandit base 1" + numbers + user + text + base.chain).digest()


def chained(chain: bytes, digests: Iterable[bytes]) -> bytes:
    """The chain `(32,)` with further records' digests."""
    for digest in digests:
        chain = hashlib.sha256(chain + digest).digest()
    return chain


def base_of(db: sqlite3.Connection, user_id: str) -> Base | None:
    """The user's; None while nothing of theirs was pruned."""
    query = f"SELECT {COLUMNS} FROM bases WHERE user_id = ?"
    row = db.execute(query, (user_id,)).fetchone()
    return None if row is None else Base(*row)


def bases_in(source: Source) -> dict[str, Base]:
    """All of a journal, by user; a journal of before schema 3 has none."""
    return {row[0]: Base(*row) for row in rows_of(source, f"SELECT {COLUMNS} FROM bases")}


def write_base(
    db: sqlite3.Connection, state: UserState, text: str, n: int, latest: int, chain: bytes
) -> None:
    """Puts it in the place of the one before; `text` is the JSON of `state`."""
    base = Base(state.user_id, state.seq, n, latest, text, chain, b"")
    db.execute(
        f"INSERT OR REPLACE INTO bases ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (base.user_id, base.seq, n, latest, text, chain, digest_of(base)),
    )
