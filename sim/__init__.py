"""A synthetic Todoist world with known truth: logs, closed loops, people who use a server."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.deployment import deployed as deployed
    from sim.deployment import run as run
    from sim.logs import generate as generate

_HOMES = {"deployed": "sim.deployment", "generate": "sim.logs", "run": "sim.deployment"}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Names load their module on first use, so a help text costs no numba import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # else the submodule of that name would stand here
    return value
