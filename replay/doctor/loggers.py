"""Several behavior policies in one log: who decided when, and where their support overlaps."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from replay.doctor.case import Case
from replay.doctor.diagnosis import Finding, said

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOGETHER = 0.05  # of the decisions in a shared period; less and policies came one by one
NAMED = 5  # policies that are described


def loggers(case: Case) -> Iterator[Finding]:
    """Nothing to say of a single one."""
    log = case.log
    names = log.policy_names
    if len(names) < 2:
        return
    rows = [np.flatnonzero(log.policy == code) for code in range(len(names))]
    spans = [(int(log.decided_at[r].min()), int(log.decided_at[r].max())) for r in rows]
    full = _whole_support(case)
    for code in sorted(range(len(names)), key=lambda c: -len(rows[c]))[:NAMED]:
        r, (first, last) = rows[code], spans[code]
        share = len(r) / len(log)
        overlap = None if full is None else float(full[r].mean())
        possible = "" if overlap is None else f"; every candidate possible in {overlap:.0%} of them"
        yield said(
            "logger",
            "fact",
            f"{names[code]} made {share:.0%} of the decisions, {_day(first)} to {_day(last)}"
            + possible,
            policy=names[code],
            decisions=len(r),
            share=share,
            first=first,
            last=last,
            whole_support=overlap,
        )
    shared = np.zeros(len(log), np.int64)
    for first, last in spans:
        shared += (log.decided_at >= first) & (log.decided_at <= last)
    together = float((shared > 1).mean())
    if together < TOGETHER:
        yield said(
            "one-after-the-other",
            "cannot",
            f"which of the {len(names)} behavior policies earned more, from their own rewards: "
            "they decided one after the other, so the time between them is mixed in",
            "exploration" if full is not None and not full.any() else None,
            together=together,
        )
    else:
        yield said(
            "side-by-side",
            "can",
            f"{together:.0%} of the decisions fell in a period when several of the {len(names)} "
            "behavior policies decided: they can be compared, where chance chose between them",
            together=together,
        )
    if full is not None and not full.all():
        part = float(full.mean())
        yield said(
            "overlap",
            "fact",
            f"in {part:.0%} of the decisions whoever decided could have taken every candidate: "
            "there one policy's log speaks of the others",
            share=part,
        )


def _whole_support(case: Case) -> np.ndarray | None:
    """(n,) whether every candidate had positive probability; None without pmfs."""
    if case.pmf is None:
        return None
    possible = np.logical_and.reduceat(case.pmf > 0, case.log.offsets[:-1])
    return np.asarray(possible)


def _day(at: int) -> str:
    return (EPOCH + timedelta(microseconds=at)).date().isoformat()
