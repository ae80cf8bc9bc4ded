"""Contexts that tell nothing apart: constant, doubled, the same for all candidates; rare arms."""

from collections.abc import Iterator

import numpy as np

from policies.arrays import Bools
from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said
from replay.doctor.groups import feature_name

SEEN = 5  # rewards from which on a model of an arm is more than a guess
ALIKE = 1 - 1e-9  # correlation of two columns that are one


def contexts(case: Case) -> Iterator[Finding]:
    """Which features and arms could tell candidates or moments apart."""
    context, arms = case.log.context, len(case.log.arm_names)
    names = [feature_name(case, j) for j in range(context.shape[1])]
    constant = context.min(axis=0) == context.max(axis=0)
    flat = _flat(case)
    if constant.all() or flat.all():
        what = "constant" if constant.all() else "the same for all candidates of a decision"
        if arms == 1:
            asked = f"which candidate is better: every feature is {what}, and all have one arm"
            yield said("context", "cannot", asked, "context")
        elif constant.all():
            asked = f"which candidate suits which moment: every feature is {what}"
            yield said("context", "cannot", f"{asked}, only {arms} arms differ", "context")
        else:
            asked = f"every feature is {what}: only {arms} arms tell candidates apart"
            yield said("context", "fact", asked)
    elif (flat & ~constant).any():
        same = np.flatnonzero(flat & ~constant).tolist()
        yield said(
            "flat-feature",
            "fact",
            f"{', '.join(names[j] for j in same)}: the same for all candidates of a decision, so "
            "it matters only with parameters of an arm's own",
            features=same,
        )
    for j in np.flatnonzero(constant & ~constant.all()).tolist():
        worth = f"what {names[j]} is worth: it is {context[0, j]:g} everywhere"
        yield said("constant-feature", "cannot", worth, feature=j)
    for i, j, equal in _doubles(case, constant):
        how = "equal" if equal else "linear functions of each other"
        which = f"which of {names[i]} and {names[j]} matters: they are {how}"
        yield said("double-feature", "cannot", which, features=[i, j])
    yield from _arms(case)


def _flat(case: Case) -> Bools:
    """(d,) features that all candidates of each decision share; False where none has two."""
    if not (case.lengths > 1).any():
        return np.zeros(case.log.context.shape[1], np.bool_)
    first = case.log.context[np.repeat(case.log.offsets[:-1], case.lengths)]
    flat: Bools = (case.log.context == first).all(axis=0)
    return flat


def _doubles(case: Case, constant: Bools) -> Iterator[tuple[int, int, bool]]:
    """(i, j, whether equal): the columns that say the same."""
    context = case.log.context
    kept = np.flatnonzero(~constant)
    centred = context[:, kept] - context[:, kept].mean(axis=0)
    centred = centred / np.abs(centred).max(axis=0, initial=1e-300)  # squares must not overflow
    product = centred.T @ centred
    size = np.sqrt(np.diag(product))
    for a, b in zip(*np.triu_indices(len(kept), 1), strict=True):
        if abs(product[a, b]) >= ALIKE * size[a] * size[b]:
            i, j = int(kept[a]), int(kept[b])
            yield i, j, bool((context[:, i] == context[:, j]).all())


def _arms(case: Case) -> Iterator[Finding]:
    log = case.log
    seen = np.bincount(log.arm[log.chosen[case.sample.rows]], minlength=len(log.arm_names))
    rare = np.flatnonzero(seen < SEEN)
    if len(rare) and len(seen) > 1:
        shown = ", ".join(log.arm_names[a] for a in rare[:NAMED])
        more = f" and {len(rare) - NAMED} more" if len(rare) > NAMED else ""
        yield said(
            "rare-arms",
            "cannot",
            f"what these arms are worth: {shown}{more}, shown fewer than {SEEN} times",
            arms=len(rare),
        )


NAMED = 5  # arms that are shown
