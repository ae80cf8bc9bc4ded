"""The verdict: which number to believe, and in words why not."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from policies.arrays import Floats
from replay.rounds import Rounds

Verdict = Literal["reliable", "caution", "unreliable"]

LEAST_ESS = 30.0
AMPLE_ESS = 200.0  # fewer, and intervals that lean on large numbers cover too little
NONE = "none"  # the interval of a row that values a learner: no weights, no interval
FEW_EVENTS = 10  # rewards that differ from the usual one
ASYMPTOTIC = ("cluster-t", "bootstrap", "martingale")
LEAST_SUPPORT = 0.99  # of the evaluation policy's mass; less and part of it was never tried
FEWEST_USERS = 3.0  # of equal size: an interval is then one person's
FEW_USERS = 20  # a t interval over fewer leans on people being alike
BIG_SHARE = 0.10  # of all weight on one decision: the estimate is that decision
CHANCE = 3.0  # standard errors of the mean weight, which must be 1
LEAST_FINDING = 0.02  # a mean weight this near to 1 harms nobody, however sure
SILENT_SHARE = 0.5
HALF_SEEN = 0.5  # of the weights' mean square that the pmfs imply
TAIL = 0.7  # Pareto shape from which on means of weights are not to be trusted
WHOLE = 0.9  # of the reward range: such an interval says nothing
UNSEEN_SHARE = 0.05  # of the policy's choices, on arms the model hardly saw


@dataclass(frozen=True)
class Circumstances:
    """What a verdict needs to know beside the rounds."""

    support: float | None  # None: the log cannot tell
    deterministic: bool  # the logger never had a choice where there was one
    trained_on_log: bool
    expired_share: float
    declared_behavior: str | None = None
    learned_share: float | None = None  # of the history, under --learn replay
    unseen_share: float = 0.0  # of the policy's choices, on arms that q_hat hardly saw
    shared_learner: str | None = None  # why rows may depend on each other through the logger
    audit: str | None = None  # why an audit failed or was impossible
    audit_failed: bool = False
    pooling: str | None = None  # what speaks against balanced weights that were asked for


def judge(
    estimator: str, rounds: Rounds, about: Circumstances, interval: str
) -> tuple[Verdict, list[str]]:
    """Verdict and reasons, the worst first, of an estimate that could be computed."""
    bad: list[str] = []
    wary: list[str] = []
    if about.trained_on_log:
        bad.append("trained on this log: its start has learned from the decisions it is judged on")
    if about.audit is not None:
        (bad if about.audit_failed else wary).append(about.audit)
    if about.deterministic and (about.support is None or about.support < LEAST_SUPPORT):
        bad.append(
            "deterministic logger: it never tried the other actions, so no data speaks of them"
        )
    elif about.support is not None and about.support < LEAST_SUPPORT:
        bad.append(
            f"support {about.support:.3f}: {1 - about.support:.1%} of the policy's choices "
            "could never be logged"
        )
    if estimator == "dm":
        wary.append("dm is as good as its reward model; it has no valid interval")
        if about.unseen_share > UNSEEN_SHARE:
            wary.append(
                f"q_hat extrapolates: {about.unseen_share:.0%} of the policy's choices are on arms "
                "with fewer than 5 logged rewards"
            )
    elif interval != NONE:
        _judge_weights(rounds, about, bad, wary)
        if interval in ASYMPTOTIC and LEAST_ESS <= rounds.ess < AMPLE_ESS:
            wary.append(
                f"`{interval}` wants ess {AMPLE_ESS:g} and has {rounds.ess:.0f}: the row `auto` "
                "is made for that"
            )
        if interval in ASYMPTOTIC and _events(rounds) < FEW_EVENTS:
            wary.append(
                f"{_events(rounds)} of {len(rounds)} rewards differ from the usual one: "
                f"`{interval}` wants {FEW_EVENTS}, or takes what was not seen for impossible"
            )
    if rounds.equal_users < FEW_USERS and interval != NONE:
        alike = f", as good as {rounds.equal_users:.1f} of equal size" * (rounds.users > 1)
        said = f"few users: {rounds.users}{alike}, intervals want at least {FEW_USERS}"
        (bad if rounds.equal_users < FEWEST_USERS else wary).append(said)
    if about.shared_learner is not None:
        wary.append(about.shared_learner)
    if about.pooling is not None:
        wary.append(about.pooling)
    if about.expired_share > SILENT_SHARE:
        wary.append(f"silence: {about.expired_share:.0%} of the tips were never answered")
    if about.declared_behavior is not None:
        wary.append(f"propensities were not logged but declared: {about.declared_behavior}")
    if about.learned_share is not None and about.learned_share < 1:
        wary.append(
            f"the learner saw {about.learned_share:.1%} of the history: this is the value of a "
            "policy with that much experience"
        )
    verdict: Verdict = "unreliable" if bad else "caution" if wary else "reliable"
    return verdict, bad + wary


def _events(rounds: Rounds) -> int:
    """How many rewards differ from the one that is most frequent."""
    return len(rounds) - int(np.unique(rounds.reward, return_counts=True)[1].max())


def _judge_weights(rounds: Rounds, about: Circumstances, bad: list[str], wary: list[str]) -> None:
    weight = rounds.weight
    if rounds.ess < LEAST_ESS:
        bad.append(f"ess {rounds.ess:.1f} is below {LEAST_ESS:g}")
    if about.support is None:
        wary.append("support unknown: the log has propensities but no pmf")
    _judge_tail(rounds, bad, wary)
    total = float(weight.sum())
    share = float(weight.max()) / total if total > 0 else 0.0
    if share > BIG_SHARE:
        wary.append(f"one decision carries {share:.0%} of the weight")
    away = float(weight.mean()) - 1.0
    if rounds.users > 1 and abs(away) > LEAST_FINDING:
        sums = rounds.by_user(weight - weight.mean())
        g = rounds.users
        error = float(np.sqrt(g / (g - 1) * float(sums @ sums))) / len(rounds)
        if rounds.candidates is not None:  # what the pmfs make of it, seen or not
            error = max(error, float(np.sqrt(max(_implied(rounds) - 1, 0.0) / len(rounds))))
        if abs(away) > CHANCE * error:
            sure = f"{abs(away) / error:.1f} standard errors" if error > 0 else "exactly"
            bad.append(
                f"mean weight {1 + away:.3f}, away from 1 by {sure}: the propensities are wrong "
                "or support is missing"
            )


def _judge_tail(rounds: Rounds, bad: list[str], wary: list[str]) -> None:
    """Heavy weights that have not come yet: where they are rare, the mean weight looks fine."""
    weight = rounds.weight
    if rounds.candidates is not None:
        implied = _implied(rounds)
        expected = len(rounds) / implied if implied > 0 else 0.0
        said = f"heavy tail: the pmfs imply ess {expected:.1f}, big weights never came"
        if expected < LEAST_ESS <= rounds.ess:
            bad.append(said)
        elif float((weight**2).mean()) < HALF_SEEN * implied:
            wary.append(said)
        return
    shape = tail_shape(weight)
    if shape > TAIL:
        wary.append(f"heavy tail: Pareto shape {shape:.2f} of the largest weights")


def _implied(rounds: Rounds) -> float:
    """The mean square of the weights over all that the logger could draw."""
    assert rounds.candidates is not None
    return float(rounds.candidates.pi_e @ rounds.candidates.weight) / len(rounds)


def tail_shape(weight: Floats) -> float:
    """Hill's estimate (1975) from the largest min(n/5, 3 sqrt(n)) weights; 0 if too few."""
    top = np.sort(weight[weight > 0])[::-1]
    m = int(min(len(top) / 5, 3 * np.sqrt(len(top))))
    return float(np.log(top[:m] / top[m]).mean()) if m >= 10 else 0.0


def says_nothing(low: float, high: float, rounds: Rounds) -> str | None:
    """Why an interval is no information, if it is as wide as what is known anyway."""
    least, most = rounds.reward_range
    if high - low < WHOLE * (most - least):
        return None
    return f"the interval is {min((high - low) / (most - least), 1):.0%} of the reward range"
