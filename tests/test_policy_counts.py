"""Decisions by policy in shared memory: rows that name their own slots add up by name."""

import pytest

from serving.metrics import Metrics, Names
from serving.policy_counts import DOUBLES, REST, SLOTS, PolicyCounts


def rows(n: int) -> list[memoryview]:
    return [memoryview(bytearray(DOUBLES * 8)) for _ in range(n)]


def test_workers_need_not_agree_on_slots() -> None:
    memory = rows(2)
    first, second = PolicyCounts(memory, 0), PolicyCounts(memory, 1)
    for policy in ("a", "b", "a"):
        first.add(policy, 1)
    for policy in ("c", "b"):
        second.add(policy, 2)
    assert first.totals() == second.totals() == {"a": 2, "b": 3, "c": 2}


def test_a_worker_goes_on_where_a_dead_one_was() -> None:
    """Nothing counts back, and no name has two slots."""
    memory = rows(1)
    PolicyCounts(memory, 0).add("a", 3)
    again = PolicyCounts(memory, 0)
    again.add("b", 1)
    again.add("a", 1)
    assert again.totals() == {"a": 4, "b": 1}


def test_further_policies_are_counted_together() -> None:
    """However many there are, none is lost; after a restart as well."""
    memory = rows(1)
    for start in (0, SLOTS):
        counts = PolicyCounts(memory, 0)
        for i in range(start, start + SLOTS):
            counts.add(f"p{i}", 1)
    found = counts.totals()
    assert sum(found.values()) == 2 * SLOTS
    assert len(found) == SLOTS
    assert found[REST] == 2 * SLOTS - (SLOTS - 1)


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_long_names_are_cut_and_told_apart(letter: str) -> None:
    counts = PolicyCounts(rows(1), 0)
    names = [letter * 1000 + end for end in "ab"]
    for name in names:
        counts.add(name, 1)
    found = counts.totals()
    assert list(found.values()) == [1, 1]
    assert all(name.startswith(letter * 50) for name in found)


def test_the_figures_show_policies_that_came_later() -> None:
    """With those that there were from the start, at zero."""
    metrics = Metrics(("other",), Names(["first"]))
    metrics.add("decisions_total", policy='later "x"')
    lines = metrics.text({}).splitlines()
    said = [line for line in lines if line.startswith("tipbandit_decisions_total{")]
    assert said == [
        'tipbandit_decisions_total{policy="first"} 0',
        'tipbandit_decisions_total{policy="elsewhere"} 0',
        'tipbandit_decisions_total{policy="later \\"x\\""} 1',
    ]
