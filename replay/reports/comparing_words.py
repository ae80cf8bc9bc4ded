"""How a comparison of many reads: in the terminal, and in summary.md."""

from replay.comparing import Comparison, Joint
from replay.reports.tables import percent, span

HEADER = ("policy", "value [interval for all together]", "verdict")


def sentences(found: Comparison) -> list[str]:
    """What picking the best of so many is worth."""
    alone = "each interval alone is too narrow for the one picked as the best"
    out = [f"{found.tried} policies were tried: {alone}."]
    if found.best is None:
        return [*out, "No estimate of theirs is to be believed, so none is the best."]
    best = next(j for j in found.intervals if j.policy == found.best)
    clear = (
        f"is clearly the best ({percent(found.level)})"
        if found.best_is_clear
        else "is not clearly better than all others"
    )
    out.append(
        f"Best by {found.estimator}: {best.policy}, {_text(best)} at {percent(found.level)} for "
        f"all {found.tried} together; it {clear}."
    )
    return out


def rows(found: Comparison) -> list[tuple[str, ...]]:
    """The intervals that hold together, and the differences that do."""
    plain: list[tuple[str, ...]] = [(j.policy, _text(j), j.verdict) for j in found.intervals]
    return plain + [(f"{j.policy} - {j.against}", _text(j), j.verdict) for j in found.differences]


def _text(joint: Joint) -> str:
    return span(joint.value, joint.low, joint.high, joint.verdict)
