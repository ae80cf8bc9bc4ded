"""The rule `slice_floor`: nobody is shown to lose more than the rules allow."""

from replay.release.gate_finding import FAIL, PASS, Finding, not_judged
from replay.release.gate_rules import Rules
from replay.result import Evaluation
from replay.slicing import Slice, slices_of

NAMED = 5  # slices that a line names


def slice_floor(found: Evaluation, champion: str, challenger: str, rules: Rules) -> Finding:
    """No judged slice is shown to be worse than `-slice_floor`; small ones are named.

    Shown: the challenger loses at `level` with Holm's correction over all judged slices;
    and, of a floor above 0, the interval of the difference lies below it, at Bonferroni's
    level, since Holm's p is that of no loss at all. The figure is the lowest difference of
    a slice that is shown to lose, else the lowest of all that are judged.
    """
    rule, floor = "slice_floor", rules.slice_floor
    sliced = slices_of(found, challenger, champion, level=rules.level)
    tested = [s for s in sliced.judged if s.difference is not None and s.p_holm is not None]
    left = f"; too small to be judged: {_names(sliced.small)}" if sliced.small else ""
    if not tested:
        return not_judged(rule, floor, f"none of {len(sliced.rows)} slices can be judged{left}")
    worse = [s for s in tested if s in sliced.worse]
    if floor > 0 and worse:
        each = 1 - (1 - rules.level) / len(tested)
        again = slices_of(found, challenger, champion, level=each)
        below = {
            s.name
            for s in again.judged
            if s.difference_high is not None and s.difference_high < -floor
        }
        worse = [s for s in worse if s.name in below]
    lowest = min(worse or tested, key=lambda s: s.difference or 0.0)
    if worse:
        said = f"shown to lose more than {floor:g}: {_names(worse)}"
        return Finding(rule, floor, lowest.difference, FAIL, said + left)
    said = f"none of {len(tested)} slices is shown to lose more than {floor:g} (Holm)"
    return Finding(rule, floor, lowest.difference, PASS, f"{said}, lowest {lowest.name}{left}")


def _names(rows: list[Slice]) -> str:
    more = f" and {len(rows) - NAMED} more" * (len(rows) > NAMED)
    return ", ".join(s.name for s in rows[:NAMED]) + more
