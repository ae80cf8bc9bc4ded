"""What an evaluation found, as an object, a DataFrame, the contract's JSON, or a folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from journal.log import Log
from policies.arrays import Bools
from replay.behavior.pooling import Pooling
from replay.comparing import Comparison
from replay.history.walk import Learn
from replay.judged import Difference, Judged, Setting
from replay.sample import Sample
from replay.silence import silence_bounds

QUESTION = "value on logged contexts"
"""What off-policy estimates answer; "value if deployed" needs an A/B test or a simulation."""


@dataclass(frozen=True)
class PolicyResult:
    """One policy's part of an evaluation."""

    judged: Judged
    learn: Learn
    accepted: Bools | None  # (m,) rows that rejection replay accepted
    replay_mean: float | None  # mean reward of them
    truth_log: float | None  # simulated logs only: the exact value on these contexts
    truth_deployed: float | None = None  # simulated worlds only: the value in closed loop

    @property
    def policy(self) -> str:
        """The canonical spec, the function's name or `pmf:FILE`."""
        return self.judged.name

    @property
    def matched(self) -> int | None:
        """How many decisions rejection replay accepted."""
        return None if self.accepted is None else int(self.accepted.sum())


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`."""

    log: Log
    sample: Sample
    results: Sequence[PolicyResult]
    differences: Sequence[Difference]
    learn: Learn
    notices: Sequence[str]
    setting: Setting
    pooling: Pooling | None = None  # where several behavior policies decided
    model: str = "ridge"  # q_hat's
    comparison: Comparison | None = None  # of two policies or more

    @property
    def computable(self) -> bool:
        """Whether anything that was asked for could be computed."""
        return any(r.value is not None for p in self.results for r in p.judged.rows)

    def to_dict(self) -> dict[str, Any]:
        """The contract's JSON object (docs/estimators.md)."""
        log, sample = self.log, self.sample
        return {
            "log": {
                "path": log.path,
                "sha256": log.sha256,
                "decisions": sample.decisions,
                "users": len(np.unique(log.user[sample.rows])),
                "answered": sample.answered,
                "expired": int(sample.silent.sum()),
                "censored": sample.censored,
                "behavior_policies": log.policy_names,
                "model": self.model,
                "pool": None if self.pooling is None else self.pooling.to_dict(),
                "mean_reward": float(sample.reward.mean()),
                "reward_range": list(log.reward_range),
                "silence_bounds": list(self.silence_bounds()),
            },
            "notices": list(self.notices),
            "policies": [
                {
                    "policy": p.policy,
                    "learn": p.learn,
                    "matched": p.matched,
                    "replay_mean": p.replay_mean,
                    "question": QUESTION,
                    "truth_log": p.truth_log,
                    "truth_deployed": p.truth_deployed,
                    "silence_bounds": _list(silence_bounds(p.judged, self.sample.silent)),
                    "estimates": [asdict(row) for row in p.judged.rows],
                }
                for p in self.results
            ],
            "differences": [asdict(row) for row in self.differences],
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
        }

    def silence_bounds(self) -> tuple[float, float]:
        """The mean logged reward had all the silent been the worst, and the best."""
        low, high = self.log.reward_range
        reward, silent = self.sample.reward, self.sample.silent
        return (
            float(np.where(silent, low, reward).mean()),
            float(np.where(silent, high, reward).mean()),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a policy and estimator, as in the JSON; reasons joined."""
        rows = []
        for p in self.results:
            for row in p.judged.rows:
                entry = {"policy": p.policy, "learn": p.learn, **asdict(row)}
                rows.append({**entry, "reasons": "; ".join(row.reasons)})
        return pd.DataFrame(rows)

    def report(self, directory: str | Path) -> Path:
        """Writes metrics.json, summary.md and the plots into `directory`; returns it."""
        from replay.reports.report import write_report

        return write_report(self, Path(directory))


def _list(bounds: tuple[float, float] | None) -> list[float] | None:
    return None if bounds is None else list(bounds)
