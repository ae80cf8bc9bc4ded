"""The names of decisions."""

import secrets


def new_id(now: int) -> str:
    """Of a decision at `now` (microseconds): the milliseconds and 128 random bits, in hexadecimal.

    Nobody can guess, and so answer, another's. Those of one time are neighbours in an index: a
    batch, and soon the answers to it, write few of its pages.
    """
    return f"{now // 1000:012x}{secrets.token_hex(16)}"
