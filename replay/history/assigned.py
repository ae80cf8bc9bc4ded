"""Assignments checked: is each logged variant what the hash gives, and did its policy decide?"""

from collections import Counter
from functools import lru_cache

import numpy as np

from journal.live_lookups import is_elsewhere_name
from journal.log import Log
from journal.schema import experiments
from policies.arrays import Bools
from policies.experiment import Experiment, Variant
from replay.history.findings import Audit


def check_assignments(log: Log, found: Audit) -> None:
    """Computes every user's variant again from the experiment's content.

    Joined logs may hold several experiments of one name: one of them must give what was
    logged. What does not hold names the decision.
    """
    names = log.table["experiment"].to_pylist()
    kept: dict[str, list[Experiment]] = {}
    for experiment in experiments(log.table.schema, log.path):
        kept.setdefault(experiment.name, []).append(experiment)
    variants, shares = (log.table[c].to_pylist() for c in ("variant", "variant_probability"))
    unknown: Counter[str] = Counter()
    for i, name in enumerate(names):
        if name is None:
            continue
        if name not in kept:
            unknown[name] += 1
            continue
        user, policy = log.user_names[log.user[i]], log.policy_names[log.policy[i]]
        reasons = [
            _reason(_assigned(experiment, user), variants[i], shares[i], policy, user)
            for experiment in kept[name]
        ]
        if None in reasons:
            found.assigned += 1
        else:
            found.fail(f"decision {log.decision_id[i]}, experiment {name}: {reasons[0]}")
    given = np.array([name is not None for name in names], np.bool_)
    for name in kept:
        of_it = np.array([other == name for other in names], np.bool_)
        gap = left_out(log, of_it, ~given)
        if gap:
            found.skip(
                f"{gap} decisions made between the first and the last of experiment {name} have no "
                "variant: another server made them, or their assignments are gone"
            )
    for name, count in unknown.items():
        found.skip(f"{count} decisions of experiment {name}: its content is not kept with the log")


def left_out(log: Log, there: Bools, lacking: Bools) -> int:
    """How many decisions made here lack what those `there` (n,), before and after, have."""
    if not there.any():
        return 0
    here = np.array([not is_elsewhere_name(name) for name in log.policy_names], np.bool_)
    at = log.decided_at
    first, last = at[there].min(), at[there].max()
    return int((lacking & here[log.policy] & (at > first) & (at < last)).sum())


@lru_cache(maxsize=1 << 16)
def _assigned(experiment: Experiment, user: str) -> Variant:
    return experiment.assigned(user)


def _reason(own: Variant, variant: str, share: float, policy: str, user: str) -> str | None:
    """What contradicts the user's `own` variant; None: nothing."""
    if variant != own.name:
        return f"variant {variant} was logged, the hash of user {user} gives {own.name}"
    if share != own.share:
        return f"variant_probability {share!r} was logged, the share of {variant} is {own.share!r}"
    if policy != own.policy:
        return f"{policy} decided, the policy of variant {variant} is {own.policy}"
    return None
