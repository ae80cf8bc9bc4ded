"""Groups of candidates that were fixed before the draw: in each, draws must follow propensities."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journal import schema
from policies.arrays import Floats, Ints
from policies.features import FEATURES
from replay.doctor.case import Case

BANDS = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99])
FIFTHS = (0.2, 0.4, 0.6, 0.8)
TENTHS = 10
REPEATED = 20  # times the same candidates and contexts came


@dataclass(frozen=True)
class Groups:
    """A partition of the candidates; candidates labelled -1 belong to no group."""

    label: Ints  # (N,) from 0
    count: int
    name: Callable[[int], str]


def groups(case: Case) -> Iterator[Groups]:
    """Every partition that is looked at. None depends on a draw, a reward or what came later."""
    log = case.log
    yield Groups(log.arm, len(log.arm_names), lambda g: f"arm {log.arm_names[g]}")
    yield Groups(case.position, int(case.lengths.max()), lambda g: f"candidates at position {g}")
    yield from _features(case)
    yield from _situations(case)
    tenth = _tenths(case)
    if case.pmf is None:
        yield Groups(
            case.lengths[case.decision],
            int(case.lengths.max()) + 1,
            lambda g: f"decisions with {g} candidates",
        )
        yield Groups(tenth[case.decision], TENTHS, lambda g: f"tenth {g + 1} of the log by time")
        policy = log.policy[case.decision]
        yield Groups(policy, len(log.policy_names), lambda g: f"policy {log.policy_names[g]}")
        return
    band = np.searchsorted(BANDS, case.pmf, side="right")
    m = len(BANDS) + 1
    yield Groups(
        log.policy[case.decision] * m + band,
        len(log.policy_names) * m,
        lambda g: f"{_band(g % m)}, policy {log.policy_names[g // m]}",
    )
    most = np.maximum.reduceat(case.pmf, log.offsets[:-1])[case.decision]
    likeliest = (case.pmf == most).astype(np.int64)
    yield Groups(
        2 * tenth[case.decision] + likeliest,
        2 * TENTHS,
        lambda g: f"{'likeliest' if g % 2 else 'other'} candidates, tenth {g // 2 + 1} of the log",
    )


def _band(b: int) -> str:
    edges = [0.0, *BANDS.tolist(), 1.0]
    return f"probabilities from {edges[b]:g} to {edges[b + 1]:g}"


def _features(case: Case) -> Iterator[Groups]:
    """Fifths of every feature."""
    for j in range(case.log.context.shape[1]):
        column = case.log.context[:, j]
        edges = np.unique(np.quantile(column, FIFTHS))
        label = np.searchsorted(edges, column, side="left")
        name = feature_name(case, j)
        yield Groups(label, len(edges) + 1, lambda g, name=name: f"fifth {g + 1} of {name}")  # type: ignore[misc]


def _situations(case: Case) -> Iterator[Groups]:
    """Candidates of decisions that came again and again with the same ids and contexts."""
    same = situation(case)
    _, code, count = np.unique(same, return_inverse=True, return_counts=True)
    again = count[code] >= REPEATED
    if not again.any():
        return
    _, dense = np.unique(code[again], return_inverse=True)
    of_decision = np.full(len(case.log), -1)
    of_decision[again] = dense
    k = int(case.lengths.max())
    at = of_decision[case.decision]
    yield Groups(
        np.where(at < 0, -1, at * k + case.position),
        (int(dense.max()) + 1) * k,
        lambda g: f"candidate {g % k} of repeated situation {g // k}",
    )


def situation(case: Case) -> Ints:
    """(n,) a 64-bit hash of each decision's candidate ids and contexts, in their order."""
    log = case.log
    ids = schema.one_array(log.table["candidate_ids"]).flatten().dictionary_encode().indices
    hashed = mixed(ids.to_numpy().astype(np.uint64))
    for j in range(log.context.shape[1]):
        hashed = mixed(hashed ^ (log.context[:, j] + 0.0).view(np.uint64))  # -0.0 is 0.0
    hashed = mixed(hashed + case.position.astype(np.uint64))
    return np.add.reduceat(hashed, log.offsets[:-1]).view(np.int64)


def mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 bits stirred: SplitMix64's finalizer (Steele, Lea & Flood, 2014)."""
    x = bits + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _tenths(case: Case) -> Ints:
    """(n,) the tenth of the log by time that a decision is in."""
    n = len(case.log)
    tenth = np.empty(n, np.int64)
    tenth[np.argsort(case.log.decided_at, kind="stable")] = np.arange(n) * TENTHS // n
    return tenth


def feature_name(case: Case, j: int) -> str:
    """A feature's name where the set is ours, else its index."""
    if case.log.features == "tip-v1":
        return f"feature {FEATURES[j].name}"
    return f"feature {j}"


def by_decision(case: Case, split: Groups, values: Floats) -> tuple[Ints, Ints, Floats]:
    """Sums of `values (N, m)` by decision and group: decision and group `(P,)`, sums `(P, m)`."""
    kept = np.flatnonzero(split.label >= 0)
    key = case.decision[kept] * split.count + split.label[kept]
    pairs, at = np.unique(key, return_inverse=True)
    sums = np.column_stack(
        [np.bincount(at, values[kept, j], len(pairs)) for j in range(values.shape[1])]
    ).astype(np.float64)
    return pairs // split.count, pairs % split.count, sums
