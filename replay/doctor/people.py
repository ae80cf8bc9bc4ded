"""Who decided: users are the sample, so how many there are and how unequal counts."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said
from replay.doctor.groups import mixed, situation
from replay.verdict import FEW_USERS

DOMINANT = 0.2  # of the decisions by one user
COINCIDENCE = 1e-6  # the chance of so many agreements that it is none
TWICE = 0.01  # of the decisions that are there again


def people(case: Case) -> Iterator[Finding]:
    """Users and their sizes, and decisions that are there twice."""
    yield from _copies(case)
    log, users, n = case.log, case.users, len(case.log)
    if not case.has_users:
        yield said(
            "no-users",
            "cannot",
            "how users differ: each row is its own user and counts as independent",
            "users",
        )
        return
    sizes = np.bincount(log.user)
    equal = float(n * n / (sizes.astype(float) @ sizes))
    yield said(
        "users",
        "fact",
        f"{sizes.min()} to {sizes.max()} decisions a user (median {np.median(sizes):g}), as good "
        f"as {equal:.0f} users of equal size",
        users=users,
        equal_users=equal,
        largest=int(sizes.max()),
    )
    if users < FEW_USERS:
        yield said(
            "few-users",
            "cannot",
            f"intervals to be believed: {users} users, at least {FEW_USERS} are wanted",
            "people",
            users=users,
        )
    share = float(sizes.max() / n)
    if users > 1 and share > DOMINANT:
        who = log.user_names[int(sizes.argmax())]
        yield said(
            "dominant-user",
            "cannot",
            f"people in general: {share:.0%} of the decisions are of user {who}",
            "people",
            user=who,
            share=share,
        )
    elif users >= FEW_USERS > equal:
        yield said(
            "few-users",
            "cannot",
            f"intervals to be believed: sizes are so unequal that {users} users are as good as "
            f"{equal:.0f}, at least {FEW_USERS} are wanted",
            "people",
            users=users,
            equal_users=equal,
        )
    lower: dict[str, str] = {}
    for name in log.user_names:
        other = lower.setdefault(name.casefold(), name)
        if other != name:
            yield said(
                "alike-users",
                "fact",
                f"users {other} and {name} differ in capitals alone: one person, perhaps",
                users=[other, name],
            )
            break


def _copies(case: Case) -> Iterator[Finding]:
    """The same moment, candidates, contexts, action and reward under another id.

    Coarse times bring the same moment by chance, but not always the same action and reward.
    """
    log, n = case.log, len(case.log)
    moment = mixed(situation(case).view(np.uint64) ^ log.decided_at.view(np.uint64))
    reward = np.nan_to_num(log.reward).view(np.uint64)
    mark = mixed(mixed(moment ^ log.action.view(np.uint64)) ^ reward)
    _, at, count = np.unique(mark, return_inverse=True, return_counts=True)
    again, alike = n - len(count), n - len(np.unique(moment))
    chance = _agreement(log.action) * _agreement(reward)
    if again <= TWICE * n or again < alike or alike * np.log(chance) > np.log(COINCIDENCE):
        return
    members = np.flatnonzero(at == int(count.argmax()))[:2]
    a, b = (log.decision_id[i] for i in members)
    whose = " and ".join(sorted({log.user_names[log.user[i]] for i in members}))
    yield said(
        "copies",
        "cannot",
        f"how sure a number is: {again} of {n} decisions are there again under another id, such as "
        f"{a} and {b} (user {whose}); copies make intervals too narrow",
        "once",
        copies=again,
    )


def _agreement(values: NDArray[np.int64] | NDArray[np.uint64]) -> float:
    """The chance that two decisions have the same value."""
    share = np.unique(values, return_counts=True)[1] / len(values)
    return float(share @ share)
