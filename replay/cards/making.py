"""`card`: computes and reads everything first, then says it; one policy on one log."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from journal.log import Log
from journal.states import read_states
from policies import BadInput, canonical, make
from replay.cards import about, figures
from replay.cards.document import Card, Section
from replay.cards.evidence import (
    experiment_of,
    gate_blocks,
    gate_of,
    rollout_section,
    rollouts_of,
)
from replay.cards.given import Findings
from replay.cards.limits import limits
from replay.cards.metadata import metadata
from replay.cards.summary import headline, name_of, tiles, warnings
from replay.deployed import with_truth_deployed
from replay.evaluation import DEFAULT_ESTIMATORS, evaluate
from replay.given import GivenLog, log_given
from replay.history.walk import Learn
from replay.job import LOGGED
from replay.judged import compare
from replay.online.scorer import online_of
from replay.result import Evaluation
from replay.shift.drift import drift
from replay.slicing import slices_of
from replay.slicing.columns import columns_of
from replay.slicing.parts import sides

UNIFORM = "random"


def card(
    log: GivenLog,
    policy: str,
    *,
    champion: str | None = None,
    state: str | None = None,
    learn: Learn = "none",
    since: str | int | None = None,
    as_of: str | int | None = None,
    behavior: str | None = None,
    columns: Sequence[str] = (),
    deployed: bool = False,
    reference_log: GivenLog | None = None,
    gate: str | None = None,
    experiment: str | None = None,
    registry: str | None = None,
    metrics: str | None = None,
    name: str | None = None,
    level: float = 0.95,
    command: Sequence[str] | None = None,
) -> Card:
    """The model card of a policy on a log: `card(log, "linucb").report("card")`.

    `log`, `state`, `learn`, `since`, `as_of`, `behavior`, `level` are those of `evaluate`,
    `columns` those of `slices`. `champion`: a spec to compare with, beside `random` and what was
    logged. `deployed`: simulated logs, also the value in closed loop. `reference_log`: an earlier
    log, for drift. `gate`, `experiment`: a gate.json, an experiment.json; `registry`: a directory
    with rollouts.jsonl; `metrics`: the saved text of a scorer's /metrics. `command`: the words
    that make it again; default: those of `python -m replay card`. Raises `BadInput`.
    """
    spec = canonical(make(policy))
    base = None if champion is None else canonical(make(champion))
    if base == spec:
        raise BadInput("--champion", "must be another policy than --policy", champion)
    said = None if gate is None else gate_of(gate)
    if said is not None and said.get("challenger") != spec:
        raise BadInput("--gate", f"must be of this policy, {spec}", said.get("challenger"))
    measured = None if experiment is None else experiment_of(experiment)
    rollouts = [] if registry is None else rollouts_of(registry)
    online = None if metrics is None else online_of(metrics)
    read = log_given(log)
    extra = columns_of(log, read, columns)
    states = {} if state is None else read_states(state)
    found = _evaluated(
        read, spec, base, states, learn=learn, since=since, as_of=as_of, behavior=behavior,
        level=level,
    )  # fmt: skip
    if not found.computable:
        reasons = found.results[0].judged.rows[0].reasons
        raise BadInput(read.path, "nothing that a card needs can be computed",
                       next(iter(reasons), None))  # fmt: skip
    if deployed:
        moment = since if isinstance(since, str) or since is None else _rfc3339(since)
        found = with_truth_deployed(found, moment, state)
    findings = Findings(
        found,
        spec,
        base,
        slices_of(found, spec, LOGGED if base is None else base, level=level, columns=extra),
        state,
        len(states),
        behavior,
        None if reference_log is None else drift(reference_log, read),
        said,
        measured,
        registry,
        rollouts,
        online,
    )
    words = command or _command(locals())
    return _written(findings, name, words)


def _evaluated(
    read: Log, spec: str, champion: str | None, states: Any, **options: Any
) -> Evaluation:
    """The policy, `random` and the champion; the policy's differences to each and to `logged`."""
    listed = list(dict.fromkeys(s for s in (spec, champion, UNIFORM) if s is not None))
    found = evaluate(read, listed, state=states or None, estimators=DEFAULT_ESTIMATORS, **options)
    ours = found.results[0].judged
    others = [r.judged for r in found.results[1:]]
    logged = sides(found, spec, LOGGED)[1]
    assert logged is not None
    kept = ("auto", "dr")
    setting = replace(found.setting, estimators=kept)
    rows = [d for other in (*others, logged.judged) for d in compare(ours, other, setting)]
    return replace(found, differences=rows)


def _written(found: Findings, name: str | None, command: Sequence[str]) -> Card:
    log, result = found.log, found.result
    gate = [] if found.gate is None else [Section("Gate", gate_blocks(found.gate))]
    sections = [
        about.details(found.policy, found.champion, log, result.learn, found.state, found.states),
        about.intended_use(log),
        about.inputs(log),
        figures.data(found),
        figures.question(found),
        figures.metrics(found),
        figures.slices(found),
        figures.online(found),
        figures.drift(found),
        limits(found),
        *gate,
        rollout_section(found.registry, found.rollouts),
        about.reproduce(command),
    ]
    sentence, tone = headline(found)
    called = name or name_of(found)
    return Card(
        called,
        found.policy,
        sentence,
        tone,
        warnings(found),
        tiles(found),
        sections,
        metadata(found, called),
        datetime.now(UTC).strftime("%Y-%m-%d"),
        command,
        _files(found),
    )


def _files(found: Findings) -> dict[str, bytes]:
    from replay.reports.plots import plot_estimates
    from replay.shift.report import plot as plot_drift
    from replay.slicing.report import plot as plot_slices

    out = {
        "metrics.json": _json(found.evaluation.to_dict()),
        "slices.json": _json(found.slices.to_dict()),
        "estimates.png": plot_estimates(found.evaluation),
    }
    if found.slices.rows:
        out["slices.png"] = plot_slices(found.slices)
    if found.drift is not None:
        out["drift.png"] = plot_drift(found.drift)
    return out


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _command(given: dict[str, Any]) -> list[str]:
    """`python -m replay card …` with every option that is not the default."""
    log = given["log"]
    words = ["python", "-m", "replay", "card", _path(log), "--policy", given["policy"]]
    for option in ("champion", "state", "learn", "since", "as_of", "behavior", "gate",
                   "experiment", "registry", "metrics", "name", "level"):  # fmt: skip
        value = given[option]
        if value not in (None, *DEFAULTS.get(option, ())):
            words += [f"--{option.replace('_', '-')}", str(value)]
    if given["reference_log"] is not None:
        words += ["--reference-log", _path(given["reference_log"])]
    for column in given["columns"]:
        words += ["--column", column]
    return words + ["--deployed"] * bool(given["deployed"])


DEFAULTS = {"learn": ("none",), "level": (0.95,)}


def _path(log: GivenLog) -> str:
    if isinstance(log, Log):
        return log.path
    return str(log) if isinstance(log, str | Path) else "DataFrame"


def _rfc3339(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1e6, UTC).isoformat()
