"""`Findings`: everything that a card was made from, computed or read before a word is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from journal.log import Log
from replay.job import LOGGED
from replay.judged import AUTO, Difference, Row
from replay.online.scorer import Online
from replay.result import Evaluation, PolicyResult
from replay.shift.drift import Drift
from replay.slicing import Slices


@dataclass(frozen=True)
class Findings:
    """One policy on one log, and what is known beside it."""

    evaluation: Evaluation  # of the policy, `random` and the champion; differences of the first
    policy: str  # canonical
    champion: str | None  # canonical
    slices: Slices
    state: str | None
    states: int  # users with a starting state
    behavior: str | None  # declared, where propensities were not logged
    drift: Drift | None
    gate: Mapping[str, Any] | None
    experiment: Mapping[str, Any] | None
    registry: str | None
    rollouts: Sequence[Mapping[str, Any]]
    online: Online | None

    @property
    def log(self) -> Log:
        """The log."""
        return self.evaluation.log

    @property
    def result(self) -> PolicyResult:
        """The policy's part of the evaluation."""
        return next(r for r in self.evaluation.results if r.policy == self.policy)

    @property
    def row(self) -> Row:
        """The row `auto` of the policy."""
        return next(row for row in self.result.judged.rows if row.estimator == AUTO)

    @property
    def base(self) -> str:
        """What the headline compares with: the champion, else what was logged."""
        return LOGGED if self.champion is None else self.champion

    def difference(self, against: str) -> Difference | None:
        """The paired difference of the row `auto`; None: it was not asked for."""
        wanted = (self.policy, against, AUTO)
        return next(
            (
                d
                for d in self.evaluation.differences
                if (d.policy, d.against, d.estimator) == wanted
            ),
            None,
        )

    @property
    def has_users(self) -> bool:
        """Whether some user has two decisions."""
        return len(self.log.user_names) < len(self.log)

    @property
    def simulated(self) -> bool:
        """Whether the log is of a simulated world."""
        return self.log.world is not None or self.log.expected_reward is not None
