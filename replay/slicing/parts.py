"""One policy on the decisions of one group: its rounds there, and what a verdict must know."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from journal.log import Log
from policies import canonical, make
from policies.arrays import Bools, Floats, Ints
from policies.errors import BadInput
from replay.job import LOGGED
from replay.judged import Judged
from replay.result import Evaluation
from replay.rounds import Candidates, Rounds
from replay.sample import Sample
from replay.verdict import Circumstances


@dataclass(frozen=True)
class Side:
    """A policy, or what was logged, on all evaluated decisions, ready to be split."""

    judged: Judged
    mass: Floats | None  # (N,) its probabilities of every candidate; None: of what was logged

    def at(self, rows: Bools, sizes: Ints, silent: Bools) -> Judged:
        """It on the decisions of a mask `(m,)`; `sizes (m,)`: candidates of each decision."""
        whole = self.judged.rounds
        rounds = _part(whole, rows, sizes)
        about = self.judged.about
        support = about.support
        if rounds.candidates is not None:
            mass = rounds.candidates.pi_e
            support = float(mass[rounds.candidates.pi_b > 0].sum() / len(rounds))
        about = replace(about, support=support, expired_share=float(silent[rows].mean()))
        return Judged(self.judged.name, rounds, about, [])


def sides(found: Evaluation, policy: str, against: str | None) -> tuple[Side, Side | None]:
    """The policy and what it is compared with. Raises `BadInput` where one was not evaluated."""
    ours = _side(found, policy, "policy")
    if against is None:
        return ours, None
    if against == LOGGED:
        return ours, Side(_logged(found, ours.judged.rounds), None)
    return ours, _side(found, against, "against")


def _side(found: Evaluation, name: str, option: str) -> Side:
    entries: Mapping[str, Judged] = {r.policy: r.judged for r in found.results}
    wanted = name if name in entries else _canonical(name)
    if wanted not in entries:
        raise BadInput(option, f"must be one that was evaluated: {', '.join(entries)}", name)
    judged = entries[wanted]
    if found.pooling is not None and found.pooling.used == "balanced":
        judged = replace(judged, rounds=_own(judged, found.log, found.sample))
    return Side(judged, judged.pmf)


def _canonical(name: str) -> str:
    try:
        return canonical(make(name))
    except BadInput:
        return name


def _own(judged: Judged, log: Log, sample: Sample) -> Rounds:
    """The rounds with each decision's own propensity: balanced weights are right on the whole
    log only, since the loggers' shares may differ from group to group.
    """
    inside = _inside(log, sample)
    candidates, bound, spread = None, None, None
    if log.pmf is not None and judged.pmf is not None and not np.isnan(log.pmf[inside]).any():
        candidates = Candidates(judged.pmf[inside], log.pmf[inside])
        bound = _bound(candidates)
    return replace(
        judged.rounds,
        pscore=log.pscore[sample.rows],
        candidates=candidates,
        weight_bound=bound,
        spread=spread,
    )


def _logged(found: Evaluation, ours: Rounds) -> Judged:
    """What was logged, as an entry to compare with: every weight is 1."""
    sample, ones = found.sample, np.ones(len(ours))
    seen = None if ours.candidates is None else ours.candidates.pi_b
    rounds = Rounds(
        sample.reward,
        ones,
        ones,
        sample.reward,
        sample.reward,
        ours.user,
        ours.reward_range,
        1.0,
        None if seen is None else Candidates(seen, seen),
        ours.days,
    )
    return Judged(LOGGED, rounds, Circumstances(1.0, False, False, 0.0), [])


def _part(whole: Rounds, rows: Bools, sizes: Ints) -> Rounds:
    assert whole.user is not None  # Rounds fills it
    candidates, bound = None, whole.weight_bound
    if whole.candidates is not None:
        kept = np.repeat(rows, sizes)
        candidates = Candidates(whole.candidates.pi_e[kept], whole.candidates.pi_b[kept])
        bound = None if bound is None else _bound(candidates)
    return Rounds(
        whole.reward[rows],
        None if whole.pscore is None else whole.pscore[rows],
        whole.pi_e[rows],
        None if whole.q_hat is None else whole.q_hat[rows],
        None if whole.q_pi is None else whole.q_pi[rows],
        whole.user[rows],
        whole.reward_range,
        bound,
        candidates,
        None if whole.days is None else whole.days[rows],
        None if whole.spread is None else whole.spread[rows],
    )


def _bound(candidates: Candidates) -> float | None:
    """The largest weight any of them could have had; None: unbounded."""
    if (candidates.pi_e[candidates.pi_b == 0] > 0).any():
        return None
    return float(candidates.weight.max())


def _inside(log: Log, sample: Sample) -> Bools:
    """(N,) the candidates of the evaluated decisions."""
    return np.repeat(np.isin(np.arange(len(log)), sample.rows), np.diff(log.offsets))
