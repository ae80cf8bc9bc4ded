"""The names of decisions: in the order of their times, and not to be guessed."""

import numpy as np

from journal.live_ids import new_id


def test_ids_are_a_time_and_128_bits_of_chance() -> None:
    """Later ones sort behind; of one time none is like another in more than that."""
    times = [1_700_000_000_000_000 + ms * 1_000 for ms in (0, 1, 15, 16, 10_000_000, 10**12)]
    ids = [new_id(at) for at in times]
    assert ids == sorted(ids)
    assert [int(name[:12], 16) * 1_000 for name in ids] == times
    many = np.array([list(bytes.fromhex(new_id(times[0]))) for _ in range(2_000)], dtype=np.uint8)
    bits = np.unpackbits(many[:, 6:], axis=1)
    assert bits.shape[1] == 128
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 6 * 0.5 / np.sqrt(2_000)
