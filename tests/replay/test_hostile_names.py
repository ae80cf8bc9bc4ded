"""Names, rewards and levels that no report of ours expects: whole pages, honest figures."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from journal import Log, log_of_frame
from policies import BadInput
from replay import card, drift, slices
from replay.cards.given import Findings
from replay.cards.summary import headline, plain, tiles
from replay.judged import Difference
from replay.reports.tables import percent

EVIL = ["a|b", "<b>x</b>", "$x^$", "`c`", "﷽", "🦄", "# h", "![i](j)"]
START = pd.Timestamp("2026-01-01", tz="UTC")


def log_of(arms: list[str], size: float = 1.0, n: int = 600, users: int = 40) -> Log:
    """A uniform logger's, of `arms`; rewards -size and size by a coin."""
    rng = np.random.default_rng(2)
    k = len(arms)
    frame = pd.DataFrame(
        {
            "user_id": [f"u{i % users}" for i in range(n)],
            "candidate_ids": [[f"c{j}" for j in range(k)]] * n,
            "arms": [arms] * n,
            "context": [[[1.0 + j] for j in range(k)]] * n,
            "action": rng.integers(k, size=n),
            "pmf": [[1 / k] * k] * n,
            "pscore": np.full(n, 1 / k),
            "reward": size * rng.choice([-1.0, 1.0], n),
            "decided_at": [START + pd.Timedelta(hours=i) for i in range(n)],
        }
    )
    return log_of_frame(frame, reward_range=(-size, size), action_by="index")


def test_arms_with_hostile_names_have_a_card_and_slices(tmp_path: Path) -> None:
    """No warning (here an error), no formula, no cell too many, no markup of theirs."""
    log = log_of(EVIL)
    made = card(log, "linucb:epsilon=0.5", champion="random", reference_log=log)
    made.report(tmp_path / "card")
    slices(log, "random").report(tmp_path / "slices")
    drift(log, log.take(np.arange(300))).report(tmp_path / "drift")
    for page in tmp_path.rglob("*.md"):
        width = 0
        for line in page.read_text().splitlines():
            cells = line.count("|") if line.startswith("|") else 0
            assert not width or not cells or cells == width, line
            width = cells
        assert not re.search(r"(?<!\\)<b>", page.read_text())
    assert "<b>x" not in (tmp_path / "card" / "card.html").read_text()
    for page in tmp_path.rglob("*.json"):
        json.loads(page.read_text(), parse_constant=lambda text: pytest.fail(text))


def test_a_headline_of_huge_rewards_can_be_read() -> None:
    """At most a few digits, whatever the size; and the same sentence at every size."""
    one, huge = (card(log_of(["a", "b"], size), "linucb:epsilon=0.5") for size in (1.0, 1e90))
    assert len(huge.headline) < len(one.headline) + 30
    assert "e+" in huge.headline
    assert huge.headline.split(":")[0] == one.headline.split(":")[0]
    assert all(len(t.figure) < 12 and len(t.note) < 80 for t in huge.tiles)


def test_rewards_whose_squares_vanish_are_refused() -> None:
    """Their error would be 0, and every difference certain."""
    with pytest.raises(BadInput, match="at least 1e-100 apart"):
        log_of(["a", "b"], 1e-101)
    found = slices(log_of(["a", "b"], 1e-99), "linucb:epsilon=0.5", against="random").whole
    assert found.difference_low < 0 < found.difference_high


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.995, 0.9999, 1 - 1e-12])
def test_a_level_is_not_rounded(level: float) -> None:
    said = percent(level)
    assert math.isclose(float(said[:-1]), 100 * level, rel_tol=1e-12)
    assert said != "100%"


def test_three_decimals_where_they_tell_something() -> None:
    assert [plain(x, 0.2, "+") for x in (0.0123, -1.5)] == ["+0.012", "-1.500"]
    assert plain(1.23e-7, 1e-6) == "1.23e-07"
    assert plain(-4e90, 1e91) == "-4e+90"


def test_better_is_said_with_the_caution_of_the_difference() -> None:
    """Not only with that of the policy's own value: the champion's may be the weak one."""
    seen: list[Findings] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replay.cards.making.headline", lambda f: seen.append(f) or headline(f))
        card(log_of(["a", "b"], n=2000), "linucb:epsilon=0.8", champion="random")
    (found,) = seen
    assert found.row.verdict == "reliable"
    for verdict, tone in (("reliable", "good"), ("caution", "wary")):
        apart = Difference(
            found.policy, "random", "auto", 0.2, 0.1, 0.3, verdict, ["the weak side"]
        )
        told = replace(found, evaluation=replace(found.evaluation, differences=[apart]))
        said, shown = headline(told)
        assert said.startswith("Better than the champion: +0.200 [+0.100, +0.300]")
        assert ("With caution: the weak side." in said) == (verdict == "caution")
        assert shown == tone
        (tile,) = (t for t in tiles(told) if t.label == "difference to the champion")
        assert tile.tone == tone
