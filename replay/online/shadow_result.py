"""What was found of policies in shadow: as objects, and as the JSON of `replay shadow`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from journal.log import Log
from replay.judged import Difference, Row, Setting
from replay.result import QUESTION
from replay.sample import Sample


@dataclass(frozen=True)
class Look:
    """The difference to what was served, of the decisions up to the end of a day."""

    day: int  # the first 24 hours of the shadow are day 1
    decisions: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ShadowValue:
    """One shadow, over the decisions at which it was asked."""

    policy: str
    decisions: int
    users: int
    failed: int  # of the decisions: each counts as the lowest reward
    agreement: float | None  # no value: a policy that agrees may be worse, and the other way
    served: float  # mean logged reward of these decisions
    truth_log: float | None  # simulated logs only: the exact value on these contexts
    estimates: Sequence[Row]
    differences: Sequence[Difference]  # to what was served
    estimator: str | None  # of the looks
    looks: Sequence[Look]

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "policy": self.policy,
            "question": QUESTION,
            "decisions": self.decisions,
            "users": self.users,
            "failed": self.failed,
            "failed_share": self.failed / self.decisions,
            "agreement, not value": self.agreement,
            "served_mean_reward": self.served,
            "truth_log": self.truth_log,
            "estimates": [asdict(row) for row in self.estimates],
            "differences": [asdict(row) for row in self.differences],
            "looks": {"estimator": self.estimator, "days": [asdict(look) for look in self.looks]},
        }


@dataclass(frozen=True)
class ShadowReport:
    """The result of `shadow`."""

    log: Log
    sample: Sample
    shadows: Sequence[ShadowValue]
    setting: Setting
    notices: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """The object of docs/shadow.md."""
        return {
            "log": {
                "path": self.log.path,
                "sha256": self.log.sha256,
                "decisions": self.sample.decisions,
                "evaluated": len(self.sample.rows),
                "censored": self.sample.censored,
                "behavior_policies": self.log.policy_names,
                "reward_range": list(self.log.reward_range),
            },
            "notices": list(self.notices),
            "interval": self.setting.interval,
            "level": self.setting.level,
            "shadows": [value.to_dict() for value in self.shadows],
        }

    def report(self, directory: str | Path) -> Path:
        """Writes shadow.json, summary.md and shadow.png into `directory`; returns it."""
        from replay.online.shadow_report import write_report

        return write_report(self, Path(directory))
