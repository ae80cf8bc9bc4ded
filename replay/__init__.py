"""Off-policy evaluation of a log: estimates, intervals, verdicts; and the audit of a served one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.audit import audit as audit
    from replay.doctor import validate as validate
    from replay.evaluate import evaluate as evaluate
    from replay.train import train as train

_HOMES = {
    "audit": "replay.audit",
    "evaluate": "replay.evaluate",
    "train": "replay.train",
    "validate": "replay.doctor",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Names load their module on first use, so a help text costs no pandas import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'replay' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # else the submodule of that name would stand here
    return value
