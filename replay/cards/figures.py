"""What a card says of the figures: data, question, offline metrics, slices, drift, online."""

import math
from datetime import UTC, datetime

import numpy as np

from journal.log import Log
from replay.behavior.propensities import is_deterministic
from replay.cards.document import Block, Bullets, Facts, Forest, Mark, Section, Table, Text, Tone
from replay.cards.evidence import experiment_blocks
from replay.cards.given import Findings
from replay.judged import AUTO, Row
from replay.online.scorer import QUANTILES
from replay.reports.report import OTHER_QUESTION, silence_notes
from replay.reports.tables import percent, span
from replay.result import QUESTION
from replay.shift.drift import LARGE, MODERATE
from replay.slicing import Slice
from replay.slicing.report import HEADER, cells, chance, gap_rows

TONES: dict[str, Tone] = {"reliable": "good", "caution": "wary", "unreliable": "bad"}


def data(found: Findings) -> Section:
    """The log: what it is, who is in it, who decided, and where propensities come from."""
    log, about = found.log, found.evaluation.to_dict()["log"]
    rows = found.evaluation.sample.rows
    shares = np.bincount(log.policy[rows], minlength=len(log.policy_names)) / len(rows)
    loggers = ", ".join(
        f"{n} ({s:.1%})" for n, s in zip(log.policy_names, shares, strict=True) if s
    )
    low, high = about["silence_bounds"]
    facts = [
        ("log", log.path),
        ("SHA-256", log.sha256),
        ("kind", _kind(log)),
        ("period", f"{_time(log.decided_at[rows].min())} to {_time(log.decided_at[rows].max())}"),
        ("people", f"{about['users']}" if found.has_users else "unknown: the log has no user ids"),
        (
            "decisions",
            f"{about['decisions']}: {about['answered']} answered, {about['expired']} silent, "
            f"{about['censored']} left out because their reward window was still open",
        ),
        ("behavior policies", loggers),
        ("propensities", _propensities(found)),
        ("mean logged reward", f"{about['mean_reward']:.4f}; had all silence been the worst or "
         f"the best, [{low:.4f}, {high:.4f}]"),
        ("reward model q_hat", f"{about['model']}, cross-fitted by user"),
    ]  # fmt: skip
    return Section("Data", [Facts(facts)])


def _kind(log: Log) -> str:
    if log.world is not None:
        return "SYNTHETIC, simulated: " + ", ".join(f"{k} {v}" for k, v in log.world.items())
    return "simulated, it holds its own truth" if log.expected_reward is not None else "logged"


def _propensities(found: Findings) -> str:
    log, rows = found.log, found.evaluation.sample.rows
    known = ~np.isnan(log.pscore[rows])
    pmf = " with the whole pmf" if log.pmf is not None and not np.isnan(log.pmf).any() else ""
    if known.all():
        said = f"logged with every decision{pmf}"
    elif found.behavior is not None:
        said = f"logged for {known.sum()} of {len(rows)} decisions, else declared: {found.behavior}"
    else:
        said = f"logged for {known.sum()} of {len(rows)} decisions; the others are unknown"
    inside = np.isin(np.arange(len(log)), rows)
    if known.all() and is_deterministic(log, log.pscore, inside):
        said += "; the logger was deterministic"
    pooling = found.evaluation.pooling
    return said if pooling is None else f"{said}; {pooling.notice}"


def question(found: Findings) -> Section:
    """Which question the figures answer, and what is known of the other."""
    blocks: list[Block] = [
        Text(f"Answered here: {QUESTION}, per decision shown.", strong=True),
        Text(OTHER_QUESTION),
    ]
    deployed = [r for r in found.evaluation.results if r.truth_deployed is not None]
    if deployed:
        rows = [(r.policy, f"{r.truth_deployed:.4f}", _number(r.truth_log)) for r in deployed]
        header = ("policy", "value if deployed, simulated", "true value on logged contexts")
        blocks.append(Table("Both questions, in the log's simulated world", header, rows))
    if found.experiment is not None:
        blocks += experiment_blocks(found.experiment)
    if not deployed and found.experiment is None:
        blocks.append(Text("Value if deployed: not measured for this card."))
    return Section("Question answered", blocks)


