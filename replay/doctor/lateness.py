"""Late propensities: pmfs computed again after the feedback, which no test of weights can tell."""

import math
from collections.abc import Iterator

import numpy as np

from journal.log import NO_TIME, NONE
from policies import make
from policies.arrays import Floats
from policies.spec import is_ours
from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said
from replay.history.rebuilding import LATE, SEES_ITSELF, history_gap, rebuild

SURE = 3.0  # standard errors
SAME = 1e-9  # as near as a uniform propensity is to 1/K
TINY = 1e-300  # a variance of 0 must not divide
MOST = 0.5  # of the answers; more that arrive at the decision's own moment say something


def lateness(case: Case, fits: bool) -> Iterator[Finding]:
    """Our logs are made again, decision by decision; of others only the times can be read.

    A pscore that goes with its own round's reward is no sign: a logger that knows people
    gives what they like a high probability. What is sound whatever the logger knows is that
    draws follow the pmf (`calibration`); a pmf that has learned from the draw mostly does not.
    Where they do not (`fits` False), decisions without feedback tell a late pmf from a wrong one.
    """
    log = case.log
    if not case.known.any():
        return
    blocked = _why_not(case)
    if blocked is None:
        yield from _made_again(case)
        return
    uniform = np.abs(case.logger.pscore * case.lengths - 1)[case.known] < SAME
    if uniform.all():
        return  # such propensities know nothing, before feedback or after
    if not fits and case.pmf is not None:
        yield from _suspected(case, case.pmf)
    at_once = log.answered & (log.feedback_at == log.decided_at)
    timed = log.answered & (log.feedback_at != NO_TIME)
    if timed.any() and at_once.sum() > MOST * timed.sum():
        yield said(
            "times",
            "fact",
            f"{at_once.sum() / timed.sum():.0%} of the answers have the time of their decision: "
            "times cannot tell whether a propensity was computed before its feedback",
            share=float(at_once.sum() / timed.sum()),
        )
    if case.logger.declared is None:
        yield said(
            "late-unknown",
            "fact",
            f"that propensities were logged before their feedback is the logger's word: {blocked}, "
            "so that draws follow them is all that can be shown",
            "journal",
        )


def _why_not(case: Case) -> str | None:
    """Why the decisions cannot be made again; None: they can."""
    log = case.log
    if log.pmf is None or np.isnan(log.pmf[log.chosen]).any():
        return "the pmfs are not logged"
    if (log.state_seq == NONE).any():
        return "state_seq is not logged"
    if not any(is_ours(spec) for spec in log.policy_names):
        return "no policy of ours decided"
    gap = history_gap(log)
    return None if gap is None else f"the log is a part of its journal ({gap})"


def _suspected(case: Case, pmf: Floats) -> Iterator[Finding]:
    """Are draws off where feedback came, and only there?

    The mean of pmf[action] is that of sum pmf^2 if draws follow the pmf: their difference in
    standard errors, with and without feedback. Which decisions get feedback depends on the
    draw a little, so this names what `calibration` has found and alone finds nothing.
    """
    log = case.log
    expired = np.zeros(len(log), np.bool_)
    if "expired" in log.feedback_names:
        expired = log.feedback == log.feedback_names.index("expired")
    told = log.answered & ~expired
    square = np.add.reduceat(pmf**2, log.offsets[:-1])
    off = case.logger.pscore - square
    variance = np.add.reduceat(pmf**3, log.offsets[:-1]) - square**2

    with_, without = case.known & told, case.known & ~told
    if not with_.any() or not without.any():
        return
    here, there = (
        float(off[rows].sum()) / math.sqrt(max(float(variance[rows].sum()), TINY))
        for rows in (with_, without)
    )
    gap = float(off[with_].mean() - off[without].mean())
    error = math.sqrt(
        variance[with_].mean() / with_.sum() + variance[without].mean() / without.sum()
    )
    if abs(here) > SURE > abs(there) and abs(gap) > SURE * error:
        yield said(
            "late-suspected",
            "cannot",
            "anything by weights: draws fit the pmfs where no feedback came "
            f"({abs(there):.1f} standard errors off) and do not where it came ({abs(here):.1f}): "
            "propensities were most likely computed after their feedback",
            "draw",
            with_feedback=here,
            without_feedback=there,
        )


def _made_again(case: Case) -> Iterator[Finding]:
    log = case.log
    reasons: dict[int, str] = {}
    for code, spec in enumerate(log.policy_names):
        rows = log.policy == code
        if not is_ours(spec):
            continue
        again = rebuild(log, make(spec), rows)
        for i in np.flatnonzero(again.self_seen | again.other_pmf | again.other_action).tolist():
            reasons[i] = str(again.reason(i))
    late = sorted(i for i, reason in reasons.items() if reason in (LATE, SEES_ITSELF))
    if late:
        first = log.decision_id[late[0]]
        yield said(
            "late",
            "cannot",
            f"anything by weights: {len(late)} propensities were computed after their own feedback "
            f"was folded, the first of decision {first}; they lean towards what came out well",
            "draw",
            decisions=len(late),
            first=first,
        )
    elif reasons:
        at = min(reasons)
        yield said(
            "rebuilt",
            "cannot",
            f"anything by weights: {len(reasons)} decisions are not what their policy makes of the "
            f"journal; {log.decision_id[at]}: {reasons[at]}",
            "draw",
            decisions=len(reasons),
            first=log.decision_id[at],
        )
    else:
        yield said(
            "late",
            "fact",
            "no propensity is late: every pmf is what its policy gave before its feedback",
            decisions=0,
        )
