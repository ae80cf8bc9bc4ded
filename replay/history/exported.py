"""A journal of which records were pruned, made whole again by the exports that hold them."""

from collections.abc import Sequence

import numpy as np

from journal.files import together
from journal.log import Log, log_of_table


def whole(log: Log, exports: Sequence[Log]) -> tuple[Log, int]:
    """`log` behind the exported decisions that it no longer holds, and how many these are.

    Of a decision that is in several exports the one with its feedback counts, of the others
    the first. A journal knows what was pruned of it: what exports hold besides, of people who
    were forgotten say, is left out. There are no base states any more: it starts from zero.
    Raises `BadInput`.
    """
    kept = frozenset(log.decision_id)
    where: dict[str, tuple[bool, int, int]] = {}
    for e, export in enumerate(exports):
        answered = export.answered
        for i, name in enumerate(export.decision_id):
            found = (not answered[i], e, i)
            gone = name not in kept and (log.pruned is None or name in log.pruned)
            if gone and (name not in where or found < where[name]):
                where[name] = found
    tables = [log.table]
    for e, export in enumerate(exports):
        rows = np.array(sorted(i for _, source, i in where.values() if source == e), np.int64)
        if len(rows):
            tables.append(export.take(rows).table)
    return log_of_table(together(tables, log.path), log.path, values=False), len(where)
