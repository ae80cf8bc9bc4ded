"""Several behavior policies in one log: own or balanced (mixture) weights, by a fixed rule."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from journal.log import Log
from policies.arrays import Floats, Ints
from policies.errors import BadInput
from replay.behavior.assignment import (
    by_user,
    history,
    moment,
    ranks,
    situation,
    uniform_reward,
    unlike,
)
from replay.behavior.loggers import Loggers, Unknown, learning, loggers_of
from replay.behavior.propensities import Behavior
from replay.sample import Sample

Pool = Literal["auto", "balanced", "own"]
POOLS = ("auto", "balanced", "own")
LEAST = 1e-300  # of a probability, before its logarithm is taken

BY_DECISION = "by decision"
BY_USER = "by user"
REGARDLESS = "regardless: nothing learns"


@dataclass(frozen=True)
class Pooling:
    """Which propensities weigh the decisions of several loggers, and why."""

    used: Literal["balanced", "own"]
    shares: dict[str, float]  # of the evaluated decisions, by logger
    assigned: str | None  # how decisions are taken to have come to their loggers
    reason: str
    doubt: str | None = None  # what speaks against weights that were asked for

    @property
    def notice(self) -> str:
        """For a reader of the numbers."""
        return f"{len(self.shares)} behavior policies, {self.used} weights: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def pooled(
    log: Log, sample: Sample, logger: Behavior, pool: Pool, memory: bool
) -> tuple[Behavior, Pooling | None]:
    """The logger that the weights are to use; None where one policy decided everything.

    Balanced weights (Agarwal, Basu, Schnabel & Joachims, 2017, section 4) divide by
    sum_j P(j) pi_j(a|x): what the action's probability was before it was known whose turn
    it was. That is unbiased where who decides is drawn without regard to the situation,
    which to a learner is the history too:

    - nothing learns (no logger, and `memory` False: no evaluated policy): P(j) = n_j/n,
      where the loggers met situations and rewards alike;
    - users have one logger each: P(j | history) = g_j/g times the likelihood of the user's
      earlier actions under j, normalised; where first decisions are alike;
    - else P(j) = n_j/n where situation, time and history say nothing of who decides.

    `auto` takes own weights, unbiased always, where pmfs cannot be known or something
    differs. Raises `BadInput` where "balanced" is asked for and cannot be.
    """
    rows = sample.rows
    names, counts = np.unique(log.policy[rows], return_counts=True)
    if len(names) == 1:
        return logger, None
    shares = {log.policy_names[c]: float(k) / len(rows) for c, k in zip(names, counts, strict=True)}
    if pool == "own":
        return logger, Pooling("own", shares, None, "as asked")
    try:
        if logger.declared is not None or np.isnan(logger.pscore[rows]).any():
            raise Unknown("not every decision has a logged propensity")
        loggers = loggers_of(log, logger.pscore, rows)
    except Unknown as reason:
        if pool == "balanced":
            rule = "needs every logger's pmf at every decision"
            raise BadInput("--pool balanced", rule, str(reason)) from None
        return logger, Pooling("own", shares, None, str(reason))
    inside = np.repeat(np.isin(np.arange(len(log)), rows), np.diff(log.offsets))
    if (loggers.pmf[:, inside] == loggers.pmf[0, inside]).all():
        return logger, Pooling("own", shares, None, "their pmfs are equal, balanced are the same")
    assigned, against = _assigned(log, sample, loggers, logger.pscore, memory)
    if against is not None and pool == "auto":
        return logger, Pooling("own", shares, assigned, f"between the loggers, {against}")
    turn = _posterior(log, loggers, rows) if assigned == BY_USER else _shares(loggers, rows)
    pmf = np.einsum("ij,ji->i", np.repeat(turn, np.diff(log.offsets), axis=0), loggers.pmf)
    pmf = np.minimum(pmf, 1.0)  # shares sum to 1 but for rounding
    doubt = None
    if against is not None:
        doubt = f"balanced weights as asked, but between the loggers, {against}: biased if by rule"
    said = {
        BY_DECISION: "who decides looks random, whatever the situation, time and history",
        BY_USER: "each user has one logger and first decisions are alike",
        REGARDLESS: "nothing learns, and situations and rewards are alike",
    }[assigned]
    found = Pooling("balanced", shares, assigned, doubt or said, doubt)
    return Behavior(pmf[log.chosen], pmf, None), found


def _assigned(
    log: Log, sample: Sample, loggers: Loggers, pscore: Floats, memory: bool
) -> tuple[str, str | None]:
    """How decisions came to their loggers, and what speaks against it."""
    rows = np.isin(np.arange(len(log)), sample.rows)
    reward = np.zeros(len(log))
    reward[sample.rows] = sample.reward
    columns = situation(log)
    earned = uniform_reward(log, loggers, np.where(rows, pscore, 1.0), reward)
    if not memory and not learning(log, loggers):
        against = unlike({**columns, **earned}, loggers, log.user, rows)
        if against is None or not by_user(log):
            return REGARDLESS, against
    columns |= moment(log)
    if by_user(log):
        return BY_USER, unlike(columns, loggers, log.user, ranks(log) == 0)
    columns |= {**history(log, loggers, reward), **earned}
    return BY_DECISION, unlike(columns, loggers, log.user, rows)


def _shares(loggers: Loggers, rows: Ints) -> Floats:
    """P(j) = n_j/n for every decision `(n, J)`."""
    count = np.bincount(loggers.code[rows], minlength=len(loggers.names))
    return np.tile(count / len(rows), (len(loggers.code), 1))


def _posterior(log: Log, loggers: Loggers, rows: Ints) -> Floats:
    """P(j | the user's earlier decisions) `(n, J)`, in the order of time."""
    met = np.unique(np.stack([log.user[rows], loggers.code[rows]]), axis=1)[1]
    users = np.bincount(met, minlength=len(loggers.names))
    said = np.log(np.maximum(loggers.pmf[:, log.chosen].T, LEAST))  # (n, J)
    belief = np.tile(np.log(np.maximum(users / len(met), LEAST)), (len(log.user_names), 1))
    out = np.empty_like(said)
    rank = ranks(log)
    order = np.argsort(rank, kind="stable")
    for turn in np.split(order, np.flatnonzero(np.diff(rank[order])) + 1):
        who = log.user[turn]  # each once
        out[turn] = belief[who]
        belief[who] += said[turn]
    out = np.exp(out - out.max(axis=1, keepdims=True))
    return np.asarray(out / out.sum(axis=1, keepdims=True))
