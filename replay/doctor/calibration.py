"""Do draws follow the propensities? In groups fixed before the draw, counts against their sums."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from replay.doctor.case import Case
from replay.doctor.counts import Counted, counted
from replay.doctor.diagnosis import Finding, said
from replay.doctor.groups import Groups, groups
from replay.doctor.implied import implied, implied_groups

FALSE_ALARMS = 1e-3  # of honest logs, at most, over all groups together
NAMED = 5  # groups that are shown


def calibration(case: Case) -> Iterator[Finding]:
    """One finding: the propensities hold where they can be checked, or the worst group.

    With right propensities, drawn - expected is a martingale whatever the logger learned:
    its variance is known, and Freedman's inequality (1975, in Bennett's form) bounds its
    tail without a normal approximation. A Bonferroni correction covers all groups. Where
    users' draws depend on each other (an action kept for a session) the larger, clustered
    variance counts: that is no fault of the propensities.

    Without pmfs, weighted draws that are too few prove nothing wrong: perhaps the rest of a
    group was nearly impossible to draw. They are told as what they are, candidates that the
    propensities do not account for. Too many are a fault.
    """
    if not case.known.any() or not (case.lengths[case.known] > 1).any():
        return
    seen = [c for split in groups(case) for c in counted(case, split, case.pmf)]
    if case.pmf is None:
        seen += counted(case, _all(case), None)
        own = implied(case)
        if own is not None:
            seen += [c for split in implied_groups(case, own) for c in counted(case, split, own)]
    if not seen:
        yield said("calibration", "fact", "too few draws to check the propensities against them")
        return
    limit = math.log(FALSE_ALARMS / len(seen))
    off = sorted((c for c in seen if c.log_p < limit and c.matters), key=lambda c: c.log_p)
    short = [c for c in off if c.weighted and c.drawn < c.expected]
    wrong = [c for c in off if c not in short]
    if wrong:
        yield _wrong(wrong, len(seen))
    elif not short:
        yield said(
            "calibration",
            "fact",
            f"propensities agree with the draws in all {len(seen)} groups that were checked",
            groups=len(seen),
        )
    if short:
        yield _short(short, len(seen))


def _wrong(off: Sequence[Counted], checked: int) -> Finding:
    worst = off[0]
    return said(
        "calibration",
        "cannot",
        f"anything by weights: the propensities do not fit the draws. {worst.group}: {worst.what} "
        f"{worst.drawn:.0f}, expected {worst.expected:.0f} ± {worst.error:.0f} ({len(off)} of "
        f"{checked} groups are off). They are wrong, or were computed after the draw, from a state "
        "that knew more (a late propensity)",
        "draw",
        groups=checked,
        off=len(off),
        worst=[c.to_dict() for c in off[:NAMED]],
    )


def _short(off: Sequence[Counted], checked: int) -> Finding:
    worst = off[0]
    return said(
        "accounted",
        "cannot",
        f"policies that take what propensities do not account for. {worst.group}: {worst.what} "
        f"{worst.drawn:.0f} of {worst.expected:.0f} ± {worst.error:.0f} ({len(off)} of {checked} "
        "groups are short). Some candidates were nearly impossible there, or the propensities are "
        "too high; only pmfs could tell which",
        "pmf",
        groups=checked,
        off=len(off),
        worst=[c.to_dict() for c in off[:NAMED]],
    )


def _all(case: Case) -> Groups:
    return Groups(np.zeros(len(case.decision), np.int64), 1, lambda _: "the log as a whole")
