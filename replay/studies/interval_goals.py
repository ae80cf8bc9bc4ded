"""What `auto` must reach in each cell, and whether it does: coverage, and width beside peers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replay.studies.peers import BEATEN

AUTO = "auto auto"
USERS = "ips bootstrap"  # a user bootstrap of ips
COVERAGE = {"a": 0.93, "b": 0.93, "c": 0.92, "d": 0.93, "e": 0.93}
FEW_PEOPLE = 0.90  # of group c, with 30 people
VALID = 0.93  # a peer counts where it covers at least that
WIDTH, MEAN_WIDTH = 1.05, 0.95  # of the narrowest valid peer, in groups a and b
USER_WIDTH, FEW_USER_WIDTH = 1.10, 1.25  # of a user bootstrap, in group c
CHANCE = 2.0  # Monte-Carlo standard errors within which a goal is not missed


@dataclass(frozen=True)
class Judgement:
    """One cell beside its goals."""

    cell: str
    coverage: float
    standard_error: float
    goal: float
    peer: str | None  # the one whose width counts; None: no goal, or no peer is valid
    ratio: float | None  # width of auto over that of the peer
    limit: float | None

    @property
    def covers(self) -> bool:
        """Not short by more than chance."""
        return self.coverage >= self.goal - CHANCE * self.standard_error

    @property
    def narrow(self) -> bool:
        """Within the limit, where there is one."""
        return self.ratio is None or self.limit is None or self.ratio <= self.limit


def judgement(cell: Mapping[str, Any]) -> Judgement:
    """Of a cell of `replay.studies.intervals`."""
    group, name = cell["cell"][0], cell["cell"]
    pairs = {p["pair"]: p for p in cell["pairs"]}
    few = "people=30" in name
    goal = FEW_PEOPLE if few else COVERAGE[group]
    error = math.sqrt(goal * (1 - goal) / cell["seeds"])
    peer: str | None = None
    limit: float | None = None
    if group in "ab":
        valid = [p for p in BEATEN if pairs[p]["coverage"] >= VALID]
        peer, limit = min(valid, key=lambda p: pairs[p]["width"], default=None), WIDTH
    elif group == "c":
        peer, limit = USERS, FEW_USER_WIDTH if few else USER_WIDTH
    ratio = None if peer is None else pairs[AUTO]["width"] / pairs[peer]["width"]
    return Judgement(name, pairs[AUTO]["coverage"], error, goal, peer, ratio, limit)


def mean_ratio(judged: list[Judgement]) -> float:
    """Of the cells of groups a and b."""
    ratios = [j.ratio for j in judged if j.cell[0] in "ab" and j.ratio is not None]
    return sum(ratios) / len(ratios) if ratios else math.nan
