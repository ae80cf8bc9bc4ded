"""The table of an evaluation for people, and why not to believe what should not be."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from replay.reports.comparing_words import rows, sentences
from replay.reports.report import HEADER, OTHER_QUESTION, reasons, silence_notes, table_rows
from replay.reports.tables import span
from replay.result import QUESTION, Evaluation


def show(found: Evaluation) -> None:
    """Prints it."""
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
