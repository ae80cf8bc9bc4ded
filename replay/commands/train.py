"""The command `train`."""

from pathlib import Path
from typing import Annotated

import typer

from replay.commands.arguments import LogArgument


def train(
    log: LogArgument,
    out: Annotated[
        Path,
        typer.Option(help="Directory for the state files, new or empty; with --prior a file."),
    ],
    prior: Annotated[
        bool, typer.Option("--prior", help="A population's prior for `linucb:prior=FILE` instead.")
    ] = False,
    until: Annotated[
        str | None, typer.Option(help="Fold what arrived before this RFC 3339 time.")
    ] = None,
) -> None:
    """Folds a log into a state for each user, as a server would have; or into a prior."""
    from journal.files import read_log
    from journal.states import check_empty, write_states
    from policies.features import parse_instant
    from policies.records import micros
    from replay.history.training import train as fold

    at = None if until is None else micros(parse_instant(until, "--until"))
    if prior:
        from replay.priors.training import train_prior

        found = train_prior(read_log(log), at)
        found.write(out)
        print(
            f"{out}: prior of {found.arms} arms from {found.users} users, {found.feedbacks} "
            f"feedbacks, strength {found.strength:g}; squared error on people it had not seen "
            f"{found.loss[f'{found.strength:g}']:.4f}, cold start {found.loss['cold']:.4f}"
        )
        print(found.name)
        return
    check_empty(out)
    states = fold(read_log(log), at)
    write_states(out, states)
    print(f"{out}: {len(states)} states, {sum(s.seq for s in states.values())} feedbacks folded")
