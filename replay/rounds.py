"""`Rounds`: what every estimator reads, validated once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from policies.arrays import Floats, Ints
from policies.errors import BadInput


class NotComputable(Exception):
    """An estimate that these rounds cannot give, and why."""


@dataclass(frozen=True)
class Candidates:
    """All candidates of the rounds, whatever the order: what the logger could have drawn.

    Candidates that neither policy takes may be left out; one that only the evaluation
    policy takes has no weight and is left to `support`.
    """

    pi_e: Floats  # (N,) the evaluation policy's probabilities
    pi_b: Floats  # (N,) the behavior policy's

    @cached_property
    def weight(self) -> Floats:
        """pi_e / pi_b `(N,)`, 0 where the logger could not draw."""
        known = self.pi_b > 0
        return np.divide(self.pi_e, self.pi_b, out=np.zeros(len(self.pi_e)), where=known)


@dataclass(frozen=True)
class Rounds:
    """n decisions seen by one evaluation policy; each array is `(n,)`.

    `pscore` None: the propensities are unknown. `q_hat`, `q_pi` None: no reward model.
    `user` None: each round is its own user. Raises `BadInput` for a value that none of
    the estimators could mean.
    """

    reward: Floats  # within reward_range
    pscore: Floats | None  # in (0, 1]: the behavior policy's probability of the action
    pi_e: Floats  # the evaluation policy's probability of the same action
    q_hat: Floats | None = None  # the reward model at the action
    q_pi: Floats | None = None  # its mean under the evaluation policy
    user: Ints | None = None  # codes
    reward_range: tuple[float, float] = (-1.0, 1.0)
    weight_bound: float | None = None  # the largest weight any action could have had
    candidates: Candidates | None = None  # None: the pmfs are unknown
    days: Floats | None = None  # since the first decision of all, >= 0; None: no time is known
    spread: Floats | None = None  # sum of pi_e^2 / pi_b over its candidates; None: unknown

    def __post_init__(self) -> None:
        for name in ("reward", "pscore", "pi_e", "q_hat", "q_pi", "days", "spread"):
            given = getattr(self, name)
            if given is None:
                continue
            values = np.asarray(given, dtype=np.float64)
            object.__setattr__(self, name, values)
            if values.shape != (len(self.reward),):
                raise BadInput(
                    f"rounds: {name}", f"shape must be ({len(self.reward)},)", values.shape
                )
            if not np.isfinite(values).all():
                raise BadInput(
                    f"rounds: {name}", "must be finite", values[~np.isfinite(values)][0].item()
                )
        if len(self.reward) == 0:
            raise BadInput("rounds", "needs at least one decision", 0)
        low, high = self.reward_range
        outside = (self.reward < low) | (self.reward > high)
        if outside.any():
            rule = f"must be in [{low:g}, {high:g}]"
            raise BadInput("rounds: reward", rule, self.reward[outside][0].item())
        if self.pscore is not None and not ((self.pscore > 0) & (self.pscore <= 1)).all():
            bad = ~((self.pscore > 0) & (self.pscore <= 1))
            raise BadInput("rounds: pscore", "must be in (0, 1]", self.pscore[bad][0].item())
        for name in ("pi_e", "days", "spread"):
            values = getattr(self, name)
            if values is not None and (values < 0).any():
                raise BadInput(f"rounds: {name}", "must not be negative", values.min().item())
        users = np.arange(len(self.reward)) if self.user is None else np.asarray(self.user)
        if users.shape != (len(self.reward),):
            raise BadInput("rounds: user", f"shape must be ({len(self.reward)},)", users.shape)
        object.__setattr__(self, "user", np.unique(users, return_inverse=True)[1])

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def users(self) -> int:
        """g, the number of users."""
        assert self.user is not None  # __post_init__ fills it
        return int(self.user.max()) + 1

    @cached_property
    def sizes(self) -> Floats:
        """n_u, the decisions of each user `(g,)`."""
        return self.by_user(np.ones(len(self)))

    @property
    def equal_users(self) -> float:
        """n^2 / sum n_u^2: how many users of equal size would say as much (Kish, 1965)."""
        return float(self.sizes.sum() ** 2 / (self.sizes @ self.sizes))

    @cached_property
    def weight(self) -> Floats:
        """w = pi_e / pscore, `(n,)`. Raises `NotComputable` without propensities."""
        if self.pscore is None:
            raise NotComputable("the log has no propensities, or lacks some")
        return self.pi_e / self.pscore

    @property
    def model(self) -> tuple[Floats, Floats]:
        """(q_hat, q_pi). Raises `NotComputable` without a reward model."""
        if self.q_hat is None or self.q_pi is None:
            raise NotComputable("no reward model could be fitted")
        return self.q_hat, self.q_pi

    def by_user(self, values: Floats) -> Floats:
        """Sums of `values (n,)` within users, `(g,)`."""
        assert self.user is not None  # __post_init__ fills it
        return np.bincount(self.user, weights=values, minlength=self.users).astype(np.float64)

    @property
    def ess(self) -> float:
        """Effective sample size (sum w)^2 / sum w^2 (Kong, 1992); 0 when every weight is 0."""
        square = float(self.weight @ self.weight)
        return float(self.weight.sum()) ** 2 / square if square > 0 else 0.0
