"""How long a decision takes: measured on a log's decisions, and told by a scorer's /metrics."""

import math
from collections.abc import Mapping
from statistics import median
from time import perf_counter

import numpy as np

from journal.cli import progress
from journal.log import Log
from policies.arrays import Floats, Ints
from policies.loop import probabilities
from policies.policy import Policy
from policies.state import UserState
from replay.online.scorer import QUANTILES, Online
from replay.release.gate_finding import FAIL, PASS, Finding, not_judged
from replay.release.gate_rules import Rules

DECISIONS = 2000  # timed, evenly spaced over the evaluated ones
WARM_UP = 50  # before them: compiled code, caches
REPEATS = 3  # of each; the median counts, so that what else this machine does counts little
PATIENCE_S = 10.0  # a policy that is too slow is known by fewer decisions
QUANTILE = 0.99


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


def served(rules: Rules, found: Online | None, challenger: str) -> Finding:
    """The rule `served_p99_ms`: the p99 is taken for the upper bound of its bucket."""
    rule, most = "served_p99_ms", rules.served_p99_ms
    if found is None:
        if rules.served == "required":
            return Finding(rule, most, None, FAIL, "required, but not measured: give --metrics")
        return not_judged(rule, most, "not measured: no --metrics")
    low, high = found.latency_ms[QUANTILES.index(QUANTILE)]
    finite = math.isfinite(high)
    held = high <= most
    said = f"p99 of {found.requests} requests to /score is above {low:g} ms" + (
        f", at most {high:g} ms" * finite
    )
    policies = [policy for policy, count in found.decisions.items() if count > 0]
    if challenger not in policies:
        said += f"; decided by {', '.join(policies) or 'nobody'}, not by the challenger"
    figure = high if finite else None
    return Finding(rule, most, figure, PASS if held else FAIL, said)
