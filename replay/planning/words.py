"""The recommendation and the assumptions of a plan, in words."""

from typing import Any

from replay.planning.result import AB_TEST, OFF_POLICY, QUESTIONS, Part, Row, recommended


def sentence(about: dict[str, Any], off_policy: Part, ab_test: Part) -> str:
    """One sentence: what to do."""
    row = recommended(off_policy.planned)
    test = next(iter(ab_test.planned), None)
    goal = f"a true difference of {about['detect']:g} at {about['power']:.0%} power"
    if row is None and test is None:
        return f"No plan: {'; '.join(off_policy.reasons or ab_test.reasons)}."
    if test is None:
        return f"To find {goal}, {_log(row, about)}."
    if row is None:
        return f"To find {goal}, {_test(test)}: this log cannot plan an off-policy comparison."
    return f"To find {goal}, {_log(row, about)}; {_test(test)}."


def _log(row: Row | None, about: dict[str, Any]) -> str:
    assert row is not None
    paid = (
        ""
        if row.cost is None
        else f", at a cost of {row.cost:,.1f} reward over floor {about['floors'][0]:g}"
    )
    return (
        f"log with A at floor {row.floor:g} for {row.users:,} users x {row.days} days "
        f"({row.user_days:,} user-days{paid}) and evaluate B on that log "
        f"({QUESTIONS[OFF_POLICY]})"
    )


def _test(row: Row) -> str:
    return (
        f"an A/B test takes {row.users:,} users x {row.days} days ({row.user_days:,} user-days; "
        f"{QUESTIONS[AB_TEST]}), half of them on the worse policy"
    )


def assumptions(about: dict[str, Any]) -> tuple[str, ...]:
    """What a plan takes for granted."""
    return (
        "no drift: contexts, rewards and what A and B have learned stay as in this log",
        "the same kind of people, as active; new users rather than more days of the same: days "
        "do not average out how people differ",
        "silence and rewards as in this log; an A/B test also shapes what comes next, which the "
        "log cannot show",
        "two decisions of one user covary alike however far apart, and alike under every floor",
        f"means are near normal: {about['estimator']} with {about['interval']} at "
        f"{about['level']:.0%}, looked at once, at the end; the model of rewards as good as here",
    )
