"""Assignments checked: is each logged variant what the hash gives, and did its policy decide?"""

from collections import Counter
from functools import lru_cache

from journal.log import Log
from journal.schema import experiments
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
    for name, count in unknown.items():
        found.skip(f"{count} decisions of experiment {name}: its content is not kept with the log")


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
