"""The first screen of a card: one sentence, what must be said beside it, and a few figures."""

from replay.cards.document import Tile, Tone
from replay.cards.figures import TONES, latency
from replay.cards.given import Findings
from replay.online.scorer import QUANTILES
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
    span = f"{apart.value:+.3f} [{apart.low:+.3f}, {apart.high:+.3f}] a decision, {QUESTION}"
    if apart.low > 0:
        return f"Better than {than}: {span}.", "good" if row.verdict == "reliable" else "wary"
    if apart.high < 0:
        return f"Worse than {than}: {span}.", "bad"
    return f"Not shown to differ from {than}: {span}.", "wary"


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
        note = f"[{row.low:.3f}, {row.high:.3f}] at {row.level:.0%}, on logged contexts"
        out.append(Tile("value", f"{row.value:.3f}", note))
    if apart is not None and apart.value is not None and apart.verdict != "unreliable":
        assert apart.low is not None
        assert apart.high is not None
        tone: Tone = "good" if apart.low > 0 else "bad" if apart.high < 0 else "wary"
        note = f"[{apart.low:+.3f}, {apart.high:+.3f}], paired"
        who = "logged" if found.champion is None else "the champion"
        out.append(Tile(f"difference to {who}", f"{apart.value:+.3f}", note, tone))
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
