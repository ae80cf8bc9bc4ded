"""The experiment's answer: which variant earns more, once its own choices shape what comes next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from journal.log import Log
from policies.arrays import Floats, Ints
from policies.errors import BadInput
from replay.given import GivenLog, log_given
from replay.intervals.anytime import FIRST_LOOK
from replay.online.assigned import Assigned, assigned
from replay.online.ratio import ALARM, Ratio, ratio_of
from replay.online.sides import Bands, Side, bands, side_of
from replay.sample import Sample, sample_of

QUESTION = "value if deployed"
ASSUMES = (
    "no spill-over: what a user is shown does not change what another user does",
    "these users: who asks later, or elsewhere, may differ",
    "this horizon: what wears off, or is learned, after the last day is not seen",
)
LEAST_USERS = 30  # of equal size on a side, for Student's t to be near
DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Arm:
    """What became of a variant's users."""

    variant: str
    policies: tuple[str, ...]  # that decided for them
    probability: float
    users: int
    decisions: int
    answered: float | None  # share of the decisions, by a person
    mean_reward: float | None


@dataclass(frozen=True)
class Difference:
    """A variant minus the control, in reward per decision; None: not computable."""

    variant: str
    against: str
    value: float | None
    standard_error: float | None
    cluster_t: tuple[float, float] | None
    anytime: tuple[float, float] | None
    verdict: str  # reliable | caution | unreliable
    reasons: tuple[str, ...]
    bands: Bands  # by day


@dataclass(frozen=True)
class Experimented:
    """The result of `experiment`."""

    sample: Assigned
    control: str
    level: float
    days: int  # from the first decision to the last evaluated one
    censored: int  # decisions left out, their reward window is open
    ratio: Ratio
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def broken(self) -> bool:
        """Whether the split of the users cannot be believed."""
        return self.ratio.broken

    def to_dict(self) -> dict[str, Any]:
        """For `--json` and experiment.json."""
        log = self.sample.log
        return {
            "question": QUESTION,
            "experiment": self.sample.name,
            "log": {"path": log.path, "sha256": log.sha256, "decisions": len(log)},
            "control": self.control,
            "level": self.level,
            "days": self.days,
            "censored": self.censored,
            "sample_ratio": {**asdict(self.ratio), "broken": self.broken, "alarm": ALARM},
            "variants": [asdict(arm) for arm in self.arms],
            "differences": [_told(d) for d in self.differences],
            "under_two_variants": self.sample.crossed,
            "assumes": list(ASSUMES),
            "notes": list(self.notes),
        }

    def report(self, directory: str | Path) -> Path:
        """Writes experiment.json, summary.md and the plot of the differences by day."""
        from replay.online.experiment_report import write_report

        return write_report(self, Path(directory))


def _told(d: Difference) -> dict[str, Any]:
    by_day = {k: [_number(x) for x in v] for k, v in asdict(d.bands).items()}
    return {
        "variant": d.variant,
        "against": d.against,
        "value": d.value,
        "standard_error": d.standard_error,
        "cluster_t": d.cluster_t and list(d.cluster_t),
        "anytime": d.anytime and list(d.anytime),
        "verdict": d.verdict,
        "reasons": list(d.reasons),
        "by_day": {
            "value": by_day["value"],
            "cluster_t_half": by_day["cluster_t"],
            "anytime_half": by_day["anytime"],
        },
    }


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def experiment(
    log: GivenLog,
    name: str | None = None,
    *,
    against: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
) -> Experimented:
    """Each variant of the experiment `name` against the control: the first one, or `against`.

    The mean reward of a variant is a ratio of sums over its users; users, not decisions, are
    the sample. Decisions with an open reward window are left out, silence after it counts as
    the default reward. `seed` draws the multinomial test of small variants alone. Raises
    `BadInput` for a log without it, an unknown variant or a level outside (0.5, 1).
    """
    if not 0.5 < level < 1:
        raise BadInput("--level", "must be in (0.5, 1)", level)
    given = log_given(log, columns, reward_range, None)
    found = assigned(given, name)
    if against is not None and against not in found.variants:
        raise BadInput("--against", f"must be one of {', '.join(found.variants)}", against)
    control = found.variants[0] if against is None else against
    everything = sample_of(given)
    kept = found.rows[everything.rows] & (found.user_variant[given.user[everything.rows]] >= 0)
    rows = everything.rows[kept]
    if not len(rows):
        raise BadInput(given.path, "no decision of the experiment is left to evaluate", 0)
    start = int(given.decided_at[found.rows].min())
    day = (given.decided_at[rows] - start) // DAY
    days = int(day.max()) + 1
    which = found.user_variant[given.user[rows]]
    sides = [
        side_of(given.user[rows[m]], day[m], everything.reward[kept][m], days)
        for m in (which == i for i in range(len(found.variants)))
    ]
    ratio = ratio_of({v: found.users.get(v, 0) for v in found.shares}, found.shares, seed)
    arms = tuple(
        _arm(given, found, everything, rows, kept, which, i) for i in range(len(found.variants))
    )
    base = found.variants.index(control)
    differences = tuple(
        _difference(found, ratio, sides[i], sides[base], v, control, level)
        for i, v in enumerate(found.variants)
        if i != base
    )
    return Experimented(
        found,
        control,
        level,
        days,
        int(found.rows.sum()) - len(rows) - _crossed(found),
        ratio,
        arms,
        differences,
        (*found.notes, *_notes(found, differences, level)),
    )


