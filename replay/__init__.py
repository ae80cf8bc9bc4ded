"""Off-policy evaluation of a log: estimates, intervals, verdicts; and the audit of a served one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.cards.making import card as card
    from replay.doctor import validate as validate
    from replay.evaluation import evaluate as evaluate
    from replay.history.auditing import audit as audit
    from replay.history.training import train as train
    from replay.like.study import study as study
    from replay.online.experiment import experiment as experiment
    from replay.online.shadow_values import shadow as shadow
    from replay.planning.planner import plan as plan
    from replay.release.following import follow_up as follow_up
    from replay.release.gating import gate as gate
    from replay.shift.drift import drift as drift
    from replay.slicing.slices import slices as slices

_HOMES = {
    "audit": "replay.history.auditing",
    "card": "replay.cards.making",
    "drift": "replay.shift.drift",
    "evaluate": "replay.evaluation",
    "experiment": "replay.online.experiment",
    "shadow": "replay.online.shadow_values",
    "follow_up": "replay.release.following",
    "gate": "replay.release.gating",
    "slices": "replay.slicing.slices",
    "plan": "replay.planning.planner",
    "study": "replay.like.study",
    "train": "replay.history.training",
    "validate": "replay.doctor",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Names load their module on first use, so a help text costs no pandas import.

    No module bears the name of a function: loading it would put it in the function's place.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'replay' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
