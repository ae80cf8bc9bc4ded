"""The tables of the study of intervals: `auto` beside its goals, every pair, the verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from replay.estimators import ESTIMATORS
from replay.reports.tables import markdown_table
from replay.studies.interval_goals import AUTO, MEAN_WIDTH, Judgement, judgement, mean_ratio
from replay.studies.intervals import AMPLE, VERDICTS
from replay.studies.peers import PEERS


def intervals_table(found: Mapping[str, Any]) -> str:
    """`auto` beside its goals and the peers, and the verdict as a classifier."""
    cells = found["cells"]
    judged = [judgement(cell) for cell in cells]
    lines = [
        f"Question: {found['question']}. Level {found['design']['level']:.0%}; `width` is mean "
        "width over that of the narrowest peer that covers at least .93 (in c: a user bootstrap of "
        "ips). Coverage in thousandths; Monte-Carlo error at most "
        f"{max(j.standard_error for j in judged):.3f} at the goal.",
        "",
        *_goals(cells, judged),
        "",
        *_sentences(judged),
        "",
        "The verdict as a classifier, over all cells: how often each row was called what, how "
        f"often its interval then covered, how often it was refused with ess over {AMPLE:.0f} "
        "(support is full in every cell).",
        "",
        *_verdicts(cells),
    ]
    return "\n".join(lines) + "\n"


def pairs_table(found: Mapping[str, Any]) -> str:
    """Every estimator with every interval, and the estimators' biases."""
    lead = (
        f"Question: {found['question']}. Coverage in the cells of each group, mean (least), and "
        f"mean width over that of `auto`; level {found['design']['level']:.0%}. The cells, and how "
        "much is chance: intervals.md."
    )
    second = "Bias in standard deviations of the estimate: its size, mean over cells (largest)."
    cells = found["cells"]
    return "\n".join([lead, "", *_pairs(cells), "", second, "", *_biases(cells)]) + "\n"


def _goals(cells: Sequence[Mapping[str, Any]], judged: Sequence[Judgement]) -> list[str]:
    header = ["cell", "seeds", "ess", "auto", "goal", "width", "limit", *PEERS, "met"]
    rows = []
    for cell, j in zip(cells, judged, strict=True):
        pairs = {p["pair"]: p for p in cell["pairs"]}
        missed = [w for w, ok in (("covers too little", j.covers), ("wide", j.narrow)) if not ok]
        rows.append(
            [
                cell["cell"],
                cell["seeds"],
                f"{cell['ess']:.0f}",
                _thousandths(j.coverage),
                _thousandths(j.goal),
                "–" if j.ratio is None else f"{j.ratio:.2f}",
                "–" if j.ratio is None else f"{j.limit:.2f}",
                *(_thousandths(pairs[p]["coverage"]) for p in PEERS),
                ", ".join(missed) or "yes",
            ]
        )
    return markdown_table(header, rows)


def _sentences(judged: Sequence[Judgement]) -> list[str]:
    short = [j.cell for j in judged if not j.covers]
    wide = [j.cell for j in judged if not j.narrow]
    mean = mean_ratio(list(judged))
    return [
        "Coverage short of its goal by more than two Monte-Carlo errors: "
        f"{', '.join(short) or 'no cell'}. Wider than its limit: {', '.join(wide) or 'no cell'}. "
        f"Mean width in a and b: {mean:.2f} of the narrowest valid peer (goal {MEAN_WIDTH:.2f}).",
    ]


def _pairs(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [p["pair"] for p in cells[0]["pairs"] if p["coverage"] is not None]
    rows = []
    for name in names:
        row = [name]
        for ours in _grouped(cells).values():
            covers = [pairs[name]["coverage"] for pairs in ours]
            width = float(np.mean([pairs[name]["width"] / pairs[AUTO]["width"] for pairs in ours]))
            least, mean = _thousandths(min(covers)), _thousandths(float(np.mean(covers)))
            row.append(f"{mean} ({least}), {width:.2f}")
        rows.append(row)
    return markdown_table(["estimator interval", *_grouped(cells)], rows)


def _biases(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for estimator in ESTIMATORS:
        row = [estimator]
        for ours in _grouped(cells).values():
            mine = [next(p for n, p in c.items() if n.split()[0] == estimator) for c in ours]
            sizes = [abs(p["bias"]) / p["standard_deviation"] for p in mine]
            row.append(f"{float(np.mean(sizes)):.2f} ({max(sizes):.2f})")
        rows.append(row)
    return markdown_table(["estimator", *_grouped(cells)], rows)


def _grouped(cells: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By group, each cell's pairs by name."""
    out: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        out.setdefault(cell["cell"][0], []).append({p["pair"]: p for p in cell["pairs"]})
    return out


def _verdicts(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    total: dict[str, dict[str, int]] = {}
    for cell in cells:
        for tally in cell["verdicts"]:
            ours = total.setdefault(tally["row"], {})
            for key, count in tally.items():
                if key != "row":
                    ours[key] = ours.get(key, 0) + count
    rows = []
    for row, t in total.items():
        said = [
            f"{t[v]}: {_thousandths(t[f'{v}_covered'] / t[v])}" if t[v] else "0" for v in VERDICTS
        ]
        refused = f"{t['ample_refused'] / t['ample']:.2%}" if t["ample"] else "–"
        rows.append([row, *said, refused])
    return markdown_table(["row", *(f"{v}: covered" for v in VERDICTS), "refused"], rows)


def _thousandths(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")
