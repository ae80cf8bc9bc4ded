"""A learner's row in a report: its value, which learner it speaks of, and its verdict."""

from dataclasses import replace
from typing import Any

from replay.judged import Judged, Row, Setting
from replay.learners import LEARNERS
from replay.learners.course import Course, Outcome
from replay.rounds import NotComputable, Rounds
from replay.verdict import NONE, Circumstances, Verdict, judge

FEWEST = 30  # decisions, below which a mean says nothing


def with_learners(judged: Judged, course: Course | str, setting: Setting) -> Judged:
    """`judged` with one more row a learner that was asked for."""
    about, rounds = judged.about, judged.rounds
    more = [learner_row(name, course, rounds, about, setting) for name in setting.learners]
    return replace(judged, rows=[*judged.rows, *more])


def learner_row(
    name: str, course: Course | str, rounds: Rounds, about: Circumstances, setting: Setting
) -> Row:
    """One row; a null with its reason where `course` is one, or the method has one."""
    verdict: Verdict = "unreliable"
    value, chosen = None, {}
    try:
        if isinstance(course, str):
            raise NotComputable(course)
        found = LEARNERS[name](course)
        value = found.value
        chosen = {**found.chosen, "horizon": found.horizon, "history": found.history}
        verdict, reasons = _judged(name, course, found, rounds, about)
    except NotComputable as reason:
        reasons = [str(reason)]
    nothing: Any = dict.fromkeys(("low", "high", "ess", "mean_weight", "max_weight"))
    return Row(
        estimator=name,
        value=value,
        interval=NONE,
        level=setting.level,
        support=about.support,
        verdict=verdict,
        reasons=reasons,
        chosen=chosen,
        **nothing,
    )


def _judged(
    name: str, course: Course, found: Outcome, rounds: Rounds, about: Circumstances
) -> tuple[Verdict, list[str]]:
    """At best `caution`: no interval says how far off it may be."""
    # What the log's logger learned concerns intervals, and the share learned has its sentence.
    known = replace(about, learned_share=None, shared_learner=None)
    verdict, reasons = judge(name, rounds, known, NONE)
    decided = len(course.lived)
    short = "" if found.horizon >= decided else f", where the log has {decided}"
    said = (
        f"the value of a learner over {found.horizon} decisions{short}, whose state has "
        f"{found.history:.0f} rewards at the end; no interval's coverage was shown"
    )
    bad = [] if found.horizon >= FEWEST else [f"{found.horizon} decisions are fewer than {FEWEST}"]
    if bad:
        verdict = "unreliable"
    return "caution" if verdict == "reliable" else verdict, [*bad, *reasons, said]
