"""Off-policy estimators: each one short function from `Rounds` to an `Estimate`."""

from functools import partial

from policies.errors import BadInput
from replay.estimators.adaptive import adaptive
from replay.estimators.calibrated import calibrated
from replay.estimators.cressie_read import cressie_read
from replay.estimators.doubly_robust import dm, dr, dros, sndr, switch_dr
from replay.estimators.estimate import Estimate, Estimator
from replay.estimators.weighting import clipped_ips, ips, snips
from replay.rounds import Candidates, Rounds

__all__ = ["ESTIMATORS", "Candidates", "Estimate", "Estimator", "Rounds", "estimator_of"]

ESTIMATORS: dict[str, Estimator] = {
    "auto": calibrated,
    "ips": ips,
    "clipped-ips": clipped_ips,
    "snips": snips,
    "dm": dm,
    "dr": dr,
    "sndr": sndr,
    "switch-dr": switch_dr,
    "dros": dros,
    "cressie-read": cressie_read,
    "adaptive": adaptive,
}

PARAMETERS = {"clipped-ips": "tau", "switch-dr": "tau", "dros": "lambda"}


def estimator_of(spec: str) -> Estimator:
    """`ips`, or with a parameter that is else found in the data: `switch-dr:tau=1.5`."""
    name, _, parameter = spec.partition(":")
    if name not in ESTIMATORS:
        raise BadInput("--estimators", f"must be of {', '.join(ESTIMATORS)}", name)
    if not parameter:
        return ESTIMATORS[name]
    key, _, text = parameter.partition("=")
    if key != PARAMETERS.get(name):
        rule = f"takes only {PARAMETERS[name]}" if name in PARAMETERS else "takes no parameter"
        raise BadInput(f"estimator {name}", rule, key)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise BadInput(f"estimator {name}", f"{key} must be a positive number", text)
    return partial(ESTIMATORS[name], **{"lambda_" if key == "lambda" else key: value})
