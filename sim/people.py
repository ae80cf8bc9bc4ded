"""People: what distinguishes one from another, drawn once from the world's seed."""

import hashlib
import math
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from sim.scenarios import PROJECTS, Scenario

ZONES = ("Europe/Paris", "America/New_York", "Asia/Tokyo", "UTC", "America/Sao_Paulo")


@dataclass(frozen=True, slots=True)
class Person:
    """One person's traits; utilities are logits, hours local."""

    user_id: str
    zone: ZoneInfo
    sessions_per_day: float
    taste: dict[str, float]
    peak: dict[str, float]
    rhythm: float
    dread: float
    urgency: float
    staleness: float
    annoyance: float
    silence: float  # probability that a tip is ignored
    delay_mu: float  # of ln(seconds) until an answer


def person_of(scenario: Scenario, name: str, seed: int, user_id: str) -> Person:
    """The person `user_id` of the world (scenario `name`, seed)."""
    rng = rng_of(seed, name, user_id, "traits")
    owl = 2.5 if rng.random() < 0.2 else 0.0  # some live later than others
    ordinal = rng.normal(size=(len(PROJECTS), 2))
    return Person(
        user_id,
        ZoneInfo(ZONES[int(rng.integers(len(ZONES)))]),
        scenario.sessions_per_day * float(rng.gamma(6.0, 1 / 6.0)),
        {
            p: scenario.taste.get(p, 0.0) + scenario.taste_sd * float(z)
            for p, z in zip(PROJECTS, ordinal[:, 0], strict=True)
        },
        {
            p: (scenario.peaks[p] + owl + scenario.peak_sd * float(z)) % 24
            for p, z in zip(PROJECTS, ordinal[:, 1], strict=True)
        },
        scenario.rhythm * float(rng.gamma(8.0, 1 / 8.0)),
        scenario.dread * float(rng.gamma(4.0, 1 / 4.0)),
        scenario.urgency * float(rng.gamma(6.0, 1 / 6.0)),
        scenario.staleness * float(rng.gamma(6.0, 1 / 6.0)),
        scenario.annoyance * float(rng.gamma(4.0, 1 / 4.0)),
        float(rng.beta(8 * scenario.silence, 8 * (1 - scenario.silence))),
        math.log(60.0 * float(rng.lognormal(math.log(15.0), 0.8))),
    )


def rng_of(seed: int, *names: object) -> np.random.Generator:
    """A generator keyed by the world's seed and names; apart from every policy's draws."""
    text = "\x1f".join(map(str, (seed, *names)))
    key = hashlib.blake2b(text.encode(), digest_size=16, key=b"tipbandit world").digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(key, "little")))
