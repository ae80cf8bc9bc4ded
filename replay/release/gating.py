"""`gate`: may the challenger take the champion's place? Each rule with its figure and verdict."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from journal.checks import check_values
from journal.log import NO_TIME, Log
from journal.states import read_states
from policies import BadInput, canonical, make
from policies.arrays import Ints
from policies.state import UserState
from replay.evaluation import evaluate
from replay.given import GivenLog, log_given
from replay.history.auditing import audit
from replay.history.training import train
from replay.history.walk import Learn
from replay.online.scorer import online_of
from replay.release.gate_evidence import audited, judged_by_log, looks
from replay.release.gate_finding import FAIL, Finding, not_judged
from replay.release.gate_latency import decision_times, latency, served
from replay.release.gate_rules import GivenRules, Rules, changed_rules, rules_of
from replay.release.gate_slices import slice_floor
from replay.result import QUESTION, Evaluation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OF_THE_LOG = ("margin", "min_ess", "min_support", "min_users", "verdict", "not_trained")


@dataclass(frozen=True)
class Gate:
    """What the gate found; `passed` when no rule failed."""

    champion: str  # canonical specs
    challenger: str
    rules: Rules
    findings: tuple[Finding, ...]
    log: Mapping[str, Any]
    learn: Learn
    notices: tuple[str, ...]
    at: str  # RFC 3339, when it was run

    @property
    def passed(self) -> bool:
        """Whether no rule failed; one that is not judged counts neither way."""
        return all(f.verdict != FAIL for f in self.findings)

    @property
    def failed(self) -> list[str]:
        """The rules that failed."""
        return [f.rule for f in self.findings if f.verdict == FAIL]

    def to_dict(self) -> dict[str, Any]:
        """The object of gate.json (docs/gate.md)."""
        return {
            "passed": self.passed,
            "champion": self.champion,
            "challenger": self.challenger,
            "question": QUESTION,
            "learn": self.learn,
            "log": dict(self.log),
            "rules": [asdict(f) for f in self.findings],
            "looked": looks(self.rules),
            "settings": asdict(self.rules),
            "notices": list(self.notices),
            "at": self.at,
        }

    def report(self, directory: str | os.PathLike[str]) -> Path:
        """Writes gate.json and gate.md into `directory`, each whole; returns it."""
        from replay.release.gate_report import write_report

        return write_report(self, Path(directory))


def gate(
    log: GivenLog,
    champion: str,
    challenger: str,
    *,
    rules: GivenRules = None,
    state: str | os.PathLike[str] | Mapping[str, UserState] | None = None,
    learn: Learn = "none",
    since: str | int | None = None,
    as_of: str | int | None = None,
    metrics: str | os.PathLike[str] | None = None,
    threads: int = 1,
) -> Gate:
    """Holds a challenger against the champion on a log, by `rules` (default: `Rules()`).

    `log`, `state`, `learn`, `since`, `as_of` are those of `evaluate`; a file is audited
    first. `metrics`: the text of a scorer's /metrics. The value is that on logged contexts.
    Raises `BadInput`; what cannot be computed fails its rule, with the reason.
    """
    settled = rules_of(rules)
    old, new = canonical(make(champion)), canonical(make(challenger))
    if old == new:
        raise BadInput("--challenger", "must be another policy than the champion", new)
    told = None if metrics is None else online_of(metrics)
    states = state if isinstance(state, Mapping) else read_states(state) if state else {}
    read = log_given(log, values=False)
    honest = audit(read, threads=threads)
    try:
        check_values(read)
    except BadInput as broken:
        if honest.ok:
            raise
        found, rows = None, np.arange(len(read))
        reason = f"the log does not hold: {broken}"
        judged = [
            not_judged(r, _threshold(settled, r), reason) for r in (*OF_THE_LOG, "slice_floor")
        ]
        judged.append(not_judged("latency_p99_ms", settled.latency_p99_ms, reason))
    else:
        found = evaluation_of(
            read,
            old,
            new,
            settled,
            state=states,
            learn=learn,
            since=since,
            as_of=as_of,
            threads=threads,
        )
        rows = found.sample.rows
        judged = judged_by_log(found, old, new, settled)
        judged.append(slice_floor(found, old, new, settled))
        taught = _taught(read, states, learn)
        judged.append(latency(settled, decision_times(read, rows, make(new), taught)))
    judged.insert(-2, audited(honest, settled))
    judged.append(served(settled, told, new))
    about = _about(read, rows, found, since, as_of)
    about_rules = changed_rules(settled), _chosen_part(about, since, as_of)
    notices = () if found is None else tuple(found.notices)
    notices += tuple(said for said in about_rules if said is not None)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Gate(old, new, settled, tuple(judged), about, learn, notices, now)


def evaluation_of(
    log: Log, champion: str, challenger: str, rules: Rules, **given: Any
) -> Evaluation:
    """Both policies on the log, and the paired difference that `rules` ask for."""
    return evaluate(
        log,
        [champion, challenger],
        against=champion,
        estimators=(rules.estimator,),
        interval=rules.interval,
        level=rules.two_sided,
        **given,
    )


def _chosen_part(about: Mapping[str, Any], *given: str | int | None) -> str | None:
    """What a level is worth where one may choose which part of a log is judged."""
    if given == (None, None):
        return None
    part = " ".join(f"{k} {about[k]}" for k, v in zip(("since", "as_of"), given, strict=True)
                    if v is not None)  # fmt: skip
    return f"a part of the log was judged, {part}: the level is not that of the best of several"


def _threshold(rules: Rules, rule: str) -> float | str:
    value: float | str = getattr(rules, rule, 0.0)
    return value


def _taught(log: Log, states: Mapping[str, UserState], learn: Learn) -> Mapping[str, UserState]:
    """The states that decisions are timed with: the last ones where the policy learns."""
    if learn == "none" or not log.answered.any():
        return states
    return {**states, **train(log, states=states)}


def _about(
    log: Log, rows: Ints, found: Evaluation | None, since: str | int | None, as_of: str | int | None
) -> dict[str, Any]:
    """Which decisions of which log were judged."""
    latest = int(
        max(log.decided_at.max(), log.feedback_at[log.feedback_at != NO_TIME].max(initial=0))
    )
    told = {} if found is None else found.to_dict()["log"]
    return {
        "path": log.path,
        "sha256": log.sha256,
        "decisions": len(rows),
        "users": len(np.unique(log.user[rows])),
        "censored": told.get("censored"),
        "mean_reward": told.get("mean_reward"),
        "behavior_policies": log.policy_names,
        "since": since if isinstance(since, str) else _said(since),
        "as_of": as_of if isinstance(as_of, str) else _said(latest if as_of is None else as_of),
        "first": _said(int(log.decided_at[rows].min())),
        "last": _said(int(log.decided_at[rows].max())),
    }


def _said(moment: int | None) -> str | None:
    """RFC 3339 of microseconds."""
    if moment is None:
        return None
    return (EPOCH + timedelta(microseconds=moment)).isoformat()
