"""Compiles kernels with numba where it is installed; without it the same loops run as Python.

`TIPBANDIT_JIT=0` switches compilation off. The bits are the same either way: kernels
use only + - * / sqrt in a fixed order and `fastmath` stays off.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])

COMPILED = os.environ.get("TIPBANDIT_JIT", "1") != "0" and find_spec("numba") is not None


def _cache_dir() -> str:
    """A directory keyed by the sources of all kernels.

    numba notices an edit of the cached function's own file, not of another file
    whose jitted functions it calls; a new key for any edit closes that gap.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    key = hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = os.path.join(base, "tipbandit", f"kernels-{key}")
    try:
        os.makedirs(path, exist_ok=True)
    except OSError:
        return tempfile.mkdtemp(prefix="tipbandit-kernels-")
    return path


if COMPILED:
    # numba imports scipy only to look at its version; a server has no use for the 80 ms
    # and the megabytes. Whoever has imported scipy before, or does later, keeps it.
    _modules: dict[str, Any] = sys.modules
    _blocked = _modules.setdefault("scipy", None) is None
    try:
        import numba
    finally:
        if _blocked:
            del sys.modules["scipy"]

    if not os.environ.get("NUMBA_CACHE_DIR"):
        numba.config.CACHE_DIR = _cache_dir()  # type: ignore[attr-defined,unused-ignore]


def kernel(function: F) -> F:
    """`function` compiled, without the GIL, cached on disk; or itself when numba is off."""
    if not COMPILED:
        return function
    return cast(F, numba.njit(cache=True, nogil=True, fastmath=False)(function))
