"""`follow_up`: what was promised of the champion, and what a log since its promotion shows."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from journal.log import Log
from policies.arrays import Floats
from policies.errors import BadInput
from policies.features import parse_instant
from policies.records import micros
from replay.estimators.estimate import mean_of
from replay.given import GivenLog, log_given
from replay.intervals.anytime import anytime
from replay.intervals.cluster import cluster_t
from replay.release.registry import CARD, GATE
from replay.release.registry_files import read_bytes
from replay.release.registry_rollouts import Rollout, check_sound, read_rollouts
from replay.release.registry_versions import ROOM, changed
from replay.result import QUESTION
from replay.rounds import NotComputable, Rounds
from replay.sample import Sample, sample_of

DEPLOYED = "value if deployed"
LEVEL = 0.95  # where nothing was promised
LEAST_USERS = 30.0  # of equal size, as everywhere here
PRECISE = 0.05  # half-width of what was seen, as a share of the reward range
FIRST = ("auto", "dr", "snips", "ips")  # the row of a card that is the promise, in this order
DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Promise:
    """The card's estimate for the champion: value on logged contexts."""

    estimator: str
    value: float
    low: float
    high: float
    level: float
    verdict: str  # reliable or caution


@dataclass(frozen=True)
class Observed:
    """The mean reward of the champion's own decisions since: value if deployed, on-policy."""

    decisions: int
    users: int
    equal_users: float  # Kish
    mean: float
    low: float | None  # cluster-t: valid for one look
    high: float | None
    anytime_low: float | None  # valid for every look at once; what the verdict rests on
    anytime_high: float | None
    days: int
    silent: float  # share of decisions whose reward is the default


@dataclass(frozen=True)
class FollowUp:
    """Promise and log side by side; `verdict` None: nothing was promised."""

    rollout: Rollout
    log: Mapping[str, Any]
    promise: Promise | None
    observed: Observed | None
    verdict: str | None  # kept, better, worse, too early
    reason: str
    notes: tuple[str, ...]
    course: tuple[Floats, Floats] | None  # days since the promotion, running mean; (m,) each

    def to_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        made = self.rollout
        return {
            "version": made.new,
            "policy": made.spec,
            "promoted_at": made.at,
            "log": dict(self.log),
            "promised": None
            if self.promise is None
            else {"question": QUESTION, **asdict(self.promise)},
            "observed": None
            if self.observed is None
            else {"question": DEPLOYED, **asdict(self.observed)},
            "verdict": self.verdict,
            "reason": self.reason,
            "notes": list(self.notes),
        }

    def report(self, directory: str | Path) -> Path:
        """Writes follow-up.json, summary.md and follow-up.png. Raises `BadInput`."""
        from replay.release.following_report import write_report

        return write_report(self, Path(directory))


def follow_up(
    log: GivenLog, registry: str | Path, since: str | None = None, as_of: str | None = None
) -> FollowUp:
    """Holds the log since the champion's promotion against what its card promised.

    `since`: an RFC 3339 time instead, for a log of another clock (a simulated one, say);
    `as_of`: as if the log had been read then, default its last record.
    Raises `BadInput` without a champion, and where its version was edited.
    """
    room = Path(registry)
    rollouts = read_rollouts(room)
    check_sound(rollouts)
    made = rollouts.current
    if made is None:
        raise BadInput(str(room), "has no champion: `replay promote` makes one")
    edited = changed(room, made.new)
    if edited:
        raise BadInput(edited[0].partition(":")[0], "must be as it was registered", edited[0])
    version = room / ROOM / made.new
    promise, notes = _promised(version, made.spec)
    notes += _notes(version, made)
    read = log_given(log)
    start = made.at if since is None else since
    at = micros(parse_instant(start, "--since"))
    seen = None if as_of is None else micros(parse_instant(as_of, "--as-of"))
    rows, sample, left = _own(read, made.spec, at, seen)
    asked = int((read.decided_at >= at).sum())
    about = {
        "path": read.path,
        "sha256": read.sha256,
        "since": start,
        "decisions_since": asked,
        "window_open": left,
    }
    others = asked - left - len(rows)
    if others:
        notes.append(f"{others} decisions since then were made by other policies: not counted")
    if sample is None or not len(rows):
        reason = f"no decision of this policy since {start} has a closed reward window"
        verdict = "too early" if promise is not None else None
        return FollowUp(made, about, promise, None, verdict, reason, tuple(notes), None)
    level = LEVEL if promise is None else promise.level
    rounds, observed, why = _observed(read, sample, rows, at, level)
    verdict, reason = judged(promise, observed, read.reward_range, why)
    order = np.argsort(np.asarray(rounds.days), kind="stable")
    running = np.cumsum(rounds.reward[order]) / np.arange(1, len(order) + 1)
    course = (np.asarray(rounds.days)[order], running)
    return FollowUp(made, about, promise, observed, verdict, reason, tuple(notes), course)


