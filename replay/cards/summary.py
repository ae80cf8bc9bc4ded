"""The first screen of a card: one sentence, what must be said beside it, and a few figures."""

from replay.cards.document import Tile, Tone
from replay.cards.figures import TONES, latency
from replay.cards.given import Findings
from replay.online.scorer import QUANTILES
from replay.reports.tables import percent
from replay.result import QUESTION

TOLD = 0.99  # the quantile of latency that the summary shows


def name_of(found: Findings) -> str:
    """A card's name where none was given."""
    return found.policy.partition(":")[0] + " on " + found.log.path.rstrip("/").rpartition("/")[2]


def headline(found: Findings) -> tuple[str, Tone]:
    """What the log says of the policy, in one sentence."""
    row, apart = found.row, found.difference(found.base)
    if row.verdict == "unreliable" or row.value is None:
        why = row.reasons[0] if row.reasons else "its value could not be computed"
        return f"This log cannot tell how good the policy is: {why}.", "bad"
    than = "what was logged" if found.champion is None else "the champion"
    if apart is None or apart.value is None or apart.verdict == "unreliable":
        return f"Its value can be read, its difference to {than} cannot.", "wary"
    assert apart.low is not None
    assert apart.high is not None
    ends = ", ".join(signed(x, apart.high - apart.low) for x in (apart.low, apart.high))
    span = f"{signed(apart.value, apart.high - apart.low)} [{ends}] a decision, {QUESTION}"
    wary = "" if apart.verdict == "reliable" else f" With caution: {apart.reasons[0]}."
    if apart.low > 0:
        return f"Better than {than}: {span}.{wary}", "wary" if wary else "good"
    if apart.high < 0:
        return f"Worse than {than}: {span}.{wary}", "bad"
    return f"Not shown to differ from {than}: {span}.{wary}", "wary"


def signed(value: float, width: float) -> str:
    """`+0.012` of an interval so wide."""
    return plain(value, width, "+")


def plain(value: float, width: float, sign: str = "") -> str:
    """`0.012`; in an interval that three decimals would hide or drown, `1.2e-07`."""
    return format(value, f"{sign}.3f" if width == 0 or 0.001 <= width < 1e6 else f"{sign}.3g")


def warnings(found: Findings) -> list[str]:
    """What nobody may overlook."""
    out = []
    if found.simulated:
        out.append("Synthetic data: the log is simulated, not of people.")
    if not found.has_users:
        out.append("No user ids: rows treated as independent.")
    if found.slices.worse:
        names = ", ".join(row.name for row in found.slices.worse)
        out.append(f"Worse than {found.slices.against} in: {names}.")
    return out


def tiles(found: Findings) -> list[Tile]:
    """The figures of the summary."""
    row, apart = found.row, found.difference(found.base)
    out = []
    if row.verdict == "unreliable" or row.value is None:
        out.append(Tile("value", "refused", "on logged contexts", "bad"))
    else:
        assert row.low is not None
        assert row.high is not None
        width = row.high - row.low
        ends = f"[{plain(row.low, width)}, {plain(row.high, width)}]"
        note = f"{ends} at {percent(row.level)}, on logged contexts"
        out.append(Tile("value", plain(row.value, width), note))
    if apart is not None and apart.value is not None and apart.verdict != "unreliable":
        assert apart.low is not None
        assert apart.high is not None
        clear = apart.low > 0 and apart.verdict == "reliable"
        tone: Tone = "good" if clear else "bad" if apart.high < 0 else "wary"
        width = apart.high - apart.low
        note = f"[{signed(apart.low, width)}, {signed(apart.high, width)}], paired"
        who = "logged" if found.champion is None else "the champion"
        out.append(Tile(f"difference to {who}", signed(apart.value, width), note, tone))
    ess = "unknown" if row.ess is None else f"{row.ess:.0f}"
    support = "unknown" if row.support is None else f"{row.support:.1%}"
    out.append(Tile("verdict", row.verdict, f"ess {ess}, support {support}", TONES[row.verdict]))
    sliced = found.slices
    asked = [r for r in sliced.judged if r.p_holm is not None]
    bad = len(sliced.worse)
    out.append(
        Tile("slices worse", f"{bad} of {len(asked)}", f"{len(sliced.small)} too small",
             "bad" if bad else "good" if asked else "wary")
    )  # fmt: skip
    about = found.evaluation.to_dict()["log"]
    people = f"of {about['users']} people" if found.has_users else "people unknown"
    out.append(Tile("decisions", f"{about['decisions']}", people))
    if found.gate is not None:
        held = bool(found.gate["passed"])
        out.append(Tile("gate", "passed" if held else "refused", "rule by rule below",
                        "good" if held else "bad"))  # fmt: skip
    if found.online is not None:
        bounds = found.online.latency_ms[QUANTILES.index(TOLD)]
        out.append(Tile("latency p99", latency(*bounds).partition(",")[0],
                        f"{found.online.requests} requests"))  # fmt: skip
    return out
