"""Silence and censoring: what no answer, and no answer yet, leave open."""

from collections.abc import Iterator

import numpy as np

from journal.log import NONE
from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said
from replay.verdict import SILENT_SHARE


def unanswered(case: Case) -> Iterator[Finding]:
    """The mean reward's bounds over silence; windows, open and missing."""
    log, sample = case.log, case.sample
    silent = sample.silent
    if silent.any():
        low, high = log.reward_range
        worst = float(np.where(silent, low, sample.reward).mean())
        best = float(np.where(silent, high, sample.reward).mean())
        share = float(silent.mean())
        bounds = (
            f"{share:.1%} of the tips were never answered; the mean reward "
            f"{sample.reward.mean():.4f} could be anything in [{worst:.4f}, {best:.4f}] had they "
            "been the worst or the best"
        )
        figures = {"share": share, "bounds": [worst, best]}
        if share > SILENT_SHARE:
            yield Finding(
                "silence", "cannot", f"what most tips are worth: {bounds}", figures, "ask"
            )
        else:
            yield Finding("silence", "fact", bounds, figures)
        if (log.reward_window_s[sample.rows][silent] == NONE).any():
            yield said(
                "window",
                "cannot",
                "silence from answers still to come: no reward window is logged, so the last tips "
                "count as silent",
                "window",
            )
    if sample.censored:
        share = sample.censored / sample.decisions
        yield said(
            "censored",
            "fact",
            f"{sample.censored} decisions ({share:.1%}) have an open reward window and are left "
            "out, answered or not: early answers alone would be those of fast people",
            censored=sample.censored,
            share=share,
        )
