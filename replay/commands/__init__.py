"""The commands of `python -m replay`, a file each; each loads what it needs when it runs."""

from collections.abc import Callable

import typer

from replay.commands.audit import audit
from replay.commands.card import card
from replay.commands.convert import convert
from replay.commands.drift import drift
from replay.commands.evaluate import evaluate
from replay.commands.experiment import experiment
from replay.commands.follow_up import follow_up
from replay.commands.gate import gate
from replay.commands.history import history
from replay.commands.plan import plan
from replay.commands.promote import promote
from replay.commands.rollback import rollback
from replay.commands.shadow import shadow
from replay.commands.slices import slices
from replay.commands.study import study
from replay.commands.train import train
from replay.commands.validate import validate

COMMANDS: tuple[tuple[Callable[..., None], str], ...] = (
    (validate, "validate results/mornings.parquet --policy linucb"),
    (audit, "audit results/live.db --state results/state"),
    (convert, "convert log.parquet vw:log.json"),
    (train, "train log.parquet --until 2026-01-19T00:00:00Z --out state"),
    (
        evaluate,
        "evaluate log.parquet --policy random --policy linucb:alpha=1 --against logged "
        "--learn logged",
    ),
    (
        study,
        "study --like log.parquet --policy random --policy linucb --replicates 100 "
        "--out results/like",
    ),
    (slices, "slices log.parquet --policy linucb --against random --by overdue,hour,new"),
    (card, "card log.parquet --policy linucb --champion random --out results/card"),
    (drift, "drift may.parquet june.parquet --out results/drift"),
    (plan, "plan log.parquet --policy linucb:alpha=1 --detect 0.05 --out results/plan"),
    (shadow, "shadow live.db --out results/shadow"),
    (experiment, "experiment live.db --out results/experiment"),
    (
        gate,
        "gate log.parquet --champion linucb:alpha=1 --challenger linucb:alpha=0.3 "
        "--learn logged --out results/gate",
    ),
    (
        promote,
        "promote linucb:alpha=0.5 --gate results/gate/gate.json --card results/card "
        '--why "weekly retraining"',
    ),
    (rollback, 'rollback --why "dismissals doubled"'),
    (history, "history"),
    (follow_up, "follow-up results/live.db --out results/follow-up"),
)
"""Each with an example of its use."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Would the other policy have done better, and can this log even tell?",
    epilog="Example: python -m replay evaluate log.parquet --policy linucb --against logged",
)
for command, example in COMMANDS:
    app.command(epilog=f"Example: python -m replay {example}")(command)
