"""Challengers in shadow: what each would have done at a served decision, with no part in it."""

from collections.abc import Sequence

from journal.live_calls import Shadowed
from journal.live_notes import note
from policies.errors import BadInput
from policies.moments import Moment, probabilities_at
from policies.policy import Policy
from policies.spec import canonical, make

MOST_SHADOWS = 8


def challengers(specs: Sequence[str], served: Sequence[Policy]) -> list[Policy]:
    """The policies of `--shadow`, in their order.

    Raises `BadInput` for a spec that is none, for more than `MOST_SHADOWS`, for the policy
    that serves and for one given twice.
    """
    if len(specs) > MOST_SHADOWS:
        raise BadInput("--shadow", f"may be given at most {MOST_SHADOWS} times", len(specs))
    out = [make(spec) for spec in specs]
    seen = {canonical(policy): "must not be the policy that serves" for policy in served}
    for name in map(canonical, out):
        if not name.isprintable():
            raise BadInput("--shadow", "must be printable text", name)
        if name in seen:
            raise BadInput("--shadow", seen[name], name)
        seen[name] = "each may be given once"
    return out


class Shadows:
    """Asks challengers about decisions that are made already; whatever they do stays with them."""

    def __init__(self, policies: Sequence[Policy] = ()) -> None:
        self._policies = [(canonical(policy), policy) for policy in policies]
        self._noted: set[tuple[str, str]] = set()

    def __bool__(self) -> bool:
        return bool(self._policies)

    def at(self, moments: Sequence[Moment]) -> list[tuple[Shadowed, ...]]:
        """What each would have done at each moment, which stays as it is."""
        asked = [self._ask(name, policy, moments) for name, policy in self._policies]
        return list(zip(*asked, strict=True))

    def _ask(self, name: str, policy: Policy, moments: Sequence[Moment]) -> list[Shadowed]:
        """All at once; one by one where that fails, so that only what fails is lost."""
        try:
            return [Shadowed(name, pmf) for pmf in probabilities_at(policy, moments)]
        except (Exception, SystemExit) as error:
            if len(moments) > 1:
                return [said for m in moments for said in self._ask(name, policy, [m])]
            failure = type(error).__name__
        if (name, failure) not in self._noted:  # the journal and /metrics count them all
            self._noted.add((name, failure))
            note("shadow_failed", policy=name, failure=failure)
        return [Shadowed(name, None, failure)]
