"""Namespaces of dsjson as context columns: numbers as they are, texts one-hot, in one order."""

from array import array
from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np

from journal import schema
from journal.importers.vw_line import Json, number
from policies.arrays import Floats, Ints
from policies.errors import BadInput

MOST_FEATURES = 256
"""Context columns of a log: every model here is dense in them."""

MOST_TEXTS = 32
"""Different texts of one feature; one with more (an id, a browser) is left out, and said."""

DEEPEST = 32

Path = tuple[str | int, ...]
Key = tuple[Path, str | None]  # a feature: where it stands, and its text if it is one

SHARED: Path = ("c",)
ACTION: Path = ("_multi",)


class Features:
    """What the lines of a file hold, gathered line by line, then made into columns.

    A name that begins with `_` is no feature, as in VW. An object is a namespace, a list of
    objects is one namespace, a list of numbers has numbered features. A feature that occurs
    twice is added up.
    """

    def __init__(self, left_out: Collection[Path]) -> None:
        self._left_out = frozenset(left_out)
        self._codes: dict[Key, int] = {}
        self._texts: Counter[Path] = Counter()
        self._entries = {root: (array("q"), array("q"), array("d")) for root in (SHARED, ACTION)}
        self._lines = self._candidates = 0

    def add(self, context: Json, where: str) -> None:
        """The shared features and actions of one line's `c`."""
        self._add(SHARED, self._lines, context, where)
        self._lines += 1
        for action in context["_multi"]:
            named = {k: v for k, v in action.items() if k != "id"}
            self._add(ACTION, self._candidates, named, where)
            self._candidates += 1

    def columns(self, lengths: Ints, path: str) -> tuple[Floats, list[str]]:
        """`(N, d)` and the d names, sorted; d = 1 and a constant where there is no feature.

        `lengths (n,)` are the candidates of each line. Raises `BadInput` for too many columns.
        """
        kept = sorted(filter(self._is_kept, self._codes), key=_order)
        if len(kept) > MOST_FEATURES:
            rule = f"makes at most {MOST_FEATURES} context features: leave some out with ?drop="
            raise BadInput(path, rule, f"{len(kept)}, the first {_name(kept[0])}")
        if not kept:
            return np.ones((self._candidates, 1)), []
        place = np.full(len(self._codes), -1)
        for column, key in enumerate(kept):
            place[self._codes[key]] = column
        shared = [i for i, (where, _) in enumerate(kept) if where[:1] == SHARED]
        out = self._dense(ACTION, self._candidates, place, len(kept))
        if shared:
            of_lines = self._dense(SHARED, self._lines, place, len(kept))[:, shared]
            out[:, shared] = np.repeat(of_lines, lengths, axis=0)
        return out, [_name(key) for key in kept]

    @property
    def too_many(self) -> list[str]:
        """Features left out because they have more than `MOST_TEXTS` different texts."""
        return [_name((p, None)) for p, n in sorted(self._texts.items()) if n > MOST_TEXTS]

    def _is_kept(self, key: Key) -> bool:
        return key[1] is None or self._texts[key[0]] <= MOST_TEXTS

    def _dense(self, root: Path, rows: int, place: Ints, width: int) -> Floats:
        at, codes, values = (np.array(a) for a in self._entries[root])
        columns = place[codes]
        out = np.zeros((rows, width))
        out[at[columns >= 0], columns[columns >= 0]] = values[columns >= 0]
        return out

    def _add(self, root: Path, row: int, said: Json, where: str) -> None:
        found: dict[Key, float] = {}
        self._flatten(said, root, found, where)
        rows, codes, values = self._entries[root]
        for key, value in found.items():
            code = self._code(key)
            if code is not None:
                rows.append(row)
                codes.append(code)
                values.append(value)

    def _code(self, key: Key) -> int | None:
        code = self._codes.get(key)
        if code is None:
            path, text = key
            if text is not None:
                if self._texts[path] > MOST_TEXTS:
                    return None
                self._texts[path] += 1
            code = self._codes[key] = len(self._codes)
        return code

    def _flatten(self, value: Any, path: Path, found: dict[Key, float], where: str) -> None:
        if path in self._left_out or value is None:
            return
        if len(path) > DEEPEST:
            raise BadInput(f"{where}, {_name((path[:3], None))}", f"is nested over {DEEPEST} deep")
        if isinstance(value, dict):
            for name, inner in value.items():
                if not name.startswith("_"):
                    self._flatten(inner, (*path, name), found, where)
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                deeper = isinstance(inner, list | int | float)
                self._flatten(inner, (*path, i) if deeper else path, found, where)
        elif isinstance(value, str):
            found[path, value] = found.get((path, value), 0.0) + 1.0
        else:
            size = _size(value, path, where)
            key = (path, None)
            found[key] = found[key] + size if key in found else size


def path_of(text: str) -> Path:
    """`c.User.id` as a path."""
    return tuple(text.split("."))


def _size(value: Any, path: Path, where: str) -> float:
    if isinstance(value, int | float) and -schema.LARGEST <= value <= schema.LARGEST:
        return float(value)
    field = f"{where}, {_name((path, None))}"
    number(value, field)
    raise BadInput(field, f"must be at most {schema.LARGEST:g} in size", value)


def _name(key: Key) -> str:
    path, text = key
    parts = [f"[{p}]" if isinstance(p, int) else f".{p}" for p in path]
    return "".join(parts).lstrip(".") + ("" if text is None else f"={text}")


def _order(key: Key) -> tuple[list[tuple[int, int, str]], bool, str]:
    """Names by letters, places in a list by number, a number before the texts of its name."""
    path, text = key
    parts = [(0, p, "") if isinstance(p, int) else (1, 0, p) for p in path]
    return parts, text is not None, text or ""
