"""`python -m replay.studies`: runs the studies and keeps their tables."""

import json
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from journal.cli import main_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Study:
    """A module with `Design` and `study(design)`, and how its result is shown."""

    home: str
    table: str  # module:function, from a result to Markdown
    small: dict[str, Any]  # the design that shows it run
    further: str | None = None  # module:function, another table: NAME-pairs.md
    plot: str | None = None  # module:function, from a result to a PNG
    resumes: bool = False  # `study(design, kept)` keeps its parts in a directory


STUDIES = {
    "coverage": Study(
        "replay.studies.coverage",
        "replay.studies.tables:coverage_table",
        {"logs": 10, "truth_logs": 10},
    ),
    "hour": Study("replay.studies.hour", "replay.studies.tables:hour_table", {"seeds": 2}),
    "intervals": Study(
        "replay.studies.intervals",
        "replay.studies.interval_table:intervals_table",
        {"most_seeds": 50},
        further="replay.studies.interval_table:pairs_table",
        plot="replay.studies.interval_plot:plot_intervals",
        resumes=True,
    ),
    "prior": Study("replay.studies.prior", "replay.studies.tables:prior_table", {"seeds": 1}),
    "looks": Study("replay.studies.looks", "replay.studies.tables:looks_table", {"seeds": 100}),
    "adaptive": Study(
        "replay.studies.adaptive", "replay.studies.tables:adaptive_table", {"logs": 40}
    ),
    "many": Study("replay.studies.best_of_many", "replay.studies.tables:many_table", {"logs": 30}),
    "learners": Study(
        "replay.studies.learners",
        "replay.studies.learner_table:learner_table",
        {"seeds": 30, "others": 3, "lives": 100},
    ),
    "experiment": Study(
        "replay.studies.experiment",
        "replay.studies.experiment_table:experiment_table",
        {"pool": 150, "days": 9, "runs": 40},
    ),
    "slices": Study("replay.studies.sliced", "replay.studies.tables:slices_table", {"logs": 30}),
    "gate": Study("replay.studies.gate", "replay.studies.gate_table:gate_table", {"days": 10}),
    "pooled": Study("replay.studies.pooled", "replay.studies.tables:pooled_table", {"logs": 30}),
    "plan": Study(
        "replay.studies.planned", "replay.studies.plan_table:plan_table", {"plans": 4, "runs": 10}
    ),
}


@app.command(epilog="Example: python -m replay.studies --out results/study --only hour")
def studies(
    out: Annotated[Path, typer.Option(help="Directory for the tables and their JSON.")],
    only: Annotated[str | None, typer.Option(help=f"One of: {', '.join(STUDIES)}.")] = None,
    small: Annotated[bool, typer.Option("--small", help="A tenth of it, to see it run.")] = False,
) -> None:
    """Seeded studies of this tool's claims, one after the other."""
    from policies.errors import BadInput

    if only is not None and only not in STUDIES:
        raise BadInput("--only", f"must be one of {', '.join(STUDIES)}", only)
    out.mkdir(parents=True, exist_ok=True)
    for name, study in STUDIES.items():
        if only in (None, name):
            text = keep(name, study, out, small)
            print(f"{name}\n\n{text}", flush=True)


def keep(name: str, study: Study, out: Path, small: bool) -> str:
    """Runs a study and writes its JSON, table and plot; the table."""
    module = import_module(study.home)
    design = module.Design(**(study.small if small else {}))
    kept = (out / f"{name}-cells",) if study.resumes else ()
    found = module.study(design, *kept)
    text: str = _function(study.table)(found)
    indent = None if study.resumes else 2  # what has many parts is not for reading
    (out / f"{name}.json").write_text(json.dumps(found, indent=indent, allow_nan=False) + "\n")
    (out / f"{name}.md").write_text(text)
    if study.further is not None:
        (out / f"{name}-pairs.md").write_text(_function(study.further)(found))
    if study.plot is not None:
        (out / f"{name}.png").write_bytes(_function(study.plot)(found))
    return text


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


if __name__ == "__main__":
    sys.exit(main_of(app, "replay.studies"))
