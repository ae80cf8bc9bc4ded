"""The rules that a log decides: difference, weights, people, verdict, training, audit."""

from replay.history.auditing import Audit
from replay.intervals.anytime import FIRST_LOOK
from replay.judged import Difference
from replay.release.gate_finding import FAIL, PASS, Finding, at_least
from replay.release.gate_rules import Rules
from replay.result import Evaluation
from replay.verdict import Verdict

RANKS: tuple[Verdict, ...] = ("reliable", "caution", "unreliable")


def judged_by_log(found: Evaluation, champion: str, challenger: str, rules: Rules) -> list[Finding]:
    """The rules' findings from an evaluation of both policies against the champion."""
    (row,) = (d for d in found.differences if d.policy == challenger)
    pair = [next(r.judged for r in found.results if r.policy == p) for p in (champion, challenger)]
    weighed = [j.rows[0] for j in pair]
    trained = [j.name for j in pair if j.about.trained_on_log]
    return [
        difference(row, rules),
        at_least("min_ess", rules.min_ess, _least([r.ess for r in weighed]), "ess"),
        at_least("min_support", rules.min_support, _least([r.support for r in weighed]), "support"),
        at_least("min_users", rules.min_users, pair[1].rounds.equal_users, "users of equal size"),
        _verdict(row, rules),
        Finding(
            "not_trained", 0.0, float(len(trained)), FAIL, _TRAINED.format(" and ".join(trained))
        )
        if trained
        else Finding(
            "not_trained", 0.0, 0.0, PASS, "no start or prior learned from these decisions"
        ),
    ]


_TRAINED = "{} learned from the decisions that are judged: give a later log, or --since"


def difference(row: Difference, rules: Rules) -> Finding:
    """The rule `margin`: the lower bound of the paired difference is above it."""
    if row.low is None:
        why = row.reasons[-1] if row.reasons else "it has no interval"
        return Finding("margin", rules.margin, row.value, FAIL, why)
    held = row.low > rules.margin
    said = (
        f"lower bound {row.low:+.4f} of challenger - champion is "
        f"{'above' if held else 'not above'} {rules.margin:g} ({rules.estimator}, "
        f"{rules.interval}, one-sided {rules.level:g})"
    )
    return Finding("margin", rules.margin, row.value, PASS if held else FAIL, said, row.low)


def audited(found: Audit, rules: Rules) -> Finding:
    """The rule `audit`: nothing contradicts the log, and each decision could be verified."""
    whole = max(found.digests, found.rebuilt)
    figure = whole / found.decisions
    if found.failures:
        more = f" and {len(found.failures) - 1} more" * (len(found.failures) > 1)
        return Finding("audit", rules.audit, figure, FAIL, f"{found.failures[0]}{more}")
    if whole < found.decisions:
        gap = found.unchecked[0] if found.unchecked else "not every decision was verified"
        if rules.audit == "required":
            return Finding("audit", rules.audit, figure, FAIL, f"required, but impossible: {gap}")
        return Finding("audit", rules.audit, figure, "not judged", f"impossible: {gap}")
    said = f"{found.digests} digests hold, {found.rebuilt} of {found.decisions} decisions rebuilt"
    return Finding("audit", rules.audit, figure, PASS, said)


def looks(rules: Rules) -> dict[str, object]:
    """How often the log may be looked at for the level to hold."""
    anytime = rules.interval == "anytime"
    return {
        "interval": rules.interval,
        "looks": "any" if anytime else "one",
        "first_look_day": FIRST_LOOK if anytime else None,
        "level": rules.level,
        "sides": "one",
    }


def _verdict(row: Difference, rules: Rules) -> Finding:
    held = RANKS.index(row.verdict) <= RANKS.index(rules.verdict)
    said = "; ".join(row.reasons) or "nothing speaks against it"
    return Finding("verdict", rules.verdict, row.verdict, PASS if held else FAIL, said)


def _least(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return min(known) if len(known) == len(values) else None
