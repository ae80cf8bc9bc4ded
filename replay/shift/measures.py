"""What of two logs is compared: columns of values, each with the users they come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from journal.log import NONE, Log
from policies.arrays import Bools, Floats, Ints
from policies.errors import BadInput
from policies.features import FEATURES
from replay.sample import Sample, sample_of

MOST_CELLS = 40  # arms or words that are cells of their own; the rarest share one


@dataclass(frozen=True)
class Side:
    """The values of one log and who they come from."""

    value: Floats  # (m,) numbers, or codes of categories
    user: Ints  # (m,) index into the users of both logs


@dataclass(frozen=True)
class Measure:
    """One thing that both logs have."""

    name: str
    over: str  # what a value is one of: candidates, decisions, answers
    old: Side
    new: Side
    categories: tuple[str, ...] = ()  # of codes; empty: values are numbers


@dataclass(frozen=True)
class Pair:
    """Two logs with the same features, and one numbering of the users of both."""

    old: Log
    new: Log
    users: tuple[Ints, Ints]  # (n,) of each log, index into all users
    total: int  # users of either log

    @property
    def in_both(self) -> int:
        """Users of both logs."""
        return len(self.old.user_names) + len(self.new.user_names) - self.total


def pair_of(old: Log, new: Log) -> Pair:
    """Raises `BadInput` where the feature sets or their sizes differ."""
    if old.features != new.features:
        rule = f"must have the features of {old.path}, {old.features!r}"
        raise BadInput(new.path, rule, new.features)
    if old.context.shape[1] != new.context.shape[1]:
        rule = f"must have as many features as {old.path}, {old.context.shape[1]}"
        raise BadInput(new.path, rule, new.context.shape[1])
    index = {name: i for i, name in enumerate(old.user_names)}
    if not (of_rows(old) or of_rows(new)):
        for name in new.user_names:
            index.setdefault(name, len(index))
        to = np.array([index[name] for name in new.user_names], np.int64)
    else:
        to = len(index) + np.arange(len(new.user_names))
    total = max(len(old.user_names), int(to.max()) + 1)
    return Pair(old, new, (old.user, to[new.user]), total)


def of_rows(log: Log) -> bool:
    """Whether no user has two decisions: its ids name rows, and nobody of another log."""
    return len(log.user_names) == len(log)


def measures(pair: Pair, notes: list[str]) -> Iterator[Measure]:
    """All that both logs have; what one of them lacks is said in `notes`."""
    old, new = pair.old, pair.new
    for log in (old, new):
        if of_rows(log):
            notes.append(f"{log.path}: no user has two decisions: rows are treated as independent")
    whose = [np.repeat(u, np.diff(x.offsets)) for u, x in zip(pair.users, (old, new), strict=True)]
    for j in range(old.context.shape[1]):
        yield Measure(
            _feature(old, j),
            "candidates",
            Side(old.context[:, j], whose[0]),
            Side(new.context[:, j], whose[1]),
        )
    lengths = [np.diff(log.offsets).astype(np.float64) for log in (old, new)]
    yield _both("candidates", "decisions", pair, lengths)
    yield _words("arm of candidates", "candidates", whose, [_arms(x, x.arm) for x in (old, new)])
    shown = [_arms(log, log.arm[log.chosen]) for log in (old, new)]
    yield _words("arm shown", "decisions", pair.users, shown)
    known = [~np.isnan(log.pscore) for log in (old, new)]
    if known[0].any() and known[1].any():
        yield _both("pscore", "decisions", pair, [old.pscore, new.pscore], known)
    else:
        notes.append(f"pscore is not compared: {_lacking(pair, known)} has none")
    yield from _outcomes(pair, notes)


def _outcomes(pair: Pair, notes: list[str]) -> Iterator[Measure]:
    """Reward and feedback of the decisions whose reward window has closed."""
    samples: list[Sample] = []
    for log in (pair.old, pair.new):
        try:
            samples.append(sample_of(log))
        except BadInput as lack:
            notes.append(f"reward and feedback are not compared: {lack}")
            return
    users = [u[s.rows] for u, s in zip(pair.users, samples, strict=True)]
    yield Measure(
        "reward",
        "decisions with a closed reward window",
        Side(samples[0].reward, users[0]),
        Side(samples[1].reward, users[1]),
    )
    words = [_feedback(x, s) for x, s in zip((pair.old, pair.new), samples, strict=True)]
    if any(set(said) - {SILENT, WORDLESS} for _, said in words):
        yield _words("feedback", "decisions with a closed reward window", users, words)


SILENT, WORDLESS = "expired", "(no word)"


def _feedback(log: Log, sample: Sample) -> tuple[Ints, list[str]]:
    """(m,) codes of what came of the sample's rows; silence is `expired`."""
    names = [*log.feedback_names, SILENT, WORDLESS]
    code = np.where(log.feedback == NONE, len(names) - 1, log.feedback)[sample.rows]
    return np.where(sample.silent, len(names) - 2, code), names


def _arms(log: Log, code: Ints) -> tuple[Ints, list[str]]:
    return code, log.arm_names


def _both(
    name: str, over: str, pair: Pair, values: Sequence[Floats], kept: Sequence[Bools] | None = None
) -> Measure:
    sides = [
        Side(v, u) if kept is None else Side(v[kept[i]], u[kept[i]])
        for i, (v, u) in enumerate(zip(values, pair.users, strict=True))
    ]
    return Measure(name, over, sides[0], sides[1])


def _words(
    name: str, over: str, users: Sequence[Ints], coded: Sequence[tuple[Ints, list[str]]]
) -> Measure:
    """A measure of categories; those of the least share in both logs are one."""
    index = {word: i for i, word in enumerate(dict.fromkeys([*coded[0][1], *coded[1][1]]))}
    codes = [np.array([index[w] for w in said], np.int64)[code] for code, said in coded]
    shares = [np.bincount(code, minlength=len(index)) / len(code) for code in codes]
    most = np.maximum(*shares)
    order = np.argsort(-most, kind="stable")
    order = order[most[order] > 0]
    words = list(index)
    cells = [words[i] for i in order]
    to = np.zeros(len(index), np.int64)
    to[order] = np.arange(len(order))
    if len(order) > MOST_CELLS:
        to = np.minimum(to, MOST_CELLS - 1)
        cells = [*cells[: MOST_CELLS - 1], f"{len(order) - MOST_CELLS + 1} others"]
    sides = [Side(to[c].astype(np.float64), u) for c, u in zip(codes, users, strict=True)]
    return Measure(name, over, sides[0], sides[1], tuple(cells))


def _feature(log: Log, j: int) -> str:
    return f"feature {FEATURES[j].name}" if log.features == "tip-v1" else f"feature {j}"


def _lacking(pair: Pair, known: Sequence[Bools]) -> str:
    lacks = [x.path for x, k in zip((pair.old, pair.new), known, strict=True) if not k.any()]
    return " and ".join(lacks)
