"""Policies by name: `make("linucb:alpha=0.5")`, and the canonical spec that is logged.

A policy is a frozen dataclass; its fields are the parameters of its spec, in order.
A new one needs one entry in `POLICIES`, or none at all as `module:Class:k=v`.
"""

import re
import sys
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from typing import Any

from policies.errors import BadInput
from policies.policy import Policy

POLICIES = {
    "random": "policies.random:Random",
    "linucb": "policies.linucb:LinUCB",
    "epsilon-greedy": "policies.epsilon_greedy:EpsilonGreedy",
    "lin-ts": "policies.lin_ts:LinTS",
    "beta-ts": "policies.beta_ts:BetaTS",
}


def make(spec: str) -> Policy:
    """The policy of a spec such as `random`, `linucb:alpha=0.5` or `module:Class:k=v`.

    Raises `BadInput` naming an unknown policy or parameter, or a value out of its range.
    """
    name, text = _split(spec)
    cls = _load(name, spec)
    known = {_parameter(f): f for f in fields(cls)}
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in known:
            raise BadInput(
                f"policy {name!r}", f"parameters are {', '.join(known)} as key=value", part
            )
        if known[key].name in values:
            raise BadInput(f"policy {name!r}", "each parameter may be given once", key)
        values[known[key].name] = _parse(known[key], value, name)
    for key, field in known.items():
        if field.name not in values and field.default is field.default_factory is MISSING:
            raise BadInput(f"policy {name!r}", f"needs the parameter {key}")
    policy: Policy = cls(**values)
    return policy


def as_policy(given: str | Policy) -> Policy:
    """A policy as it is, or the one of a spec. Raises `BadInput` as `make`."""
    return make(given) if isinstance(given, str) else given


def canonical(policy: Policy) -> str:
    """The spec in full, every parameter written: `make(canonical(p)) == p`.

    A policy that has no parameter but its seed writes it only when it is not 0, and a
    parameter that came later (`SILENT`) only when it is not the default.
    """
    global _latest
    latest = _latest  # read once: another thread may be making a policy
    if policy is latest[0]:
        return latest[1]
    cls: Any = type(policy)
    name = {home: short for short, home in POLICIES.items()}.get(
        f"{cls.__module__}:{cls.__qualname__}", f"{cls.__module__}:{cls.__qualname__}"
    )
    written = [
        (_parameter(f), _exact(f, getattr(policy, f.name)))
        for f in fields(cls)
        if not (f.metadata.get("silent") and getattr(policy, f.name) == f.default)
    ]
    spec = f"{name}:{','.join(f'{key}={value}' for key, value in written)}"
    latest = (policy, name if written == [("seed", 0)] else spec)
    _latest = latest
    return latest[1]


_latest: tuple[Any, str] = (None, "")  # a server asks for one frozen policy again and again


def is_ours(spec: str) -> bool:
    """Whether `spec`, a name in a log, is that of a policy that this installation can make.

    A log must not choose what is imported: a policy of one's own counts when its module is
    there already, because somebody else named it (with `--policy`, say).
    """
    try:
        name, _ = _split(spec)
        module, _, attribute = name.partition(":")
        there = getattr(sys.modules.get(module), "__dict__", {})
        if name not in POLICIES and attribute not in there:
            return False
        make(spec)
    except BadInput:
        return False
    return True


def _split(spec: str) -> tuple[str, str]:
    """(name, parameters): what stands first is a name of ours, else it is module:Class."""
    first, _, rest = spec.partition(":")
    if first in POLICIES:
        return first, rest
    match = re.fullmatch(r"(\w+(?:\.\w+)*:[^\W\d]\w*)(?::(.*))?", spec)
    if match:
        return match[1], match[2] or ""
    if re.fullmatch(r"\w+(:.*)?", spec):
        raise BadInput("policy", f"must be one of {', '.join(POLICIES)} or module:Class", spec)
    raise BadInput("policy", "must look like name:key=value,… or module:Class:key=value", spec)


def _load(name: str, spec: str) -> Any:
    module, _, attribute = POLICIES.get(name, name).partition(":")
    try:
        cls = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise BadInput(f"policy {spec!r}", f"cannot be imported: {error}") from None
    if not (isinstance(cls, type) and is_dataclass(cls)):
        raise BadInput(f"policy {spec!r}", "must name a dataclass (docs/extending.md)")
    missing = [m for m in ("seed", "explores", "score", "pmf") if not _offers(cls, m)]
    if missing:
        raise BadInput(f"policy {spec!r}", f"lacks {', '.join(missing)} (docs/extending.md)")
    return cls


def _offers(cls: Any, member: str) -> bool:
    return hasattr(cls, member) or any(f.name == member for f in fields(cls))


def _parameter(field: Field[Any]) -> str:
    """`lambda_` is spelled `lambda`: a Python keyword cannot name a field."""
    return field.name.rstrip("_")


def _exact(field: Field[Any], value: Any) -> Any:
    """1 and 1.0 are one parameter and one spec."""
    kind = type(field.default)
    return kind(value) if kind in (int, float) else value


def _parse(field: Field[Any], text: str, policy: str) -> Any:
    kind = type(field.default)
    if kind is bool and text in ("True", "False"):
        return text == "True"
    if kind not in (int, float):
        return text
    try:
        return kind(text)
    except ValueError:
        found = "a whole number" if kind is int else "a number"
        raise BadInput(
            f"policy {policy!r}: {_parameter(field)}", f"must be {found}", text
        ) from None
