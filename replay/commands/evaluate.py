"""The command `evaluate`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from journal.cli import note
from policies.errors import BadInput
from replay.commands.arguments import (
    AsOf,
    Behavior,
    Json,
    LearnChoice,
    Level,
    LogArgument,
    Since,
    State,
    print_json,
)


class PoolChoice(StrEnum):
    """How decisions of several behavior policies are weighed."""

    auto = "auto"
    balanced = "balanced"
    own = "own"


def evaluate(
    log: LogArgument,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Spec of a policy to evaluate; may be repeated; `alpha={0.1,1}` expands."
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Paired differences to this spec, or to `logged`.")
    ] = None,
    state: State = None,
    learn: Annotated[
        LearnChoice,
        typer.Option(
            help="none: the start stays frozen; logged: learns from all earlier feedback; "
            "replay: only from what it would have seen."
        ),
    ] = LearnChoice.none,
    since: Since = None,
    as_of: AsOf = None,
    pmf: Annotated[
        Path | None, typer.Option(help="Parquet with decision_id, pmf of any policy.")
    ] = None,
    behavior: Behavior = None,
    pool: Annotated[
        PoolChoice,
        typer.Option(help="Several behavior policies: balanced (mixture) weights or own."),
    ] = PoolChoice.auto,
    model: Annotated[
        str, typer.Option(help="Reward model: ridge, boosting, none, or module:factory.")
    ] = "ridge",
    estimators: Annotated[
        str,
        typer.Option(
            help="Comma-separated: auto, ips, clipped-ips, snips, dm, dr, sndr, switch-dr, dros, "
            "cressie-read, adaptive; with a parameter as in `switch-dr:tau=2`. With --learn "
            "replay also learner, replay, bootstrapped-replay, model-simulation, dr-ns."
        ),
    ] = "auto,ips,snips,dm,dr",
    interval: Annotated[
        str,
        typer.Option(
            help="cluster-t, bootstrap, cressie-read, auto, anytime or martingale; "
            "not of the row auto."
        ),
    ] = "cluster-t",
    level: Level = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of resampling intervals and learners.")] = 0,
    deployed: Annotated[
        bool,
        typer.Option(
            "--deployed",
            help="Simulated logs: also run each policy in the log's world, in closed loop.",
        ),
    ] = False,
    audit_first: Annotated[
        bool,
        typer.Option("--audit", help="Rebuild the log first; what does not hold is a verdict."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Results folder: metrics.json, summary.md, plots.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Off-policy estimates of policies on a log: value on logged contexts, with verdicts."""
    from replay.deployed import with_truth_deployed
    from replay.evaluation import evaluate as run
    from replay.reports.folder import check_directory
    from replay.reports.table import show

    if out is not None:
        check_directory(out)
    found = run(
        log,
        policy or None,
        against=against,
        state=None if state is None else str(state),
        learn=learn.value,
        since=since,
        as_of=as_of,
        pmf=None if pmf is None else str(pmf),
        behavior=behavior,
        pool=pool.value,
        model=model,
        estimators=[name.strip() for name in estimators.split(",")],
        interval=interval,
        level=level,
        seed=seed,
        audit=audit_first,
    )
    if not found.computable:
        raise BadInput(log, "nothing that was asked for can be computed", _first_reason(found))
    if deployed:
        found = with_truth_deployed(found, since, None if state is None else str(state))
    if out is not None:
        found.report(out)
    for notice in found.notices:
        note(f"note: {notice}")
    if as_json:
        print_json(found.to_dict())
    else:
        show(found)
        if out is not None:
            print(f"results: {out}")


def _first_reason(found: Any) -> str | None:
    return next((r for p in found.results for row in p.judged.rows for r in row.reasons), None)
