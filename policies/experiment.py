"""Experiments: variants of a policy, and which of them a user has. No I/O.

A user's variant is a function of the experiment's name, its seed and the user's id: sticky
because it is computed, not kept, and open to anyone who audits the log.
"""

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policies.draw import uniform
from policies.errors import BadInput
from policies.policy import Policy
from policies.spec import canonical, make

SHARE_TOLERANCE = 1e-9  # how far the shares' sum may be from 1
VARIANTS = range(2, 11)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEYS = {"name": True, "seed": False, "variants": True}  # whether each is needed
_VARIANT_KEYS = {"name": True, "policy": True, "share": True}


@dataclass(frozen=True, slots=True)
class Variant:
    """What a share of the users is served."""

    name: str
    policy: str  # canonical spec
    share: float  # the probability with which a user has it


@dataclass(frozen=True)
class Experiment:
    """Two to ten variants; the first is the control. Made by `parse` and `known_by`."""

    name: str
    seed: int
    variants: tuple[Variant, ...]

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """Each variant's policy, by the variant's name."""
        return {v.name: make(v.policy) for v in self.variants}

    @cached_property
    def text(self) -> str:
        """Its content in one way of writing, kept with the decisions that it made."""
        variants = [{"name": v.name, "policy": v.policy, "share": v.share} for v in self.variants]
        return json.dumps({"name": self.name, "seed": self.seed, "variants": variants})

    def assigned(self, user_id: str) -> Variant:
        """The variant of a user: by inversion of one keyed number over the shares, in order.

        What rounding leaves of the shares falls to the last variant.
        """
        u, total = uniform("assign", self.seed, f"{self.name}\x1f{user_id}"), 0.0
        for variant in self.variants:
            total += variant.share
            if u < total:
                return variant
        return self.variants[-1]


def policy_of(served: Policy | Experiment, user_id: str) -> Policy:
    """The policy that decides for a user: the one there is, or that of their variant."""
    if isinstance(served, Experiment):
        return served.policies[served.assigned(user_id).name]
    return served


def policies_of(served: Policy | Experiment) -> tuple[Policy, ...]:
    """All that may decide, each once; the control first."""
    if isinstance(served, Experiment):
        return tuple({v.policy: served.policies[v.name] for v in served.variants}.values())
    return (served,)


def name_of(served: Policy | Experiment) -> str:
    """How what is served is called in a line."""
    return f"experiment:{served.name}" if isinstance(served, Experiment) else canonical(served)


def parse(text: str, where: str) -> Experiment:
    """The experiment of a TOML text; `where` names it in errors.

    Raises `BadInput` for text that is no TOML, a key that is unknown, missing or of the wrong
    kind, a policy that cannot be made, and shares that are not positive or do not sum to 1.
    """
    try:
        told = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(where, f"must be TOML ({error})") from None
    return _read(told, where, lambda spec: canonical(make(spec)))


def known_by(text: str, where: str) -> Experiment:
    """The experiment of the text that was kept with its decisions.

    Its specs are taken as they are: nothing is imported because a log says so. Raises
    `BadInput` when it is none.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(where, f"must be the JSON of an experiment ({error})") from None
    return _read(told, where, str)


def _read(told: Any, where: str, spec: Any) -> Experiment:
    _check_keys(told, _KEYS, where)
    name, seed, variants = _name(told["name"], f"{where}: name"), told.get("seed", 0), []
    if type(seed) is not int or not -(2**63) <= seed < 2**63:
        raise BadInput(f"{where}: seed", "must be a whole number of 64 bits", seed)
    if not isinstance(told["variants"], list) or len(told["variants"]) not in VARIANTS:
        rule = f"must be {VARIANTS[0]} to {VARIANTS[-1]} tables [[variants]]"
        given = told["variants"]
        raise BadInput(f"{where}: variants", rule, len(given) if isinstance(given, list) else given)
    for i, one in enumerate(told["variants"]):
        at = f"{where}: variants[{i}]"
        _check_keys(one, _VARIANT_KEYS, at)
        share = one["share"]
        if type(share) not in (int, float) or not 0 < share <= 1:
            raise BadInput(f"{at}.share", "must be a number in (0, 1]", share)
        if not isinstance(one["policy"], str):
            raise BadInput(f"{at}.policy", "must be a policy's spec", one["policy"])
        try:
            policy = spec(one["policy"])
        except BadInput as error:
            raise BadInput(f"{at}.policy", str(error)) from None
        variants.append(Variant(_name(one["name"], f"{at}.name"), policy, float(share)))
    _check_variants(variants, where)
    return Experiment(name, seed, tuple(variants))


def _check_variants(variants: Sequence[Variant], where: str) -> None:
    names = [v.name for v in variants]
    if len(set(names)) < len(names):
        raise BadInput(f"{where}: variants", "must have different names", ", ".join(names))
    total = math.fsum(v.share for v in variants)
    if abs(total - 1) > SHARE_TOLERANCE:
        raise BadInput(f"{where}: share", f"must sum to 1 within {SHARE_TOLERANCE:g}", total)


def _check_keys(told: Any, keys: Mapping[str, bool], where: str) -> None:
    if not isinstance(told, dict):
        raise BadInput(where, f"must be a table of {', '.join(keys)}", told)
    for key in told:
        if key not in keys:
            raise BadInput(f"{where}: {key}", f"unknown key, known are {', '.join(keys)}")
    for key, needed in keys.items():
        if needed and key not in told:
            raise BadInput(where, f"needs {key}")


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadInput(where, "must be 1 to 64 characters of [A-Za-z0-9._-]", name)
    return name
