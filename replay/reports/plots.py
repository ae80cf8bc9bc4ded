"""The plots of the results folder, each a PNG in bytes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from policies.arrays import Floats
from policies.errors import one_line
from replay.learners import LEARNERS
from replay.reports.drawing import png
from replay.result import QUESTION, Evaluation, PolicyResult

MOST = 24  # policies in a plot; of more, nobody tells the lines apart
COLOURS = {"reliable": "#1b7837", "caution": "#b8860b", "unreliable": "#b2182b"}


def plot_estimates(found: Evaluation) -> bytes:
    """Every estimate with its interval, the truths beside it where they are known."""
    rows = [(p, row) for p in shown(found) for row in p.judged.rows]
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    labelled: set[str] = set()

    def once(label: str) -> str | None:
        fresh = label not in labelled
        labelled.add(label)
        return label if fresh else None

    for y, (p, row) in enumerate(rows):
        if p.truth_log is not None and row.estimator not in LEARNERS:
            axes.plot(p.truth_log, y, "kx", label=once("truth_log"))
        if p.truth_deployed is not None:
            axes.plot(p.truth_deployed, y, "k+", markersize=9, label=once("truth_deployed"))
        if row.value is None:
            continue
        colour = COLOURS[row.verdict]
        axes.plot(row.value, y, "o", color=colour, label=once(row.verdict))
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [y, y], color=colour)
    names = [f"{_short(p.policy)} ({p.learn}) {row.estimator}" for p, row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(float(found.sample.reward.mean()), color="0.7", lw=1, label="mean logged reward")
    axes.set_xlabel(f"{QUESTION}, reward per decision")
    _say_what_is_left_out(axes, found)
    axes.legend(fontsize=7)
    return png(figure)


def plot_learning(found: Evaluation) -> bytes:
    """The running snips estimate over the log, in the order of time."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    order = np.argsort(found.log.decided_at[found.sample.rows], kind="stable")
    axes.plot(
        _running(found.sample.reward[order], np.ones(len(order))), color="0.6", label="logged"
    )
    for p in shown(found):
        rounds = p.judged.rounds
        if rounds.pscore is None or p.judged.about.deterministic:
            continue
        line = _running((rounds.weight * rounds.reward)[order], rounds.weight[order])
        axes.plot(line, label=f"{_short(p.policy)} ({p.learn})")
    axes.set_xlabel("decisions, by time")
    axes.set_ylabel("running snips, reward per decision")
    _say_what_is_left_out(axes, found)
    axes.legend(fontsize=7)
    return png(figure)


def plot_weights(found: Evaluation) -> bytes:
    """How the weights are spread: share of decisions with a weight above w."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for p in shown(found):
        if p.judged.rounds.pscore is None:
            continue
        weight = np.sort(p.judged.rounds.weight)[::-1]
        share = np.arange(1, len(weight) + 1) / len(weight)
        kept = weight > 0
        if kept.any():
            axes.loglog(weight[kept], share[kept], label=f"{_short(p.policy)} ({p.learn})")
    axes.set_xlabel("weight w = pi_e / pscore")
    axes.set_ylabel("share of decisions with at least w")
    _say_what_is_left_out(axes, found)
    if axes.lines:
        axes.legend(fontsize=7)
    return png(figure)


def shown(found: Evaluation) -> list[PolicyResult]:
    """At most `MOST` policies, in their order: those whose first estimates are the highest."""

    def first(p: PolicyResult) -> float:
        value = p.judged.rows[0].value
        return -np.inf if value is None else value

    least = sorted(map(first, found.results), reverse=True)[:MOST][-1]
    return [p for p in found.results if first(p) >= least][:MOST]


def _say_what_is_left_out(axes: Axes, found: Evaluation) -> None:
    if len(found.results) > MOST:
        said = f"{MOST} of {len(found.results)} policies, those of the highest estimates"
        axes.set_title(said, fontsize=8)


def _running(numerator: Floats, denominator: Floats) -> Floats:
    total = np.cumsum(denominator)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, np.cumsum(numerator) / total, np.nan)


def _short(policy: str) -> str:
    """A label: no more than fits, and no formula, which is what a `$` would begin."""
    text = one_line(policy if len(policy) <= 44 else f"{policy[:43]}…")
    return text.replace("$", r"\$")
