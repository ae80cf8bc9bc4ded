"""How long a decision takes: measured on a log's decisions, and told by a scorer's /metrics."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from journal.cli import progress
from journal.log import Log
from policies.arrays import Floats, Ints
from policies.errors import BadInput
from policies.loop import probabilities
from policies.policy import Policy
from policies.state import UserState
from replay.release.gate_finding import FAIL, PASS, Finding, not_judged
from replay.release.gate_rules import Rules

DECISIONS = 2000  # timed, evenly spaced over the evaluated ones
WARM_UP = 50  # before them: compiled code, caches
REPEATS = 3  # of each; the median counts, so that what else this machine does counts little
PATIENCE_S = 10.0  # a policy that is too slow is known by fewer decisions
QUANTILE = 0.99
ENDPOINT = "/score"


@dataclass(frozen=True)
class Served:
    """What a scorer's /metrics says of /score."""

    requests: int
    low_ms: float  # p99 lies above this bound of the histogram …
    high_ms: float  # … and not above this one; inf: beyond the last
    policies: tuple[str, ...]  # that decided


def decision_times(log: Log, rows: Ints, policy: Policy, states: Mapping[str, UserState]) -> Floats:
    """Milliseconds `(m,)` of m <= `DECISIONS` of the log's `rows`, by the path that serves.

    Each from its user's state in `states`, else from an empty one.
    """
    width = log.context.shape[1]
    chosen = rows[np.linspace(0, len(rows) - 1, min(DECISIONS, len(rows))).astype(np.int64)]
    arms, ids = log.arm_names, log.decision_id
    empty = UserState.empty("nobody", log.features, width)

    def once(i: int) -> float:
        start, stop = log.offsets[i], log.offsets[i + 1]
        state = states.get(log.user_names[log.user[i]], empty)
        offered = [arms[a] for a in log.arm[start:stop]]
        context = log.context[start:stop]
        began = perf_counter()
        probabilities(policy, state, offered, context, ids[i])
        return (perf_counter() - began) * 1e3

    started = perf_counter()
    for i in chosen[:WARM_UP].tolist():
        once(i)
        if perf_counter() - started > PATIENCE_S / 2:
            break
    took = []
    for i in progress(chosen.tolist(), len(chosen), "latency"):
        took.append(median(once(i) for _ in range(REPEATS)))
        if perf_counter() - started > PATIENCE_S:
            break
    return np.array(took)


def latency(rules: Rules, took: Floats) -> Finding:
    """The rule `latency_p99_ms` of measured milliseconds `(m,)`."""
    p50, p99 = (float(q) for q in np.quantile(took, (0.5, QUANTILE)))
    held = p99 <= rules.latency_p99_ms
    said = f"p99 {p99:.3g} ms, p50 {p50:.3g} ms of {len(took)} decisions measured here"
    return Finding("latency_p99_ms", rules.latency_p99_ms, p99, PASS if held else FAIL, said)


def served(rules: Rules, found: Served | None, challenger: str) -> Finding:
    """The rule `served_p99_ms`: the p99 is taken for the upper bound of its bucket."""
    rule, most = "served_p99_ms", rules.served_p99_ms
    if found is None:
        if rules.served == "required":
            return Finding(rule, most, None, FAIL, "required, but not measured: give --metrics")
        return not_judged(rule, most, "not measured: no --metrics")
    finite = math.isfinite(found.high_ms)
    held = found.high_ms <= most
    said = f"p99 of {found.requests} requests to {ENDPOINT} is above {found.low_ms:g} ms" + (
        f", at most {found.high_ms:g} ms" * finite
    )
    if challenger not in found.policies:
        said += f"; decided by {', '.join(found.policies) or 'nobody'}, not by the challenger"
    figure = found.high_ms if finite else None
    return Finding(rule, most, figure, PASS if held else FAIL, said)


_BUCKET = re.compile(
    r'tipbandit_request_seconds_bucket\{endpoint="(?P<endpoint>[^"]*)",'
    r'le="(?P<le>[^"]*)"\} (?P<n>\S+)'
)
_DECIDED = re.compile(r'tipbandit_decisions_total\{policy="((?:[^"\\]|\\.)*)"\} (\S+)')


def served_of(path: Path) -> Served:
    """Reads the text of a scorer's /metrics. Raises `BadInput` for anything else."""
    where = str(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInput(where, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise BadInput(where, f"must be UTF-8 ({error.reason})") from None
    matches = [m for m in map(_BUCKET.fullmatch, lines) if m and m["endpoint"] == ENDPOINT]
    try:
        buckets = [(float(m["le"]), float(m["n"])) for m in matches]
        decided = [(m[1], float(m[2])) for m in map(_DECIDED.fullmatch, lines) if m]
    except ValueError as error:
        raise BadInput(where, f"is not the text of a scorer's /metrics ({error})") from None
    bounds, counts = [b for b, _ in buckets], [n for _, n in buckets]
    if (
        not buckets
        or bounds[-1] != math.inf
        or sorted(bounds) != bounds
        or sorted(counts) != counts
    ):
        rule = f"needs the histogram tipbandit_request_seconds of {ENDPOINT}, as /metrics tells it"
        raise BadInput(where, rule)
    if not 0 < counts[-1] < math.inf:
        raise BadInput(where, f"tells of no request to {ENDPOINT}", counts[-1])
    at = next(i for i, n in enumerate(counts) if n >= QUANTILE * counts[-1])
    low = bounds[at - 1] if at else 0.0
    return Served(
        int(counts[-1]), low * 1e3, bounds[at] * 1e3, tuple(p for p, n in decided if n > 0)
    )
