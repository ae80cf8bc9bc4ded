"""Experiments in the live journal: each one's content, and the variant of every decision."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from journal.live_rows import Source, rows_of
from policies.errors import BadInput
from policies.experiment import Experiment, parse
from policies.records import Decision

_KEY = "experiment "  # of `meta`, before the experiment's name


def read_experiment(path: str | Path) -> Experiment:
    """The experiment of a TOML file. Raises `BadInput` for one that cannot be read or is none."""
    where = f"--experiment {path}"
    return parse(text_of(path, where), where)


def text_of(path: str | Path, where: str) -> str:
    """The text of its file. Raises `BadInput` where it cannot be read; `where` names it."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(where, f"cannot be read ({reason})") from None


def kept_text(db: sqlite3.Connection, experiment: Experiment) -> str:
    """What the journal holds under the experiment's name; its own content, where it had none."""
    key = f"{_KEY}{experiment.name}"
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if row is None:
        db.execute("INSERT INTO meta VALUES (?, ?)", (key, experiment.text))
    return experiment.text if row is None else str(row[0])


def check_kept(experiment: Experiment, text: str) -> None:
    """Raises `BadInput` when the journal has another of this name: people would move."""
    if text != experiment.text:
        rule = "a changed experiment needs a new name, the journal holds another one under this"
        raise BadInput(f"experiment {experiment.name}", rule, text)


def insert_assignment(db: sqlite3.Connection, experiment: Experiment, decision: Decision) -> None:
    """Writes the variant of a decision and its probability."""
    variant = experiment.assigned(decision.user_id)
    row = decision.decision_id, experiment.name, variant.name, variant.share
    db.execute("INSERT INTO assignments VALUES (?, ?, ?, ?)", row)


def assignments(source: Source) -> Iterator[tuple[str, str, str, float]]:
    """(decision_id, experiment, variant, probability) of a journal."""
    yield from rows_of(source, "SELECT * FROM assignments")


def kept_experiments(source: Source) -> list[str]:
    """The contents of the journal's experiments, by name."""
    query = f"SELECT value FROM meta WHERE substr(key, 1, {len(_KEY)}) = '{_KEY}' ORDER BY key"
    return [text for (text,) in rows_of(source, query)]
