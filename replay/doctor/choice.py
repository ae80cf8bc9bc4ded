"""Did the logger have a choice? Propensities, determinism, support, the exploration floor."""

from collections.abc import Iterator

import numpy as np

from replay.behavior.propensities import is_deterministic
from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said
from replay.verdict import LEAST_SUPPORT

LEAST_FLOOR = 1e-3  # of a probability; below it one decision weighs as much as 1,000
NO_CHOICE = 0.05  # of the decisions without a choice are worth a sentence


def choice(case: Case) -> Iterator[Finding]:
    """What the propensities say of the logger, the worst first."""
    log, pscore = case.log, case.logger.pscore
    missing = int((~case.known).sum())
    if missing == len(log):
        yield said(
            "propensities",
            "cannot",
            "no propensities: ips, snips and dr are impossible; dm is a guess of its model",
            "pscore",
            missing=missing,
        )
        return
    if missing:
        yield said(
            "propensities",
            "cannot",
            f"{missing} decisions lack a propensity: declare the logger with --behavior or "
            "leave them out",
            "every-pscore",
            missing=missing,
        )
    if case.logger.declared:
        yield said(
            "declared",
            "fact",
            f"propensities that were not logged are those of {case.logger.declared}",
        )
    several = case.known & (case.lengths > 1)
    if not several.any():
        yield said(
            "single-candidates",
            "cannot",
            "other policies: every decision has a single candidate, nothing was ever chosen",
            "context",
        )
        return
    if is_deterministic(log, pscore, case.known):
        yield said(
            "deterministic",
            "cannot",
            "other policies: the logger is deterministic, its log speaks of its own actions alone",
            "exploration",
            share=1.0,
        )
        return
    share = float((pscore[several] == 1.0).mean())
    if share > NO_CHOICE:
        yield said(
            "deterministic-share",
            "cannot",
            f"other policies on {share:.0%} of the decisions with several candidates: the logger "
            "had no choice there (pscore 1)",
            "exploration",
            share=share,
        )
    yield from _support(case)
    yield from _floor(case)


def _support(case: Case) -> Iterator[Finding]:
    """How many of the candidates the logger could draw at all."""
    if case.pmf is None:
        if case.logger.support(case.log, np.ones(len(case.decision)), case.known) is None:
            yield said(
                "support",
                "fact",
                "no pmf: support cannot be known, only guessed from the propensities",
                "pmf",
            )
        else:
            yield said(
                "support",
                "fact",
                "no pmf, but every propensity is 1/K: the logger is taken for uniform",
                "pmf",
            )
        return
    inside = np.repeat(case.known, case.lengths)
    possible = (case.pmf > 0) / np.repeat(case.lengths, case.lengths)
    support = float(possible[inside].sum() / case.known.sum())
    if support < LEAST_SUPPORT:
        yield said(
            "support",
            "cannot",
            f"policies that take the {1 - support:.1%} of candidates the logger could not draw "
            "(probability 0)",
            "exploration",
            support=support,
        )


def _floor(case: Case) -> Iterator[Finding]:
    """The least probability: how heavy one decision can get."""
    every = case.logger.pscore[case.known] if case.pmf is None else case.pmf
    least = float(every[every > 0].min())
    if least < LEAST_FLOOR:
        yield said(
            "floor",
            "cannot",
            "policies that like what the logger hardly took: probabilities go down to "
            f"{least:.2g}, where one decision can weigh as much as {1 / least:.3g}",
            "floor",
            least=least,
        )
    else:
        yield said(
            "floor",
            "fact",
            f"the least probability is {least:.3g}: no weight can be more than {1 / least:.3g}",
            least=least,
        )
