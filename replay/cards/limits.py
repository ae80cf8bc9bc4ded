"""What a card's figures cannot say: every notice, every reason, and what nobody measured."""

from collections.abc import Mapping
from typing import Any

from replay.cards.document import Bullets, Section
from replay.cards.evidence import tried
from replay.cards.given import Findings

NO_USERS = "no user ids: rows treated as independent"
SAME = "no user has two decisions: rows are treated as independent"  # the evaluation's words


def limits(found: Findings) -> Section:
    """The section."""
    return Section("Limits", [Bullets(list(dict.fromkeys(_said(found))))])


def _said(found: Findings) -> list[str]:
    out = []
    if found.simulated:
        out.append(
            "the log is simulated, not of people: its figures speak of the simulator's assumptions"
        )
    if not found.has_users:
        out.append(NO_USERS)
    out += [n for n in found.evaluation.notices if n != SAME]
    out += [f"{', '.join(who)}: {reason}" for reason, who in _reasons(found).items()]
    out += [n for n in found.slices.notes if n not in found.evaluation.notices]
    small = [row.name for row in found.slices.small]
    if small:
        out.append(f"too small to be judged, hence unknown: {', '.join(small)}")
    out.append(_learning(found))
    other = found.experiment is not None and found.policy not in tried(found.experiment)
    if other:
        out.append("the experiment is of other policies than this one")
    known = any(r.truth_deployed is not None for r in found.evaluation.results)
    if not known and (other or found.experiment is None):
        out.append(
            "value if deployed was not measured: what its own choices do to what comes next is "
            "not in these figures"
        )
    silent = float(found.evaluation.sample.silent.mean())
    if silent:
        out.append(
            f"{silent:.0%} of the tips were never answered and count with the default reward"
        )
    if found.drift is None:
        out.append("drift was not looked at: whether people still behave so, this card cannot say")
    elif found.drift.drifted:
        out.append(f"drifted since the earlier log: {', '.join(found.drift.drifted)}")
    if found.online is None:
        out.append("latency and fallbacks were not measured")
    if found.gate is None:
        out.append("no gate was held for this card")
    else:
        if not found.gate["passed"]:
            out.append("the gate refused it")
        out += _of_gate(found.gate, found)
    out.append(
        "slices are of what the log knows; a group that no column names (age, illness, language) "
        "was not looked at"
    )
    return out


def _of_gate(gate: Mapping[str, Any], found: Findings) -> list[str]:
    """What the gate's own figures rest on, where that is not what the card's rest on."""
    about = gate.get("log")
    other = isinstance(about, Mapping) and about.get("sha256") != found.log.sha256
    out = ["the gate judged another log than this one"] if other else []
    if found.champion is not None and gate.get("champion") != found.champion:
        out.append("the gate was against another policy than this card's champion")
    said = gate.get("notices")
    notices = [n for n in said if isinstance(n, str)] if isinstance(said, list) else []
    return out + [f"gate: {n}" for n in notices if n not in found.evaluation.notices]


def _reasons(found: Findings) -> dict[str, list[str]]:
    """Every reason of a verdict, once, with the rows of the policy that it is of."""
    out: dict[str, list[str]] = {}
    for row in found.result.judged.rows:
        for reason in row.reasons:
            out.setdefault(reason, []).append(row.estimator)
    for d in found.evaluation.differences:
        for reason in d.reasons:
            who, said = f"difference to {d.against}", out.setdefault(reason, [])
            if who not in said:
                said.append(who)
    return out


def _learning(found: Findings) -> str:
    learn = found.result.learn
    if learn == "none":
        return (
            "the policy was evaluated frozen at its start; in service its state learns from every "
            "answer, and its value moves"
        )
    if learn == "logged":
        return (
            "the policy learned from what the logger's choices brought, as a shadow would; in "
            "service it learns from its own"
        )
    return (
        "the policy learned only from decisions that it would have made itself: the rows are of a "
        "policy with that little experience, the row learner of one that decides as often as the "
        "log does"
    )
