"""Rules of the parameters that policies share: raise `BadInput` naming policy and parameter."""

import math

from policies.errors import BadInput

LEAST_EPSILON = 1e-9  # below it, weights of what was explored are of no use
LEAST_LAMBDA = 1e-6  # below it a Cholesky factor of few observations loses its digits


def check_epsilon(policy: str, epsilon: float) -> None:
    """The share of decisions drawn uniformly."""
    if epsilon != 0 and not LEAST_EPSILON <= epsilon <= 1:
        rule = f"must be 0 or in [{LEAST_EPSILON:g}, 1]"
        raise BadInput(f"{policy}: epsilon", rule, epsilon)


def check_scale(policy: str, name: str, value: float) -> None:
    """What widens a bound or a posterior."""
    if not (math.isfinite(value) and value >= 0):
        raise BadInput(f"{policy}: {name}", "must be finite and not negative", value)


def check_lambda(policy: str, lambda_: float) -> None:
    """The ridge penalty."""
    if not (math.isfinite(lambda_) and lambda_ >= LEAST_LAMBDA):
        raise BadInput(f"{policy}: lambda", f"must be at least {LEAST_LAMBDA:g}", lambda_)


def check_arm(policy: str, arm: str) -> None:
    """Whose sums score a candidate."""
    if arm not in ("own", "shared"):
        raise BadInput(f"{policy}: arm", "must be own or shared", arm)


def check_whole(
    policy: str, name: str, value: object, low: int | None = None, high: int = 0
) -> None:
    """A seed, or a count in low..high."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{policy}: {name}", "must be a whole number", value)
    if low is not None and not low <= value <= high:
        raise BadInput(f"{policy}: {name}", f"must be {low} to {high}", value)
