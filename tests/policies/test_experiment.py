"""Experiments: what a file must say, and whom the hash gives which variant."""

import math

import pytest

from policies import BadInput
from policies.draw import uniform
from policies.experiment import Experiment, Variant, known_by, name_of, parse, policies_of

VARIANTS = """
[[variants]]
name = "control"
policy = "random"
share = 0.7
[[variants]]
name = "challenger"
policy = "linucb:alpha=0.5"
share = 0.3
"""
GOOD = f'name = "tips"\n{VARIANTS}'
PEOPLE = [f"u{i}" for i in range(20_000)]

BAD = {
    "name = ": "must be TOML",
    VARIANTS: "exp.toml: needs name",
    'name = "tips"': "exp.toml: needs variants",
    f"name = 3\n{VARIANTS}": "exp.toml: name: must be 1 to 64 characters of [A-Za-z0-9._-]",
    f'name = "a b"\n{VARIANTS}': "must be 1 to 64 characters",
    f'name = "tips"\nseed = 1.5\n{VARIANTS}': "exp.toml: seed: must be a whole number",
    f'name = "tips"\nseed = true\n{VARIANTS}': "exp.toml: seed: must be a whole number",
    f'name = "tips"\nsalt = 1\n{VARIANTS}': "exp.toml: salt: unknown key",
    'name = "tips"\nvariants = 2': "variants: must be 2 to 10 tables",
    GOOD.split("[[variants]]\nname = \"chall")[0]: "variants: must be 2 to 10 tables",
    GOOD + VARIANTS * 5: "must be 2 to 10 tables [[variants]], found 12",
    GOOD.replace("0.3", "0.31"): "share: must sum to 1 within 1e-09, found 1.01",
    GOOD.replace("0.3", "0.299999998"): "share: must sum to 1 within 1e-09",
    GOOD.replace("0.3", "0"): "variants[1].share: must be a number in (0, 1], found 0",
    GOOD.replace("0.3", "-0.3"): "variants[1].share: must be a number in (0, 1]",
    GOOD.replace("0.3", "nan"): "variants[1].share: must be a number in (0, 1]",
    GOOD.replace("0.3", '"0.3"'): "variants[1].share: must be a number in (0, 1]",
    GOOD.replace("challenger", "control"): "must have different names",
    GOOD.replace('policy = "random"', "policy = 1"): "variants[0].policy: must be a policy's spec",
    GOOD.replace('"random"', '"rendom"'): "variants[0].policy: policy: must be one of",
    GOOD.replace("alpha=0.5", "alpha=-1"): "variants[1].policy: ",
    GOOD.replace("share = 0.7", "shares = 0.7"): "variants[0]: shares: unknown key",
    GOOD.replace("share = 0.7", ""): "variants[0]: needs share",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_file_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(text, "exp.toml")
    assert str(refused.value).startswith("exp.toml")
    assert BAD[text] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_its_content_comes_back_from_the_text_kept_with_the_decisions() -> None:
    """Canonical specs, shares bit for bit, and the same variants for everybody."""
    made = parse(GOOD, "exp.toml")
    assert made == known_by(made.text, "log")
    assert known_by(made.text, "log").text == made.text
    assert made.variants[0].policy == "random"
    assert [p.explores for p in policies_of(made)] == [True, True]
    assert name_of(made) == "experiment:tips"
    for text in ("{", "[]", "3", made.text.replace("0.3", "0.4"), '{"name": "tips"}'):
        with pytest.raises(BadInput, match="log"):
            known_by(text, "log")


def test_nothing_is_imported_because_a_log_says_so() -> None:
    """A kept spec of somebody's own module is a text."""
    text = parse(GOOD, "exp.toml").text.replace('"random"', '"no_such_module:Class"')
    assert known_by(text, "log").variants[0].policy == "no_such_module:Class"


def experiment(*shares: float, name: str = "tips", seed: int = 0) -> Experiment:
    variants = [Variant(f"v{i}", "random", share) for i, share in enumerate(shares)]
    return Experiment(name, seed, tuple(variants))


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2,) * 5, (0.99, 0.005, 0.005)])
def test_shares_converge(shares: tuple[float, ...]) -> None:
    """Within 4.5 binomial standard errors of 20,000 users."""
    made = experiment(*shares)
    found = [made.assigned(user).name for user in PEOPLE]
    for variant in made.variants:
        error = math.sqrt(variant.share * (1 - variant.share) / len(PEOPLE))
        assert abs(found.count(variant.name) / len(PEOPLE) - variant.share) < 4.5 * error


@pytest.mark.parametrize("other", [{"name": "tips-2"}, {"seed": 1}])
def test_two_experiments_split_people_independently(other: dict) -> None:
    """A quarter has the second variant of both: 4.5 standard errors; so with a decision's draw."""
    one, two = experiment(0.5, 0.5), experiment(0.5, 0.5, **other)
    both = sum(one.assigned(u).name == two.assigned(u).name == "v1" for u in PEOPLE)
    assert abs(both / len(PEOPLE) - 0.25) < 4.5 * math.sqrt(0.25 * 0.75 / len(PEOPLE))
    drawn = sum(one.assigned(u).name == "v1" and uniform("act", 0, u) < 0.5 for u in PEOPLE)
    assert abs(drawn / len(PEOPLE) - 0.25) < 4.5 * math.sqrt(0.25 * 0.75 / len(PEOPLE))


def test_who_has_a_variant_is_for_life() -> None:
    """Pinned: another hash would move everybody of every running experiment."""
    found = "".join(experiment(0.5, 0.5).assigned(u).name[1] for u in PEOPLE[:24])
    assert found == "011000001001010101100111"
