"""The command `card`."""

from pathlib import Path
from typing import Annotated

import typer

from journal.cli import note
from replay.commands.arguments import (
    KINDS,
    AsOf,
    Behavior,
    Learn,
    LearnChoice,
    Level,
    LogArgument,
    Since,
    State,
)


def card(
    log: LogArgument,
    policy: Annotated[str, typer.Option(help="Spec of the policy.")],
    out: Annotated[
        Path, typer.Option(help="The card: card.md, card.html, metrics.json, slices.json, plots.")
    ],
    champion: Annotated[
        str | None, typer.Option(help="Spec of what serves now, to compare with.")
    ] = None,
    state: State = None,
    learn: Learn = LearnChoice.none,
    since: Since = None,
    as_of: AsOf = None,
    behavior: Behavior = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column of the log to slice by; may be repeated."),
    ] = None,
    deployed: Annotated[
        bool,
        typer.Option("--deployed", help="Simulated logs: also the value in closed loop."),
    ] = False,
    reference_log: Annotated[
        str | None, typer.Option(help=f"An earlier log, for drift: {KINDS}")
    ] = None,
    gate: Annotated[Path | None, typer.Option(help="The gate.json of `gate`.")] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="The experiment.json of an A/B test.")
    ] = None,
    registry: Annotated[
        Path | None, typer.Option(help="Directory with rollouts.jsonl, the rollout history.")
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="The saved text of a scorer's /metrics.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The card's name.")] = None,
    level: Level = 0.95,
) -> None:
    """The model card of a policy: Markdown with model-index metadata, and one HTML page."""
    from replay.cards import card as make_card
    from replay.reports.folder import check_directory

    check_directory(out)
    made = make_card(
        log,
        policy,
        champion=champion,
        state=_text(state),
        learn=learn.value,
        since=since,
        as_of=as_of,
        behavior=behavior,
        columns=column or (),
        deployed=deployed,
        reference_log=reference_log,
        gate=_text(gate),
        experiment=_text(experiment),
        registry=_text(registry),
        metrics=_text(metrics),
        name=name,
        level=level,
    )
    made.report(out)
    for warning in made.warnings:
        note(f"note: {warning}")
    print(made.headline)
    print(f"card: {out / 'card.html'}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
