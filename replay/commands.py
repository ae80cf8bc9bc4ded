"""The commands of `python -m replay`; each loads what it needs when it runs."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from journal.cli import BROKEN, note
from policies.errors import BadInput, one_line
from replay.like.command import study
from replay.shift.command import drift

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Would the other policy have done better, and can this log even tell?",
    epilog="Example: python -m replay evaluate log.parquet --policy linucb --against logged",
)

LogArgument = Annotated[
    str,
    typer.Argument(
        metavar="LOG",
        help="Parquet or Arrow file, a directory of them, a journal (.db), obd:DIR or vw:FILE.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


class PoolChoice(StrEnum):
    """How decisions of several behavior policies are weighed."""

    auto = "auto"
    balanced = "balanced"
    own = "own"


class LearnChoice(StrEnum):
    """How an evaluated policy learns along the log."""

    none = "none"
    logged = "logged"
    replay = "replay"


def _print(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


@app.command(epilog="Example: python -m replay validate results/mornings.parquet --policy linucb")
def validate(
    log: LogArgument,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Spec of a policy to ask about; may be repeated."),
    ] = None,
    behavior: Annotated[
        str | None, typer.Option(help="Spec of the logger where propensities were not logged.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The log doctor: what this log can answer, and what it never can."""
    from replay.doctor import validate as look

    found = look(log, policy or (), behavior=behavior)
    if as_json:
        _print(found.to_dict())
        return
    for fact in found.facts:
        print(one_line(fact))
    for sentence in found.can:
        print(f"can answer: {sentence}")
    for sentence in found.cannot:
        print(f"cannot answer: {sentence}")
    if found.advice:
        print(f"what would help most: {found.advice}")


@app.command(epilog="Example: python -m replay audit results/live.db --state results/state")
def audit(
    log: LogArgument,
    state: Annotated[
        Path | None, typer.Option(help="Directory of state files to rebuild as well.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Spec of a policy of your own that decided: nothing else is imported."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Checks digests, then rebuilds every pmf, action and state bit for bit; exit 1 if not."""
    from journal.files import read_log
    from journal.states import read_states
    from policies import make
    from replay.history.auditing import audit as look

    for spec in policy or ():
        make(spec)  # imports its module, which a name in a log never does
    found = look(read_log(log, values=False), None if state is None else read_states(state))
    if as_json:
        _print({**vars(found), "ok": found.ok})
    else:
        for failure in found.failures:
            print(f"FAILED {failure}")
        for gap in found.unchecked:
            print(f"not checked: {gap}")
        print(
            f"{found.digests} of {found.decisions} digests hold; {found.rebuilt} of "
            f"{found.decisions} decisions rebuilt bit for bit"
            + (f"; {found.states} states rebuilt bit for bit" if state else "")
        )
    if not found.ok:
        raise typer.Exit(BROKEN)


@app.command(epilog="Example: python -m replay convert log.parquet vw:log.json")
def convert(
    log: LogArgument,
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="A name in .parquet or .arrow, or vw:FILE.")
    ],
    as_json: Json = False,
) -> None:
    """Writes a log in another format; every value is checked on the way."""
    from journal.convert import convert as run

    found = run(log, out)
    for notice in found.notes:
        note(f"note: {notice}")
    if as_json:
        _print({"out": out, "decisions": len(found), "notes": list(found.notes)})
    else:
        print(f"{out}: {len(found)} decisions written")


@app.command(
    epilog="Example: python -m replay train log.parquet --until 2026-01-19T00:00:00Z --out state"
)
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


@app.command(
    epilog="Example: python -m replay evaluate log.parquet --policy random --policy linucb:alpha=1 "
    "--against logged --learn logged"
)
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
    state: Annotated[Path | None, typer.Option(help="Directory of starting states.")] = None,
    learn: Annotated[
        LearnChoice,
        typer.Option(
            help="none: the start stays frozen; logged: learns from all earlier feedback; "
            "replay: only from what it would have seen."
        ),
    ] = LearnChoice.none,
    since: Annotated[
        str | None, typer.Option(help="Evaluate decisions from this RFC 3339 time on.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="As if the log had been read at this time.")
    ] = None,
    pmf: Annotated[
        Path | None, typer.Option(help="Parquet with decision_id, pmf of any policy.")
    ] = None,
    behavior: Annotated[
        str | None, typer.Option(help="Spec of the logger where propensities were not logged.")
    ] = None,
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
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
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
    from replay.reports.report import check_directory

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
        _print(found.to_dict())
    else:
        show(found)
        if out is not None:
            print(f"results: {out}")


app.command(
    epilog="Example: python -m replay study --like log.parquet --policy random --policy linucb "
    "--replicates 100 --out results/like"
)(study)
app.command(epilog="Example: python -m replay drift may.parquet june.parquet --out results/drift")(
    drift
)


def _first_reason(found: Any) -> str | None:
    return next((r for p in found.results for row in p.judged.rows for r in row.reasons), None)


def show(found: Any) -> None:
    """The table for people, and why not to believe what should not be."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from replay.reports.comparing_words import rows, sentences
    from replay.reports.report import HEADER, OTHER_QUESTION, reasons, silence_notes, table_rows
    from replay.reports.tables import span
    from replay.result import QUESTION

    console = Console(
        soft_wrap=True,
        highlight=False,
        markup=False,
        emoji=False,
        width=None if sys.stdout.isatty() else 200,
    )
    table = Table(*HEADER, box=box.SIMPLE, pad_edge=False)
    last = None
    for row in table_rows(found):
        table.add_row(*(row if row[:2] != last else ("", "", *row[2:])))
        last = row[:2]
    console.print(f"Question: {QUESTION}. {OTHER_QUESTION}")
    console.print(table)
    for d in found.differences:
        value = span(d.value, d.low, d.high, d.verdict)
        console.print(f"{d.policy} - {d.against}, {d.estimator}: {value} ({d.verdict})")
    for sentence in silence_notes(found):
        console.print(sentence)
    if found.comparison is not None:
        for name, value, verdict in rows(found.comparison):
            console.print(f"together, {name}: {value} ({verdict})")
        for sentence in sentences(found.comparison):
            console.print(sentence)
    for who, reason in reasons(found):
        console.print(f"{who}: {reason}")
