"""What was decided and what came of it: the live journal and the columnar log."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journal.files import read_log as read_log
    from journal.files import write_log as write_log
    from journal.frame import frame_of_log as frame_of_log
    from journal.frame import log_of_frame as log_of_frame
    from journal.log import Log as Log
    from journal.records import log_of as log_of

_HOMES = {
    "Log": "journal.log",
    "frame_of_log": "journal.frame",
    "log_of": "journal.records",
    "log_of_frame": "journal.frame",
    "read_log": "journal.files",
    "write_log": "journal.files",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Names load their module on first use: the server needs none of pyarrow and pandas."""
    if name not in _HOMES:
        raise AttributeError(f"module 'journal' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