def metrics(found: Findings) -> Section:
    """The estimates: first which row to believe, and why."""
    header = ("policy", "estimator", "value", "interval by", "ess", "support", "verdict")
    rows = [
        (
            r.policy,
            row.estimator,
            span(row.value, row.low, row.high, row.verdict),
            "none" if row.low is None else row.interval,
            "–" if row.ess is None else f"{row.ess:.0f}",
            "unknown" if row.support is None else f"{row.support:.3f}",
            row.verdict,
        )
        for r in found.evaluation.results
        for row in r.judged.rows
    ]
    paired = [
        (f"to {d.against}", d.estimator, span(d.value, d.low, d.high, d.verdict),
         d.verdict)
        for d in found.evaluation.differences
    ]  # fmt: skip
    level = percent(found.row.level)
    blocks: list[Block] = [Text(believe(found), strong=True), _estimates(found)]
    blocks.append(Table(f"Estimates, intervals of {level} over users", header, rows))
    if paired:
        heads = ("difference", "estimator", "policy - it", "verdict")
        blocks.append(Table("Differences, paired on the same decisions", heads, paired))
    notes = silence_notes(found.evaluation)
    return Section("Offline metrics", [*blocks, Bullets(notes)] if notes else blocks)


def believe(found: Findings) -> str:
    """Which row to believe, and why."""
    row = found.row
    if row.verdict == "unreliable" or row.value is None:
        return f"Believe no row of this policy: {_first(row)}."
    how = (
        "it is a fixed rule whose interval's coverage was measured with every choice included; "
        f"here it took {row.chosen.get('estimator', 'sndr')}"
    )
    if row.verdict == "caution":
        return f"Believe the row auto, with caution ({_first(row)}): {how}."
    return f"Believe the row auto: {how}."


def _first(row: Row) -> str:
    return row.reasons[0] if row.reasons else "it could not be computed"


def _estimates(found: Findings) -> Forest:
    marks = []
    for r in found.evaluation.results:
        row = next(x for x in r.judged.rows if x.estimator == AUTO)
        known = row.verdict != "unreliable" and row.value is not None
        said = span(row.value, row.low, row.high, row.verdict) + f" ({row.verdict})"
        marks.append(
            Mark(
                r.policy,
                row.value if known else None,
                row.low if known else None,
                row.high if known else None,
                said,
                TONES[row.verdict],
            )
        )
    mean = float(found.evaluation.sample.reward.mean())
    marks.append(Mark("logged (mean reward)", mean, None, None, f"{mean:.4f}"))
    alt = "Value of every policy with its interval, every estimator; the table has the figures."
    axis = "reward per decision; the line is the mean logged reward"
    return Forest("estimates.png", alt, axis, marks, mean)


