"""Many policies in one spec: `linucb:alpha={0.1,1},epsilon={0.05,0.1}`."""

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

from policies.errors import BadInput

MOST = 200  # policies in one evaluation


def expanded(policies: Sequence[Any]) -> list[Any]:
    """Each spec with braces as the product of its alternatives, in order; each once.

    Raises `BadInput` for braces that are nested, open or empty, and for more than 200
    policies, before any is made.

    >>> expanded(["random", "linucb:alpha={0.1,1}"])
    ['random', 'linucb:alpha=0.1', 'linucb:alpha=1']
    """
    parts = [_parts(p) if isinstance(p, str) else p for p in policies]
    many = sum(math.prod(map(len, p)) if isinstance(p, list) else 1 for p in parts)
    if many > MOST:
        raise BadInput("--policy", f"at most {MOST} policies in one evaluation", many)
    out: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            specs = ("".join(words) for words in itertools.product(*part))
            out += [spec for spec in dict.fromkeys(specs) if spec not in out]
        else:
            out.append(part)
    return out


def _parts(spec: str) -> list[list[str]]:
    """The alternatives of each stretch of a spec: one outside of braces, many inside."""
    out = []
    for i, text in enumerate(re.split(r"\{([^{}]*)\}", spec)):
        words = [word.strip() for word in text.split(",")] if i % 2 else [text]
        if (i % 2 and not all(words)) or (not i % 2 and re.search(r"[{}]", text)):
            raise BadInput("--policy", "braces hold alternatives, {a,b}, and are not nested", spec)
        out.append(words)
    return out
