"""What a card says of the policy itself: details, use, inputs."""

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import MISSING, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from journal.log import Log
from policies import make
from policies.features import FEATURES, NAME
from policies.rewards import REWARDS
from policies.spec import POLICIES
from replay.cards.document import Block, Bullets, Facts, Section, Table, Text
from replay.slicing.splits import MOST_ARMS

PARAMETERS = {
    "alpha": "scale of the bonus for what is not yet known",
    "epsilon": "share of decisions drawn uniformly: the floor that keeps later logs evaluable",
    "lambda": "ridge penalty: how slowly a person's answers move the policy",
    "arm": "own: every arm has its own weights; shared: one set for all arms",
    "seed": "of the keyed randomness that draws its actions",
    "prior": "the file that new people and arms start from, by its SHA-256",
    "sigma": "noise of a reward in the posterior that is drawn from",
    "draws": "posterior draws that vote; a candidate's probability is its share of votes",
}


def package_version() -> str:
    """Of this installation."""
    try:
        return version("tipbandit")
    except PackageNotFoundError:
        return "not installed"


def details(
    spec: str, champion: str | None, log: Log, learn: str, state: str | None, states: int
) -> Section:
    """The section of the policy and its parameters."""
    policy: Any = make(spec)
    doc = (inspect.getdoc(type(policy)) or "").partition("\n\n")[0]
    first = " ".join(doc.replace("`", "").split())
    rows = [
        (name, _shown(getattr(policy, f.name)), "" if f.default is MISSING else _shown(f.default),
         PARAMETERS.get(name, "of this policy's own"))
        for f in fields(policy)
        for name in [f.name.rstrip("_")]
    ]  # fmt: skip
    kind = spec.partition(":")[0]
    facts = [
        ("spec", spec),
        ("policy", first or "a policy of one's own"),
        ("ours or of one's own", "ours" if kind in POLICIES else "of one's own"),
        ("champion", champion or "none was named: compared with what was logged"),
        ("prior", getattr(policy, "prior", "") or "none: new people and arms start from nothing"),
        ("feature set", log.features),
        ("learning here", LEARNS[learn]),
        ("starting state", _state(state, states)),
        ("tipbandit version", package_version()),
    ]
    header = ("parameter", "value", "default", "what it does")
    return Section("Details", [Facts(facts), Table("Parameters of the policy", header, rows)])


LEARNS = {
    "none": "none: the starting state stays frozen",
    "logged": "logged: from all earlier logged feedback, as a shadow would",
    "replay": "replay: only from what it would have seen itself",
}


def _state(state: str | None, states: int) -> str:
    if state is None:
        return "none: nothing learned before this log"
    digest = hashlib.sha256()
    for path in sorted(Path(state).glob("*.json")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return f"{states} users' states, SHA-256 of them all {digest.hexdigest()}"


def _shown(value: Any) -> str:
    return str(value) if value != "" else "none"


def intended_use(log: Log) -> Section:
    """What it is for, and what it is not."""
    ours = log.features == NAME
    what = (
        "Choosing one of a person's open tasks to show as a tip, which they answer with done, "
        "snooze or dismiss."
        if ours
        else f"Choosing one of the candidates of a decision with features {log.features}."
    )
    few, many = (int(f(np.diff(log.offsets))) for f in (np.min, np.max))
    return Section(
        "Intended use",
        [
            Text(what),
            Text("Out of scope:"),
            Bullets(
                [
                    f"situations unlike this log's: other features than {log.features}, decisions "
                    f"with far fewer or more candidates than {few} to {many}, other people",
                    "lists or several actions at once: one candidate is shown a decision",
                    "decisions with consequences for a person's rights, health, money or work: a "
                    "wrong choice here must cost no more than a dismissed tip",
                    "use without its propensities being logged: then nobody can evaluate it again",
                ]
            ),
        ],
    )


def inputs(log: Log) -> Section:
    """Features with units, ranges and missing rules; rewards; candidates and arms."""
    context = log.context
    ours = log.features == NAME
    rows = []
    for j in range(context.shape[1]):
        column = context[:, j]
        seen = f"{column.min():.3g} to {column.max():.3g}, mean {column.mean():.3g}"
        if ours:
            f = FEATURES[j]
            span = "0 or 1" if f.whole else f"[{f.low:g}, {f.high:g}]"
            rows.append((f.name, span, f.meaning, f.missing, seen))
        else:
            rows.append((f"feature {j}", "as logged", "as logged", "no null is read", seen))
    header = ("feature", "range", "meaning, no unit", "missing", "in this log")
    low, high = log.reward_range
    sizes = np.diff(log.offsets)
    words = [w for w in REWARDS if w in log.feedback_names]
    arms = ", ".join(sorted(log.arm_names)[:MOST_ARMS])
    more = f" and {len(log.arm_names) - MOST_ARMS} more" * (len(log.arm_names) > MOST_ARMS)
    facts = [
        ("reward", f"in [{low:g}, {high:g}], per decision"
         + (": " + ", ".join(f"{w} {REWARDS[w]:+g}" for w in words) if words else "")),
        ("silence", "a tip whose reward window closed unanswered counts with the default reward"),
        ("candidates", f"{sizes.min()} to {sizes.max()} a decision, mean {sizes.mean():.1f}"),
        ("arms", f"{len(log.arm_names)}: {arms}{more}"),
    ]  # fmt: skip
    about = (
        "Ready features are checked one by one; one that is missing or out of range is refused "
        "with its name. The missing rules are those of raw tasks."
    )
    blocks: list[Block] = [Table(f"Features {log.features}", header, rows), Facts(facts)]
    return Section("Inputs", [Text(about), *blocks] if ours else blocks)


def reproduce(command: Sequence[str]) -> Section:
    """How to make the card again; the writers add the command with its directory."""
    said = (
        "Run this where the paths hold, with the same tipbandit version: the same bytes come out, "
        "but for the date."
    )
    if command[4] == "DataFrame":
        said = (
            "Made in Python from a DataFrame, which no command names: write it as Parquet "
            "(journal.write_log) and give that file instead."
        )
    return Section("How to reproduce", [Text(said)])
