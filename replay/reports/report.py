"""The results folder: metrics.json, a Markdown summary, the plots."""

from pathlib import Path

from policies.errors import one_line
from replay.learners import LEARNERS
from replay.reports.folder import json_bytes, write_folder
from replay.reports.tables import markdown_table, span
from replay.result import QUESTION, Evaluation
from replay.silence import bounded_row, silence_bounds

OTHER_QUESTION = (
    "Value if deployed, once the policy's own choices shape what comes next, is another "
    "question: an A/B test or a simulation answers it."
)


def write_report(found: Evaluation, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    from replay.reports.plots import plot_estimates, plot_learning, plot_weights

    files = {
        "metrics.json": json_bytes(found.to_dict()),
        "summary.md": summary(found).encode(),
        "estimates.png": plot_estimates(found),
        "learning.png": plot_learning(found),
        "weights.png": plot_weights(found),
    }
    return write_folder(directory, files)


def summary(found: Evaluation) -> str:
    """The Markdown summary."""
    about = found.to_dict()["log"]
    lines = [
        "# Off-policy evaluation",
        "",
        f"Question: **{QUESTION}**, per decision shown. {OTHER_QUESTION}",
        "",
        f"- log `{about['path']}`, sha256 `{about['sha256'][:16]}…`",
        f"- {about['decisions']} decisions of {about['users']} users, {about['answered']} "
        f"answered, {about['expired']} silent, {about['censored']} left out, reward window open",
        f"- behavior policies: {', '.join(f'`{p}`' for p in about['behavior_policies'])}; "
        f"mean logged reward {about['mean_reward']:.4f}",
        "- silence counts as the default reward; had all of it been the worst or the best: "
        "[{:.3f}, {:.3f}]".format(*about["silence_bounds"]),
        *(f"- {notice}" for notice in found.notices),
        "",
        *markdown_table(HEADER, table_rows(found)),
        "",
        *(f"- {note}" for note in silence_notes(found)),
        "",
        *_why(found),
    ]
    if found.comparison is not None:
        from replay.reports.comparing_words import HEADER as TOGETHER
        from replay.reports.comparing_words import rows, sentences

        lines += ["", "## Many compared", "", *sentences(found.comparison), ""]
        lines += markdown_table(TOGETHER, rows(found.comparison))
    if found.differences:
        lines += ["", "## Differences, paired on the same rounds", ""]
        lines += markdown_table(
            ("policy", "against", "estimator", "difference", "verdict"),
            [
                (
                    d.policy,
                    d.against,
                    d.estimator,
                    span(d.value, d.low, d.high, d.verdict),
                    d.verdict,
                )
                for d in found.differences
            ],
        )
    plots = [f"![{p}]({p}.png)" for p in ("estimates", "learning", "weights")]
    return "\n".join([*map(one_line, lines), "", *plots, ""])


HEADER = (
    "policy",
    "learn",
    "estimator",
    "value [interval]",
    "ess",
    "verdict",
    "truth_log",
    "truth_deployed",
)


def table_rows(found: Evaluation) -> list[tuple[str, ...]]:
    """The table that people read: an unreliable number is replaced by its verdict."""
    return [
        (
            p.policy,
            p.learn if p.matched is None else f"{p.learn} ({p.matched} matched)",
            row.estimator,
            span(row.value, row.low, row.high, row.verdict),
            "-" if row.ess is None else f"{row.ess:.0f}",
            row.verdict,
            _number(None if row.estimator in LEARNERS else p.truth_log),
            _number(p.truth_deployed),
        )
        for p in found.results
        for row in p.judged.rows
    ]


def reasons(found: Evaluation) -> list[tuple[str, str]]:
    """(who, reason) for every verdict that is not `reliable`, each said once."""
    said: dict[tuple[str, str], list[str]] = {}
    for p in found.results:
        for row in p.judged.rows:
            for reason in row.reasons:
                said.setdefault((p.policy, reason), []).append(row.estimator)
    return [(f"{policy} {', '.join(names)}", reason) for (policy, reason), names in said.items()]


def silence_notes(found: Evaluation) -> list[str]:
    """What silence could hide, a sentence a policy whose number may be read; none without."""
    silent = found.sample.silent
    if not silent.any():
        return []
    out = []
    for p in found.results:
        row, bounds = bounded_row(p.judged), silence_bounds(p.judged, silent)
        if row is not None and bounds is not None and row.verdict != "unreliable":
            low, high = bounds
            out.append(
                f"{p.policy} {row.estimator}: [{low:.4f}, {high:.4f}] had all silence "
                f"({silent.mean():.0%} of the tips) been the worst or the best"
            )
    return out


def _why(found: Evaluation) -> list[str]:
    why = reasons(found)
    if not why:
        return []
    return ["## Why not simply believe it", "", *(f"- {who}: {reason}" for who, reason in why)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
