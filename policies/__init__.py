"""The decision core: features, rewards, policies and their state. No I/O but of priors."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.errors import BadInput as BadInput
    from policies.spec import canonical as canonical
    from policies.spec import make as make

_HOMES = {
    "BadInput": "policies.errors",
    "canonical": "policies.spec",
    "make": "policies.spec",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Names load their module on first use, so a help text costs no numba import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'policies' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
