"""What each behavior policy of a log would have done at every decision, its own or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from journal.checks import PSCORE_TOLERANCE
from journal.log import Log
from policies import make
from policies.arrays import Bools, Floats, Ints
from policies.spec import is_ours
from replay.history.walk import walk

MOST = 20  # loggers to rebuild; each walks the whole log
LEAST_CHOICES = 30  # decisions at 1/K after which a logger that is not ours counts as uniform


class Unknown(Exception):
    """Why a logger's probabilities at other decisions than its own cannot be known."""


@dataclass(frozen=True)
class Loggers:
    """J behavior policies, each asked at every decision."""

    names: Sequence[str]
    pmf: Floats  # (J, N)
    code: Ints  # (n,) which of them decided; -1 = one that decided nothing that is evaluated


def loggers_of(log: Log, pscore: Floats, rows: Ints) -> Loggers:
    """The loggers of the evaluated `rows`, rebuilt; `pscore (n,)` is what is known of each.

    A policy of ours is walked through the log and must give what it logged at its own
    decisions; one that is not, but took 1/K at each of its own, counts as uniform. Raises
    `Unknown` for any other.
    """
    codes = np.unique(log.policy[rows])
    if len(codes) > MOST:
        raise Unknown(f"{len(codes)} behavior policies, at most {MOST} are rebuilt")
    pmf = np.stack([_pmf_of(log, pscore, int(code)) for code in codes])
    place = np.full(len(log.policy_names), -1)
    place[codes] = np.arange(len(codes))
    return Loggers([log.policy_names[c] for c in codes], pmf, place[log.policy])


def learning(log: Log, loggers: Loggers) -> bool:
    """Whether any of them depends on what came before: with nothing learned it acts otherwise."""
    for name, pmf in zip(loggers.names, loggers.pmf, strict=True):
        if is_ours(name) and (walk(log, make(name), learn="none").pmf != pmf).any():
            return True
    return False


def _pmf_of(log: Log, pscore: Floats, code: int) -> Floats:
    name, own = log.policy_names[code], log.policy == code
    sizes = np.diff(log.offsets)
    if is_ours(name):
        pmf = walk(log, make(name), learn="logged").pmf
        if _as_logged(log, pscore, pmf, own):
            return pmf
        raise Unknown(f"{name} cannot be rebuilt: it logged other probabilities than it gives here")
    choices = own & (sizes > 1)
    uniform = np.allclose(pscore[choices] * sizes[choices], 1.0, rtol=1e-9, atol=0)
    if choices.sum() >= LEAST_CHOICES and uniform:
        return np.repeat(1.0 / sizes, sizes)
    raise Unknown(f"{name} is not a policy of ours: what it would do elsewhere is unknown")


def _as_logged(log: Log, pscore: Floats, pmf: Floats, own: Bools) -> bool:
    """Whether `pmf (N,)` is what was logged at the rows `own (n,)`, as far as anything was."""
    known = own & ~np.isnan(pscore)
    off = np.abs(pmf[log.chosen] - pscore)[known]
    if log.pmf is not None:
        inside = np.repeat(own, np.diff(log.offsets)) & ~np.isnan(log.pmf)
        off = np.concatenate([off, np.abs(pmf - log.pmf)[inside]])
    return bool(known.any() and (off <= PSCORE_TOLERANCE).all())
