"""`validate`: the log doctor says what a log can answer, what it never can, and why."""

from dataclasses import dataclass, field

import numpy as np

from journal.log import Log
from replay.propensities import behavior_of, is_deterministic
from replay.sample import sample_of
from replay.verdict import FEW_USERS, LEAST_ESS


@dataclass(frozen=True)
class Diagnosis:
    """Plain sentences: what the log is, what it can answer, what it cannot."""

    facts: list[str] = field(default_factory=list)
    can: list[str] = field(default_factory=list)
    cannot: list[str] = field(default_factory=list)
    advice: str | None = None  # the one change to logging that would help most

    def to_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {"facts": self.facts, "can": self.can, "cannot": self.cannot, "advice": self.advice}


def validate(log: Log) -> Diagnosis:
    """Looks a valid log over; a log that breaks a rule was refused when it was read."""
    sample = sample_of(log)
    sizes = np.diff(log.offsets)
    users, decisions = len(log.user_names), len(log)
    found = Diagnosis()
    found.facts.append(
        f"{decisions} decisions of {users} users, {sizes.min()} to {sizes.max()} candidates each, "
        f"{len(log.arm_names)} arms, {log.context.shape[1]} features ({log.features})"
    )
    found.facts.append(
        f"{sample.answered} answered, {int(sample.silent.sum())} silent, "
        f"{sample.censored} with an open reward window; behavior policies: "
        + ", ".join(log.policy_names)
    )
    found.facts.extend(log.notes)
    logger = behavior_of(log)
    rows = np.zeros(decisions, np.bool_)
    rows[sample.rows] = True
    if np.isnan(logger.pscore).all():
        found.cannot.append(
            "no propensities: ips, snips and dr are impossible; dm is a guess of its model"
        )
        return _advised(found, "log pscore with each decision, by the code that draws the action")
    if np.isnan(logger.pscore).any():
        found.cannot.append(
            f"{int(np.isnan(logger.pscore).sum())} decisions lack a propensity: declare the logger "
            "with --behavior or leave them out"
        )
        return _advised(found, "log pscore with every decision")
    if is_deterministic(log, logger.pscore, rows):
        found.cannot.append(
            "other policies: the logger is deterministic, its log speaks of its own actions alone"
        )
        return _advised(found, "mix in an exploration floor (epsilon > 0) and log the propensity")
    if logger.pmf is None:
        found.facts.append("no pmf: support cannot be known, only guessed from the propensities")
    _weights(log, logger.pscore, rows, found)
    if users == decisions:
        found.cannot.append("how users differ: each row is its own user and counts as independent")
    elif users < FEW_USERS:
        found.cannot.append(
            f"intervals to be believed: {users} users, at least {FEW_USERS} are wanted"
        )
    if (log.state_seq < 0).any() or log.pmf is None or any(d is None for d in log.digest):
        found.cannot.append(
            "an audit bit for bit: it needs pmf, state_seq and digest of every decision"
        )
    else:
        found.can.append("audit: every decision can be rebuilt from its journal")
    advice = None
    if logger.pmf is None:
        advice = "log the pmf over all candidates, not the action's propensity alone"
    elif any("uniform" in s for s in found.cannot):
        advice = "raise the exploration floor: rare actions carry all the weight"
    return _advised(found, advice)


def _weights(log: Log, pscore: np.ndarray, rows: np.ndarray, found: Diagnosis) -> None:
    """What a uniform policy, the farthest most loggers are from, would leave of the sample."""
    weight = (1 / np.diff(log.offsets) / pscore)[rows]
    ess = float(weight.sum() ** 2 / (weight @ weight))
    said = f"policies as far from the logger as the uniform one: ess {ess:.0f} of {int(rows.sum())}"
    (found.can if ess >= LEAST_ESS else found.cannot).append(said)


def _advised(found: Diagnosis, advice: str | None) -> Diagnosis:
    return Diagnosis(found.facts, found.can, found.cannot, advice)
