"""The log as a caller gives it: a path, a `Log`, or a DataFrame with its own column names."""

import os
from collections.abc import Mapping

import pandas as pd

from journal.files import read_log
from journal.frame import log_of_frame
from journal.log import Log

GivenLog = str | os.PathLike[str] | Log | pd.DataFrame


def log_given(
    log: GivenLog,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
    action_by: str | None = None,
    *,
    values: bool = True,
) -> Log:
    """`log` as a `Log`; the other words are those of `journal.frame.log_of_frame`.

    `values=False` leaves a file's values unchecked, for the audit. Raises `BadInput`.
    """
    if isinstance(log, Log):
        return log
    if isinstance(log, pd.DataFrame):
        return log_of_frame(log, columns=columns, reward_range=reward_range, action_by=action_by)
    return read_log(log, values=values)
