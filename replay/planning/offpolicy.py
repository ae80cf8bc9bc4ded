"""The design off-policy: log with A at a floor, evaluate B and A on that log."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from journal.log import Log
from policies.arrays import Floats, Ints
from replay.planning.components import (
    Components,
    Sums,
    resampled,
    score_sums,
    shape_of,
    shared_of,
)
from replay.planning.loggers import Floored
from replay.planning.power import Question
from replay.planning.requirement import Asked, Scores, row_of
from replay.planning.result import OFF_POLICY, Part, Row, Span
from replay.rounds import Rounds
from replay.verdict import LEAST_ESS

BASE = 6  # columns of `score_sums`; behind them what no floor changes of a decision's square
EACH = 3  # columns of each floor: its spread, its weights of the residuals, their squares


@dataclass(frozen=True)
class Compared:
    """A and B on the log: their rounds, their pmfs over all candidates, A without its floor."""

    log: Log
    rows: Ints  # (m,) the evaluated decisions
    ours: Rounds  # B's
    theirs: Rounds  # A's
    pmf: Floats  # (N,) B's
    base: Floats  # (N,) A's
    planner: Floored

    @property
    def arms(self) -> tuple[Rounds, Rounds]:
        """A's and B's."""
        return self.theirs, self.ours

    def spread(self, numerator: Floats, floor: float) -> Floats:
        """sum over candidates of numerator^2 / the planned logger's pmf, `(m,)`."""
        each = numerator**2 / self.planner.at(floor)
        out: Floats = np.add.reduceat(each, self.log.offsets[:-1])[self.rows]
        return out

    def logged(self, floor: float) -> Floats:
        """The planned logger's probability of the logged action, `(m,)`."""
        out: Floats = self.planner.at(floor)[self.log.chosen[self.rows]]
        return out


def off_policy(
    compared: Compared,
    floors: tuple[float, ...],
    question: Question,
    asked: Asked,
    gap: Span | None,
    seed: int,
) -> Part:
    """One row a floor.

    The score of a decision is the paired doubly robust difference (Dudik, Langford & Li,
    2011), psi = q_B - q_A + s (r - q) with s = (B - A)/logger at the action. Under another
    logger two decisions of one user covary as before, since actions are drawn afresh:
    E psi_i psi_j has no propensity in it. Only one decision's own variance changes,
    E psi^2 = E (q_B - q_A)^2 + 2 E (q_B - q_A) s (r - q) + E s^2 (r - q)^2; the last is
    the known mean of sum_a (B - A)^2/logger times the mean of (r - q)^2 under weights
    (B - A)^2/(planned logger x logged propensity), self-normalised (Hajek, 1971).
    `gap`: A without a floor less a uniform choice, per tip.
    """
    sums, sizes = _sums(compared, floors)
    totals = sums.sum(axis=0)
    shape = shape_of(totals, len(sums))
    drawn = resampled(sums, seed)
    found = []
    between = None
    for i, floor in enumerate(floors):
        why = _unknown(totals, sizes[i], i)
        if why is not None:
            found.append(Row(floor, reasons=(why,)))
            continue
        components = _components(totals[None], i)
        between = float(np.sqrt(components.shared[0]))
        scores = Scores(
            partial(components.variance, shape),
            partial(_components(drawn, i).variance, shape),
            shape,
            weight=_heaviest(compared, floor),
        )
        cost = None if gap is None else _scaled(gap, floor - min(floors))
        found.append(row_of(floor, scores, question, asked, cost))
    never = () if any(row.planned for row in found) else dict.fromkeys(_reasons(found))
    return Part(OFF_POLICY, between, tuple(found), tuple(never))


def _reasons(rows: list[Row]) -> list[str]:
    return [reason for row in rows for reason in row.reasons]


def _sums(compared: Compared, floors: tuple[float, ...]) -> tuple[Sums, list[float]]:
    """Users' sums `(g, BASE + 1 + EACH floors)`, and each floor's ess for the residuals."""
    ours, theirs = compared.ours, compared.theirs
    q_hat, q_b = ours.model
    _, q_a = theirs.model
    apart, rest = q_b - q_a, ours.reward - q_hat
    score = apart + (ours.weight - theirs.weight) * rest
    known = apart**2 + 2 * apart * (score - apart)
    columns = [score_sums(ours.by_user, score), ours.by_user(known)[:, None]]
    assert ours.pscore is not None  # a log without propensities was refused
    sizes = []
    for floor in floors:
        omega = (ours.pi_e - theirs.pi_e) ** 2 / (compared.logged(floor) * ours.pscore)
        square = float(omega @ omega)
        sizes.append(float(omega.sum()) ** 2 / square if square > 0 else 0.0)
        spread = compared.spread(compared.pmf - compared.base, floor)
        for column in (spread, omega, omega * rest**2):
            columns.append(ours.by_user(column)[:, None])
    return np.hstack(columns), sizes


def _components(totals: Sums, floor: int) -> Components:
    """Of the `floor`th, from totals `(B, m)`."""
    mean, shared, error = shared_of(totals[:, :BASE])
    n = totals[:, 0]
    at = BASE + 1 + EACH * floor
    known, (spread, omega, rest) = totals[:, BASE], totals[:, at : at + EACH].T
    residual = np.divide(rest, omega, out=np.zeros(len(n)), where=omega > 0)
    single = known / n + spread / n * residual - mean**2 + error
    return Components(np.maximum(single, shared), shared)


def _unknown(totals: Sums, size: float, floor: int) -> str | None:
    """Why the log cannot tell the residuals' variance under a floor."""
    spread = float(totals[BASE + 1 + EACH * floor])
    if spread == 0:
        return "A and B never differ on these contexts: no log tells them apart"
    if size < LEAST_ESS:
        return (
            f"ess {size:.1f} of the rewards where A and B differ is below {LEAST_ESS:g}: the log "
            "cannot tell how noisy they are"
        )
    return None


def _heaviest(compared: Compared, floor: float) -> float:
    """The larger mean square of the weights of A and B under the planned logger."""
    return max(float(compared.spread(pmf, floor).mean()) for pmf in (compared.pmf, compared.base))


def _scaled(gap: Span, by: float) -> Span:
    return Span(gap.value * by, gap.low * by, gap.high * by)