def _crossed(found: Assigned) -> int:
    """Decisions of users seen under two variants."""
    return int((found.rows & (found.user_variant[found.log.user] < 0)).sum())


def _notes(found: Assigned, differences: tuple[Difference, ...], level: float) -> list[str]:
    out = []
    if len(differences) > 1:
        out.append(f"{len(differences)} differences, each at {level:g}: together they err more")
    if found.crossed:
        shown = ", ".join(found.crossed[:5]) + (", …" if len(found.crossed) > 5 else "")
        out.append(
            f"{len(found.crossed)} users were seen under two variants and are left out: {shown}"
        )
    return out


def _arm(
    log: Log, found: Assigned, sample: Sample, rows: Ints, kept: Any, which: Ints, i: int
) -> Arm:
    mine = which == i
    reward, silent = sample.reward[kept][mine], sample.silent[kept][mine]
    variant = found.variants[i]
    policies = sorted({log.policy_names[p] for p in np.unique(log.policy[rows[mine]])})
    return Arm(
        variant,
        tuple(policies),
        found.shares[variant],
        found.users[variant],
        int(mine.sum()),
        float((~silent).mean()) if len(reward) else None,
        float(reward.mean()) if len(reward) else None,
    )


def _difference(
    found: Assigned,
    ratio: Ratio,
    ours: Side,
    theirs: Side,
    variant: str,
    control: str,
    level: float,
) -> Difference:
    by_day = bands(ours, theirs, level)
    value, error = (_number(x[-1]) for x in (by_day.value, by_day.error))
    cluster, anytime = (_span(by_day.value, half) for half in (by_day.cluster_t, by_day.anytime))
    refused, doubts = [], list(found.reasons)
    if ratio.broken:
        refused.append(
            f"sample ratio mismatch: the users do not fit the probabilities ({ratio.test} "
            f"p = {ratio.p:.2g}), so the variants' users are not comparable"
        )
    if error is None:
        refused.append("fewer than two users on a side: nothing tells how people differ")
    else:
        fewest = float(min(ours.equal_users[-1], theirs.equal_users[-1]))
        if fewest < LEAST_USERS:
            doubts.append(f"as few as {fewest:.0f} users of equal size on a side")
        if error == 0:
            refused.append("all users of both sides earned the same: no noise to judge by")
    if anytime is None:
        if error is not None:
            day = len(by_day.value)
            doubts.append(f"anytime: the first look is on day {FIRST_LOOK}, this is day {day}")
    else:
        doubts += _crowding(ours, theirs)
    if found.crossed:
        doubts.append(f"{len(found.crossed)} users were seen under two variants")
    verdict = "unreliable" if refused else "caution" if doubts else "reliable"
    reasons = tuple(refused + doubts)
    return Difference(variant, control, value, error, cluster, anytime, verdict, reasons, by_day)


def _span(value: Floats, half: Floats) -> tuple[float, float] | None:
    if not np.isfinite(value[-1] + half[-1]):
        return None
    return float(value[-1] - half[-1]), float(value[-1] + half[-1])


def _crowding(ours: Side, theirs: Side) -> list[str]:
    """What the anytime interval assumes of who comes when, looked at."""
    each = (ours.decisions + theirs.decisions) / np.maximum(ours.users + theirs.users, 1.0)
    first, last = float(each[FIRST_LOOK - 1]), float(each[-1])
    if last >= 0.9 * first:
        return []
    return [
        f"decisions per user fell from {first:.1f} on day {FIRST_LOOK} to {last:.1f}: with so many "
        "new users the anytime interval may hold at fewer looks than it says"
    ]
