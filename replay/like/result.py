"""What `study --like` found: as an object, a DataFrame, JSON, or a folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from journal.log import Log
from policies.arrays import Floats
from replay.like.trust import Pair, avoided, least_coverage, sentence, trusted
from replay.like.world import World
from replay.result import QUESTION as ON_LOGGED
from sim.deployment import QUESTION as IF_DEPLOYED
from sim.deployment import standard_error


@dataclass(frozen=True)
class Value:
    """A truth of the world, its Monte-Carlo standard error, and its influence by replicate."""

    value: float
    standard_error: float | None
    influence: Floats  # (R,)


def value_of(counts: Floats) -> Value:
    """The mean per decision from (decisions, sum of values) of each replicate, `(2, R)`."""
    count, total = counts
    value = float(total.sum() / count.sum())
    influence = (total - value * count) / count.mean()
    return Value(value, standard_error(influence), influence)


@dataclass(frozen=True)
class Found:
    """One policy's part."""

    policy: str
    lived_logged: Floats  # (2, R) decisions and sums of sum pmf q, on logged contexts
    lived_deployed: Floats  # (2, R) the same lives in closed loop
    pairs: Sequence[Pair]

    @property
    def logged(self) -> Value:
        """Value on logged contexts."""
        return value_of(self.lived_logged)

    @property
    def deployed(self) -> Value:
        """Value if deployed."""
        return value_of(self.lived_deployed)

    @property
    def gap(self) -> tuple[float, float | None]:
        """(deployed - on logged contexts, its standard error: the same lives, paired)."""
        ours, theirs = self.deployed, self.logged
        return ours.value - theirs.value, standard_error(ours.influence - theirs.influence)


@dataclass(frozen=True)
class LikeStudy:
    """The result of `study`."""

    log: Log
    decisions: int  # that were evaluated, the world's moments
    world: World
    policies: Sequence[Found]
    assumptions: Sequence[str]
    learn: str
    replicates: int
    seed: int
    level: float

    @property
    def bar(self) -> float:
        """The coverage that a pair must have."""
        return least_coverage(self.level, self.replicates)

    @property
    def best(self) -> Pair | None:
        """The pair to trust."""
        return trusted([p.pairs for p in self.policies], self.bar)

    @property
    def avoid(self) -> list[tuple[str, float | None]]:
        """The pairs to avoid, with their least coverage."""
        return avoided([p.pairs for p in self.policies], self.bar)

    @property
    def advice(self) -> str:
        """One sentence: what to trust and what to avoid."""
        return sentence(self.best, self.avoid, self.bar)

    def to_dict(self) -> dict[str, Any]:
        """For `--json` and study.json."""
        best = self.best
        return {
            "like": {
                "path": self.log.path,
                "sha256": self.log.sha256,
                "decisions": self.decisions,
                "users": self.world.users,
            },
            "replicates": self.replicates,
            "seed": self.seed,
            "level": self.level,
            "learn": self.learn,
            "assumptions": list(self.assumptions),
            "advice": self.advice,
            "least_coverage": self.bar,
            "trust": None
            if best is None
            else {"estimator": best.estimator, "interval": best.interval},
            "avoid": [{"pair": name, "coverage": c} for name, c in self.avoid],
            "policies": [self._policy(p) for p in self.policies],
        }

    def _policy(self, p: Found) -> dict[str, Any]:
        gap, error = p.gap
        return {
            "policy": p.policy,
            "logged_contexts": _value(ON_LOGGED, p.logged),
            "deployed": _value(IF_DEPLOYED, p.deployed),
            "gap": {"value": gap, "standard_error": error},
            "pairs": [asdict(pair) for pair in p.pairs],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a policy and pair."""
        rows = [{"policy": p.policy, **asdict(pair)} for p in self.policies for pair in p.pairs]
        return pd.DataFrame(rows)

    def report(self, directory: str | Path) -> Path:
        """Writes study.json, summary.md and study.png into `directory`; returns it."""
        from replay.like.report import write_report

        return write_report(self, Path(directory))


def _value(question: str, found: Value) -> dict[str, Any]:
    return {
        "question": question,
        "truth": found.value,
        "standard_error": found.standard_error,
    }