def judged(
    promise: Promise | None,
    observed: Observed,
    reward_range: tuple[float, float],
    why: str | None = None,
) -> tuple[str | None, str]:
    """The verdict and its reason.

    Worse or better: the two intervals do not meet. At level 0.95 each, and with the observed
    one holding at every look, either is said wrongly with probability 0.05 at most, however
    often one looks: half of 0.05 for each end (Bonferroni). Kept: they meet, and what was
    seen is known to PRECISE of the reward range. Else it is too early.
    """
    if promise is None:
        return None, "nothing was promised: the version has no card with an interval for it"
    low, high = observed.anytime_low, observed.anytime_high
    if observed.equal_users < LEAST_USERS:
        few = f"{observed.equal_users:.1f} of equal size"
        return "too early", f"people are the sample, and there are {few}, fewer than 30"
    if low is None or high is None:
        return "too early", why or "no interval can be computed yet"
    seen, said = f"[{low:.4f}, {high:.4f}]", f"[{promise.low:.4f}, {promise.high:.4f}]"
    if high < promise.low:
        return "worse", f"all of {seen} is below what was promised, {said}"
    if low > promise.high:
        return "better", f"all of {seen} is above what was promised, {said}"
    half, enough = (high - low) / 2, PRECISE * (reward_range[1] - reward_range[0])
    if half > enough:
        return (
            "too early",
            f"{seen} meets {said}, but is known to ±{half:.3f} only, not ±{enough:g}",
        )
    return "kept", f"{seen} meets what was promised, {said}, and is known to ±{half:.3f}"


def _own(log: Log, spec: str, since: int, as_of: int | None) -> tuple[Any, Sample | None, int]:
    """The sample's rows that the champion decided, and how many windows are open still."""
    asked = int((log.decided_at >= since).sum())
    if not asked:
        return np.zeros(0, np.int64), None, 0
    try:
        sample = sample_of(log, since, as_of)
    except BadInput:  # all of them are open: that is no error here
        return np.zeros(0, np.int64), None, asked
    if spec not in log.policy_names:
        return np.zeros(0, np.int64), sample, sample.censored
    own = log.policy[sample.rows] == log.policy_names.index(spec)
    return np.flatnonzero(own), sample, sample.censored


def _observed(
    log: Log, sample: Sample, own: Any, since: int, level: float
) -> tuple[Rounds, Observed, str | None]:
    rows, reward = sample.rows[own], sample.reward[own]
    rounds = Rounds(
        reward,
        None,  # its own decisions: nothing is weighed
        np.ones(len(own)),
        user=log.user[rows],
        reward_range=log.reward_range,
        days=(log.decided_at[rows] - since) / DAY,
    )
    mean, why = mean_of(reward), None
    spans: list[tuple[float | None, float | None]] = []
    for interval in (cluster_t, anytime):
        try:
            spans.append(interval(rounds, mean, level, 0))
        except NotComputable as error:
            why = str(error)
            spans.append((None, None))
    days = int(np.floor(np.asarray(rounds.days).max())) + 1
    silent = float(sample.silent[own].mean())
    told = Observed(
        len(own), rounds.users, rounds.equal_users, mean.value, *spans[0], *spans[1], days, silent
    )
    return rounds, told, why


def _promised(version: Path, spec: str) -> tuple[Promise | None, list[str]]:
    """The row of the card's metrics.json that may be believed, if there is one."""
    path = version / CARD / "metrics.json"
    if not path.exists():
        return None, ["the version was promoted without a card: `promote --card` keeps one"]
    try:
        entries = [p for p in json.loads(read_bytes(path))["policies"] if p["policy"] == spec]
        rows = {r["estimator"]: r for p in reversed(entries) for r in p["estimates"]}
        order = [*(n for n in FIRST if n in rows), *(n for n in rows if n not in FIRST)]
        for name in order:
            r = rows[name]
            if r["verdict"] == "unreliable" or r["low"] is None or r["high"] is None:
                continue
            value, low, high, level = (float(r[k]) for k in ("value", "low", "high", "level"))
            if low <= value <= high and 0 < level < 1:  # else it is no number either
                return Promise(name, value, low, high, level, str(r["verdict"])), []
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(str(path), "must be the metrics.json of an evaluation") from None
    return None, ["the card has no estimate of this policy that may be believed"]


def _notes(version: Path, made: Rollout) -> list[str]:
    """What to know beside the figures: the two questions, and what the gate promised."""
    out = [
        f"the promise is the {QUESTION}, the log since then shows the {DEPLOYED}: they are two "
        "questions and may differ with no error in either",
        "a difference can also be drift: `replay drift OLD NEW`, with the log of the card and "
        "this one, says what changed",
    ]
    if made.action == "rollback":
        out.append("it came back by a rollback: only what it decided since is counted")
    path = version / GATE
    if path.exists():
        for rule in json.loads(read_bytes(path)).get("rules", []):
            if rule.get("rule") == "margin" and isinstance(rule.get("figure"), int | float):
                out.append(
                    f"the gate promised a difference of {rule['figure']:+.4f} to the champion "
                    "before: an experiment shows it, a log of one policy does not"
                )
    return out