def slices(found: Findings) -> Section:
    """Group by group: value, harm, exposure, dismissals."""
    sliced = found.slices
    worse, better = ({r.name for r in some} for some in (sliced.worse, sliced.better))
    marks = []
    for row in sliced.rows:
        label = f"{row.name}, {row.n} decisions"
        if not row.judged or row.difference is None:
            marks.append(Mark(label, None, None, None, _unjudged(row)))
            continue
        tone: Tone = "bad" if row.name in worse else "good" if row.name in better else "plain"
        low, high = row.difference_low, row.difference_high
        said = f"{row.difference:+.4f} [{low:+.4f}, {high:+.4f}], p {chance(row.p_holm)}"
        marks.append(Mark(label, row.difference, low, high, said, tone))
    blocks: list[Block] = [Text(f"{sliced.says[:1].upper()}{sliced.says[1:]}.", strong=True)]
    blocks.append(
        Text(
            "Groups are defined by what was known before the action. p is corrected for all judged "
            "groups (Holm); groups of fewer than 30 users or an ess under 30 are small and not "
            "judged. Exposure is the share of all tips; in brackets, of what it is compared with."
        )
    )
    if marks:
        alt = f"Value and difference to {sliced.against} of every slice; the table has the figures."
        axis = f"difference to {sliced.against}, reward per decision"
        blocks.append(Forest("slices.png", alt, axis, marks, 0.0))
    rows = [cells(row) for row in (sliced.whole, *sliced.rows)]
    blocks.append(Table("Slices", HEADER, rows))
    if sliced.gaps:
        gap_header = ("largest gap by", "value", "between", f"of {sliced.against}", "p (Holm)")
        blocks.append(Table("Largest gaps", gap_header, gap_rows(sliced)))
    return Section("Slices and fairness", blocks)


def _unjudged(row: Slice) -> str:
    if row.small:
        return "too small to be judged"
    return "as all decisions: they are all in it" if row.everywhere else "refused"


def online(found: Findings) -> Section:
    """What a scorer measured; "not measured" where nothing was given."""
    seen = found.online
    if seen is None:
        text = "Not measured: no /metrics of a scorer was given (--metrics)."
        return Section("Online behaviour", [Text(text)])
    decided = ", ".join(f"{p} {n:.0f}" for p, n in seen.decisions.items() if n) or "none"
    rows = [("requests to /score", f"{seen.requests}")]
    rows += [
        (f"latency, {q:.0%} of requests", latency(low, high))
        for q, (low, high) in zip(QUANTILES, seen.latency_ms, strict=True)
    ]
    rows += [
        ("fallbacks: decided elsewhere", f"{seen.fallbacks}"),
        ("decisions by policy", decided),
        ("errors: status 500 and above", f"{seen.failed}"),
        ("refused: status 400 to 499", f"{seen.refused}"),
    ]
    blocks: list[Block] = [Facts(rows)]
    if not seen.decisions.get(found.policy):
        blocks.insert(0, Text("That scorer served other policies, not this one.", strong=True))
    return Section("Online behaviour", blocks)


def latency(low: float, high: float) -> str:
    """The bounds of a histogram's bucket."""
    return f"over {low:g} ms" if math.isinf(high) else f"within {high:g} ms, over {low:g} ms"


def drift(found: Findings) -> Section:
    """What changed from an earlier log to this one."""
    seen = found.drift
    if seen is None:
        return Section("Drift", [Text("Not measured: no earlier log was given (--reference-log).")])
    tones: dict[str, Tone] = {"stable": "good", "moderate": "wary", "large": "bad"}
    marks = [
        Mark(s.name, s.psi, None, None, f"PSI {s.psi:.3f}: {s.says}",
             tones[s.reading] if s.drifted else "plain")
        for s in sorted(seen.shifts, key=lambda s: -s.psi)
    ]  # fmt: skip
    old = seen.pair.old
    since = f"From {old.path} (SHA-256 {old.sha256[:16]}…, {len(old)} decisions) to this log."
    alt = "PSI of every measure, and the cells of those that moved most."
    axis = f"PSI: {MODERATE:g} is moderate, {LARGE:g} large"
    rows = [
        (s.name, f"{s.psi:.3f}", "–" if s.p is None else f"{s.p:.3f}", s.says) for s in seen.shifts
    ]
    return Section(
        "Drift",
        [
            Text(f"{seen.says[:1].upper()}{seen.says[1:]}.", strong=True),
            Text(since),
            Forest("drift.png", alt, axis, marks, 0.0),
            Table("Drift, p corrected for all measures", ("measure", "PSI", "p", "reading"), rows),
        ],
    )


def _time(moment: int) -> str:
    return datetime.fromtimestamp(int(moment) / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
