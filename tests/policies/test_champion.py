"""champion.json: what is written is read again, and what is no pointer is refused in one line."""

import json
from dataclasses import replace

import pytest

from policies import BadInput, canonical, make
from policies.champion import Champion, PriorFile, dump, is_version, parse, policy_of

SPEC = canonical(make("linucb:alpha=2"))
SINCE = "2026-11-24T00:00:00+00:00"
NAME = "v0001-0123456789ab"
PRIORS = (PriorFile(f"versions/{NAME}/prior-00.json", f"sha256:{'0' * 64}"),)
POINTER = Champion(NAME, SPEC, (), SINCE)


def nothing(path: str) -> str:
    raise AssertionError(path)


@pytest.mark.parametrize("priors", [(), PRIORS])
def test_what_is_written_is_read_again(priors: tuple[PriorFile, ...]) -> None:
    pointer = replace(POINTER, priors=priors)
    assert parse(dump(pointer), "here") == pointer


def test_its_policy_is_that_of_the_spec() -> None:
    assert canonical(policy_of(POINTER, nothing, "here")) == SPEC


@pytest.mark.parametrize("key", ["schema", "kind", "version", "spec", "priors", "since"])
@pytest.mark.parametrize("value", [None, 7, "", [1], {}])
def test_a_field_that_is_wrong_is_named(key: str, value: object) -> None:
    record = {**json.loads(dump(POINTER)), key: value}
    with pytest.raises(BadInput, match="here") as refused:
        parse(json.dumps(record), "here")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '"champion"', "[" * 100_000])
def test_what_is_no_pointer_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="here"):
        parse(text, "here")


@pytest.mark.parametrize("path", ["/etc/passwd", "../prior.json", "a/../../b", "a//b", ".", "a\\b"])
def test_a_prior_lies_below_the_pointer(path: str) -> None:
    pointer = replace(POINTER, priors=(PriorFile(path, PRIORS[0].sha256),))
    with pytest.raises(BadInput, match="below the pointer"):
        parse(dump(pointer), "here")


@pytest.mark.parametrize("spec", ["linucb:alpha=2", "no-such", "linucb:alpha=-1", "random:x=1"])
def test_a_spec_that_cannot_be_made_or_is_not_in_full_is_refused(spec: str) -> None:
    with pytest.raises(BadInput):
        policy_of(replace(POINTER, spec=spec), nothing, "here")


def test_names_of_versions() -> None:
    assert is_version(NAME)
    for name in ("v1-0123456789ab", NAME[:-1], f"{NAME}/..", f"{NAME}\n", NAME.upper(), ""):
        assert not is_version(name)
