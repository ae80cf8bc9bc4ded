"""Which reward model was asked for: `ridge`, `boosting`, `none`, `module:factory`, an object."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from policies.errors import BadInput

RIDGE = "ridge"
NONE = "none"
BOOSTING = "boosting"
MODELS = (RIDGE, BOOSTING, NONE)


@dataclass(frozen=True)
class RewardModel:
    """A name to report, and how to make a fresh model; None: ridge, which is fitted at once."""

    name: str
    fresh: Callable[[], Any] | None


def model_of_name(model: Any) -> RewardModel:
    """A name, `module:factory`, a class or function that makes a model, or a model to copy.

    A model has `fit(X (n, p), y (n,))` and `predict(X (n, p)) -> (n,)`, as scikit-learn's.
    Raises `BadInput` for anything else.
    """
    if isinstance(model, str):
        if model == BOOSTING:
            from replay.models.boosting import Boosting

            return RewardModel(model, Boosting)
        if model in MODELS:
            return RewardModel(model, None)
        return _checked(model, _imported(model))
    name = getattr(model, "__name__", type(model).__name__)
    return _checked(name, model)


def _imported(spec: str) -> Any:
    module, colon, attribute = spec.partition(":")
    if not colon:
        raise BadInput("--model", f"must be one of {', '.join(MODELS)} or module:factory", spec)
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise BadInput(f"model {spec!r}", f"cannot be imported: {error}") from None


def _checked(name: str, model: Any) -> RewardModel:
    makes = isinstance(model, type) or (callable(model) and not hasattr(model, "fit"))
    fresh: Callable[[], Any] = model if makes else lambda: copy.deepcopy(model)
    try:
        one = fresh()
    except Exception as error:  # somebody else's code
        raise BadInput(f"model {name!r}", f"cannot be made: {type(error).__name__}: {error}") from (
            error
        )
    missing = [m for m in ("fit", "predict") if not callable(getattr(one, m, None))]
    if missing:
        rule = f"must have fit and predict (docs/extending.md), lacks {', '.join(missing)}"
        raise BadInput(f"model {name!r}", rule, type(one).__name__)
    return RewardModel(name, fresh)
