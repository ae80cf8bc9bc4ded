"""Which decisions of a log are evaluated, and with which reward: since, as-of, silence."""

from dataclasses import dataclass

import numpy as np

from journal.log import NO_TIME, Log
from policies.arrays import Bools, Floats, Ints
from policies.errors import BadInput
from policies.rewards import DEFAULT_REWARD

MICRO = 1_000_000


@dataclass(frozen=True)
class Sample:
    """The evaluated rows of a log, and what was left out.

    A decision whose window is still open as of the log's end is left out whether it was
    answered or not: counting early answers would select people who answer fast. Silence
    after a closed window has the default reward.
    """

    rows: Ints  # (m,) evaluated
    reward: Floats  # (m,)
    silent: Bools  # (m,) the reward is the default of an unanswered tip
    known: Bools  # (n,) the feedback had arrived as of then
    decisions: int  # from `since` to `as_of`, before censoring
    answered: int  # of these, with a person's answer, before censoring
    censored: int


def sample_of(log: Log, since: int | None = None, as_of: int | None = None) -> Sample:
    """The sample of decisions in [since, as_of] (microseconds; default: all of the log)."""
    latest = int(max(log.decided_at.max(), log.feedback_at.max()))
    now = latest if as_of is None else as_of
    known = log.answered & ((log.feedback_at <= now) | (log.feedback_at == NO_TIME))
    asked = log.decided_at <= now
    if since is not None:
        asked &= log.decided_at >= since
    expired = np.zeros(len(log), np.bool_)
    if "expired" in log.feedback_names:
        expired = log.feedback == log.feedback_names.index("expired")
    awaited = log.reward_window_s >= 0
    open_still = awaited & (log.decided_at + log.reward_window_s * MICRO > now)
    rows = np.flatnonzero(asked & ~open_still)
    if not len(rows):
        raise BadInput(
            log.path,
            "no decision is left to evaluate",
            f"{int(asked.sum())} in the period, all with an open reward window"
            if asked.any()
            else 0,
        )
    low, high = log.reward_range
    default = min(max(DEFAULT_REWARD, low), high)
    silent = (~known | expired)[rows]
    reward = np.where(known, log.reward, default)[rows]
    return Sample(
        rows,
        reward,
        silent,
        known,
        int(asked.sum()),
        int((asked & known & ~expired).sum()),
        int((asked & open_still).sum()),
    )
