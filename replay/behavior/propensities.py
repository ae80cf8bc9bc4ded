"""What the log knows of its logger: propensities, support, and whether it ever chose."""

from dataclasses import dataclass

import numpy as np

from journal.log import Log
from policies import BadInput, make
from policies.arrays import Bools, Floats
from replay.history.walk import walk
from replay.rounds import Candidates


@dataclass(frozen=True)
class Behavior:
    """The behavior policies of a log, as far as they are known."""

    pscore: Floats  # (n,) NaN = unknown
    pmf: Floats | None  # (N,) NaN = unknown
    declared: str | None  # the spec used where no propensity was logged

    def support(self, log: Log, pi_e: Floats, rows: Bools) -> float | None:
        """Share of `pi_e (N,)`'s mass on actions the logger could take; None = unknown.

        A logger whose every propensity is 1/K is taken for uniform where no pmf is logged.
        """
        inside = np.repeat(rows, np.diff(log.offsets))
        pmf = self.pmf
        if pmf is None or np.isnan(pmf[inside]).any():
            lengths = np.diff(log.offsets)[rows]
            uniform = np.allclose(self.pscore[rows] * lengths, 1.0, rtol=1e-9, atol=0)
            return 1.0 if uniform else None
        return float(pi_e[inside][pmf[inside] > 0].sum() / rows.sum())

    def weight_bound(self, log: Log, pi_e: Floats, rows: Bools) -> float | None:
        """The largest weight any candidate could have had; None = unknown or unbounded."""
        inside = np.repeat(rows, np.diff(log.offsets))
        if self.pmf is None or np.isnan(self.pmf[inside]).any():
            return None
        wanted = pi_e[inside] > 0
        with np.errstate(divide="ignore", over="ignore"):
            bound = float((pi_e[inside][wanted] / self.pmf[inside][wanted]).max())
        return bound if np.isfinite(bound) else None

    def candidates(self, log: Log, pi_e: Floats, rows: Bools) -> Candidates | None:
        """All candidates of `rows` with both pmfs; None where the logger's is unknown."""
        inside = np.repeat(rows, np.diff(log.offsets))
        if self.pmf is None or np.isnan(self.pmf[inside]).any():
            return None
        return Candidates(pi_e[inside], self.pmf[inside])

    def spread(self, log: Log, pi_e: Floats, rows: Bools) -> Floats | None:
        """sum pi_e^2 / pi_b over the candidates of each of `rows`; None = unknown or unbounded."""
        if self.pmf is None or np.isnan(self.pmf[np.repeat(rows, np.diff(log.offsets))]).any():
            return None
        with np.errstate(over="ignore"):
            weight = np.divide(pi_e, self.pmf, out=np.zeros(len(pi_e)), where=self.pmf > 0)
            found = np.add.reduceat(pi_e * weight, log.offsets[:-1])[rows]
        return found if np.isfinite(found).all() else None


def behavior_of(log: Log, declared: str | None = None) -> Behavior:
    """What was logged, and `declared` (a policy's spec) where nothing was."""
    missing = np.isnan(log.pscore)
    logger = None if declared is None else make(declared)
    if logger is None or not missing.any():
        return Behavior(log.pscore, log.pmf, None)
    pmf = walk(log, logger, learn="logged", score=missing).pmf
    if log.pmf is not None:
        pmf = np.where(np.isnan(log.pmf), pmf, log.pmf)
    pscore = np.where(missing, pmf[log.chosen], log.pscore)
    if not (pscore[missing] > 0).all():
        at = int(np.flatnonzero(missing & ~(pscore > 0))[0])
        rule = f"could not have taken the action of row {at}"
        raise BadInput(f"--behavior {declared}", rule, log.decision_id[at])
    logged_pmf = None if np.isnan(pmf).all() else pmf
    return Behavior(pscore, logged_pmf, declared)


def is_deterministic(log: Log, pscore: Floats, rows: Bools) -> bool:
    """Whether the logger's action was certain in every decision that had a choice."""
    choices = rows & (np.diff(log.offsets) > 1)
    return bool(choices.any() and (pscore[choices] == 1.0).all())
