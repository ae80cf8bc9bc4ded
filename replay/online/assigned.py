"""The users of an experiment in a log: whose variant is known, and who is left out."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from journal.log import Log
from journal.schema import experiments
from policies.arrays import Bools, Ints
from policies.errors import BadInput


@dataclass(frozen=True)
class Assigned:
    """An experiment's decisions and users; variants are indices into `variants`."""

    name: str
    log: Log
    variants: tuple[str, ...]  # the control first
    shares: dict[str, float]  # the probabilities, of variants nobody had too; sum to 1
    rows: Bools  # (n,) decisions of the experiment
    user_variant: Ints  # (users of the log,) -1: not in it, -2: seen under two
    notes: tuple[str, ...]
    reasons: tuple[str, ...]  # why its numbers are to be read with caution

    @cached_property
    def crossed(self) -> list[str]:
        """The users that were seen under two variants."""
        return [self.log.user_names[u] for u in np.flatnonzero(self.user_variant == CROSSED)]

    @property
    def users(self) -> dict[str, int]:
        """Users by variant, without those seen under two."""
        return {v: int((self.user_variant == i).sum()) for i, v in enumerate(self.variants)}


OUT, CROSSED = -1, -2
UNSEEN = "(not in the log)"


def assigned(log: Log, name: str | None = None) -> Assigned:
    """The users of the experiment `name`, which may be left out where the log has but one.

    Raises `BadInput` for a log without it.
    """
    column = log.table["experiment"].to_pylist()
    names = sorted({one for one in column if one is not None})
    if not names:
        raise BadInput(log.path, "holds no decision of an experiment")
    if name is None and len(names) > 1:
        raise BadInput("--experiment", "the log has several, name one of them", ", ".join(names))
    name = names[0] if name is None else name
    if name not in names:
        raise BadInput("--experiment", f"must be one of {', '.join(names)}", name)
    rows = np.array([one == name for one in column])
    words = log.table["variant"].to_pylist()
    logged = log.table["variant_probability"].to_pylist()
    probabilities: dict[str, set[float]] = {}
    for i in np.flatnonzero(rows).tolist():
        probabilities.setdefault(words[i], set()).add(logged[i])
    kept = [e for e in experiments(log.table.schema, log.path) if e.name == name]
    shares = {v.name: v.share for e in kept[:1] for v in e.variants}
    reasons = []
    if len(kept) > 1 or any(len(p) > 1 for p in probabilities.values()):
        reasons.append("the experiment was changed under its name: its logs are of several")
    for variant, found in probabilities.items():
        shares.setdefault(variant, max(found))
    missing = 1.0 - sum(shares.values())
    variants = tuple(shares)
    if missing > 1e-6:
        shares[UNSEEN] = missing
    code = {v: i for i, v in enumerate(variants)}
    which = _user_variants(log, rows, np.array([code.get(w, OUT) for w in words]))
    outside = int((~rows & (which[log.user] != OUT) & _since(log, rows)).sum())
    notes = []
    if outside:
        notes.append(
            f"{outside} decisions of its users since it began are not of the experiment (made "
            "elsewhere, or before a variant was logged) and are left out"
        )
    return Assigned(name, log, variants, shares, rows, which, tuple(notes), tuple(reasons))


def _user_variants(log: Log, rows: Bools, variant: Ints) -> Ints:
    out = np.full(len(log.user_names), OUT, np.int64)
    first = np.flatnonzero(rows)[::-1]
    out[log.user[first]] = variant[first]
    other = rows & (variant != out[log.user])
    out[log.user[other]] = CROSSED
    return out


def _since(log: Log, rows: Bools) -> Bools:
    since: Bools = log.decided_at >= log.decided_at[rows].min()
    return since
