"""`python -m replay.studies`: runs the studies and keeps their tables."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from journal.cli import main_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog="Example: python -m replay.studies --out results/study --only hour")
def studies(
    out: Annotated[Path, typer.Option(help="Directory for the tables and their JSON.")],
    only: Annotated[str | None, typer.Option(help="One of: coverage, hour, learners.")] = None,
    small: Annotated[bool, typer.Option("--small", help="A tenth of it, to see it run.")] = False,
) -> None:
    """Seeded studies of this tool's claims: coverage of intervals, and whether hours matter."""
    from policies.errors import BadInput
    from replay.studies import coverage, hour, learners
    from replay.studies.learner_table import learner_table
    from replay.studies.tables import coverage_table, hour_table

    kinds: dict[str, Any] = {
        "coverage": (
            coverage.study,
            coverage.Design(logs=10, truth_logs=10) if small else coverage.Design(),
            coverage_table,
        ),
        "hour": (hour.study, hour.Design(seeds=2) if small else hour.Design(), hour_table),
        "learners": (
            learners.study,
            learners.Design(seeds=30, others=3, lives=100) if small else learners.Design(),
            learner_table,
        ),
    }
    if only is not None and only not in kinds:
        raise BadInput("--only", f"must be one of {', '.join(kinds)}", only)
    out.mkdir(parents=True, exist_ok=True)
    for name, (study, design, table) in kinds.items():
        if only in (None, name):
            found = study(design)
            (out / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
            (out / f"{name}.md").write_text(table(found))
            print(f"{name}\n\n{table(found)}")


if __name__ == "__main__":
    sys.exit(main_of(app, "replay.studies"))
