"""The folder of `study --like`: study.json, summary.md and one plot."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from policies.errors import one_line
from replay.like.result import LikeStudy
from replay.like.trust import Pair
from replay.reports.drawing import png
from replay.reports.folder import json_bytes, write_folder
from replay.result import QUESTION as ON_LOGGED
from sim.deployment import QUESTION as IF_DEPLOYED


def write_report(found: LikeStudy, directory: Path) -> Path:
    """Writes the folder, whole. Raises `BadInput` if `directory` is a file."""
    files = {
        "study.json": json_bytes(found.to_dict()),
        "summary.md": summary(found).encode(),
        "study.png": plot(found),
    }
    return write_folder(directory, files)


def summary(found: LikeStudy) -> str:
    """The Markdown summary; also what the command prints."""
    lines = [
        f"# A world like `{one_line(found.log.path)}`",
        "",
        f"{found.decisions} decisions of {found.world.users} users, {found.replicates} replicates, "
        f"seed {found.seed}; ± are Monte-Carlo standard errors: of this world, not of the log.",
        "",
        found.advice,
        "",
        f"| policy | {ON_LOGGED} | {IF_DEPLOYED} | gap |",
        "| --- | --- | --- | --- |",
    ]
    for p in found.policies:
        logged, deployed = p.logged, p.deployed
        lines.append(
            f"| `{one_line(p.policy)}` | {_with(logged.value, logged.standard_error)} "
            f"| {_with(deployed.value, deployed.standard_error)} | {_with(*p.gap)} |"
        )
    lines += ["", "Assumed:", "", *(f"- {one_line(said)}" for said in found.assumptions)]
    for p in found.policies:
        lines += ["", *_table(p.policy, p.pairs)]
    return "\n".join(lines) + "\n"


def _table(policy: str, pairs: Sequence[Pair]) -> Iterator[str]:
    yield f"Question: {ON_LOGGED}. `{one_line(policy)}`, the narrowest first:"
    yield ""
    yield "| estimator | interval | coverage | width | bias | sd of estimates |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for p in sorted(pairs, key=lambda p: (p.width is None, p.width or 0.0)):
        covered = (
            "–" if p.coverage is None else f"{p.coverage:.3f} ± {p.coverage_standard_error:.3f}"
        )
        width = "–" if p.width is None else f"{p.width:.4f} ± {p.width_standard_error:.4f}"
        yield (
            f"| {p.estimator} | {p.interval or 'none is valid'} | {covered} | {width} "
            f"| {p.bias:+.4f} ± {p.bias_standard_error:.4f} | {p.standard_deviation:.4f} |"
        )


def _with(value: float, error: float | None) -> str:
    return f"{value:+.4f}" if error is None else f"{value:+.4f} ± {error:.4f}"


def plot(found: LikeStudy) -> bytes:
    """Coverage against width of every pair; the two values of every policy."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, p in enumerate(found.policies):
        shown = [q for q in p.pairs if q.coverage is not None and q.width is not None]
        left.plot(
            [q.width for q in shown],
            [q.coverage for q in shown],
            "o",
            ms=4,
            color=f"C{i}",
            label=_label(p.policy),
        )
        for q in shown:
            if found.best is not None and q.name == found.best.name:
                left.annotate(q.name, (q.width, q.coverage), fontsize=7, color=f"C{i}")
        logged, deployed = p.logged.value, p.deployed.value
        right.plot([logged, deployed], [i, i], color="0.7", zorder=0)
        right.plot(logged, i, "kx", label=ON_LOGGED if i == 0 else None)
        right.plot(deployed, i, "k+", ms=9, label=IF_DEPLOYED if i == 0 else None)
    left.axhline(found.level, color="0.6", lw=1, label=f"{found.level:g} promised")
    left.axhline(found.bar, color="0.6", lw=1, ls=":", label=f"{found.bar:.3f} asked for")
    left.set_xlabel(f"mean width, {ON_LOGGED}")
    left.set_ylabel("coverage")
    left.legend(fontsize=7)
    names = [_label(p.policy) for p in found.policies]
    right.set_yticks(range(len(names)), names, fontsize=7)
    right.set_ylim(len(names) - 0.5, -0.5)
    right.set_xlabel("truth in this world, reward per decision")
    right.legend(fontsize=7)
    return png(figure)


def _label(policy: str) -> str:
    text = one_line(policy if len(policy) <= 40 else f"{policy[:39]}…")
    return text.replace("$", r"\$")
