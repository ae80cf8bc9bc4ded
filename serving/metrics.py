"""What /metrics shows: counters in memory that all workers share, each in a row of its own.

A row is written by one process alone, eight bytes at a time; reading sums the rows. A worker
that was killed leaves its row to the one that takes its place, so nothing ever counts back.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serving.http import REASONS
from serving.policy_counts import DOUBLES, PolicyCounts

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
KINDS = ("done", "snooze", "dismiss", "number")
SINGLE = {
    "late_total": "Answers that came after their window: kept, not folded.",
    "unknown_total": "Answers to decisions that this journal does not hold.",
    "expired_total": "Silences folded as expired.",
    "voided_total": "Own decisions voided by one made elsewhere.",
    "rebuilds_total": "Users' states read from the journal.",
    "commits_total": "Batches on disk.",
    "committed_calls_total": "Requests in them.",
    "commit_failures_total": "Batches that could not be written.",
    "refused_connections_total": "Connections beyond the limit.",
    "cut_off_total": "Connections ended because they were slow.",
}
HELP = {
    "requests_total": "Requests by endpoint and status.",
    "decisions_total": "Decisions by policy.",
    "variant_decisions_total": "Decisions by variant of the experiment.",
    "rewards_total": "Rewards applied, by kind.",
    "duplicates_total": "Retries of what was written before.",
    "shadow_decisions_total": "Pmfs logged in shadow, by policy.",
    "shadow_failures_total": "Decisions at which a policy in shadow failed.",
    **SINGLE,
}

Labels = tuple[tuple[str, str], ...]


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclass(frozen=True, slots=True)
class Names:
    """What decisions are counted by."""

    policies: Sequence[str]
    variants: Sequence[str] = ()
    shadows: Sequence[str] = ()


class Metrics:
    """One worker's view: it counts into its row and reads all of them."""

    def __init__(
        self,
        endpoints: Sequence[str],
        names: Names,
        workers: int = 1,
        worker: int = 0,
        fd: int = -1,
    ) -> None:
        self._by = names
        self._histograms = ["commit", *endpoints]
        counters = [*self._counters(endpoints)]
        self._at = {counter: i for i, counter in enumerate(counters)}
        self._first = len(counters)
        table = self._first + len(self._histograms) * (len(SECONDS) + 2)
        self._width = table + DOUBLES
        self._memory = mmap.mmap(fd, workers * self._width * 8)
        self._all = memoryview(self._memory).cast("d")
        self._row = self._all[worker * self._width : (worker + 1) * self._width]
        starts = range(table, len(self._all), self._width)
        rows = [memoryview(self._memory)[at * 8 : (at + DOUBLES) * 8] for at in starts]
        self._decisions = PolicyCounts(rows, worker)
        for policy in (*names.policies, "elsewhere"):
            self._decisions.add(policy, 0.0)  # a zero from the start: a rate needs one

    @staticmethod
    def bytes_needed(endpoints: Sequence[str], names: Names, workers: int) -> int:
        """The size of the memory that `workers` share."""
        return workers * Metrics(endpoints, names)._width * 8

    def _counters(self, endpoints: Sequence[str]) -> Iterator[tuple[str, Labels]]:
        for endpoint in endpoints:
            for status in REASONS:
                yield "requests_total", (("endpoint", endpoint), ("status", str(status)))
        for variant in self._by.variants:
            yield "variant_decisions_total", (("variant", variant),)
        for kind in KINDS:
            yield "rewards_total", (("kind", kind),)
        for of in ("score", "reward", "decision"):
            yield "duplicates_total", (("of", of),)
        for name in ("shadow_decisions_total", "shadow_failures_total"):
            for policy in self._by.shadows:
                yield name, (("policy", policy),)
        for name in SINGLE:
            yield name, ()

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Counts; a policy may be one that was never counted before."""
        if name == "decisions_total":
            self._decisions.add(labels["policy"], amount)
            return
        self._row[self._at[name, tuple(labels.items())]] += amount

    def took(self, what: str, seconds: float) -> None:
        """One duration of an endpoint, or of a `commit`."""
        start = self._first + self._histograms.index(what) * (len(SECONDS) + 2)
        self._row[start + bisect_left(SECONDS, seconds)] += 1
        self._row[start + len(SECONDS) + 1] += seconds

    def _sum(self, at: int) -> float:
        return sum(self._all[at :: self._width]) if at < self._width else 0.0

    def text(self, gauges: dict[str, tuple[str, float]]) -> str:
        """Prometheus' text format 0.0.4; `gauges` by name: what it is, and its value."""
        lines: list[str] = []
        said = ""
        for (name, labels), at in self._at.items():
            if name != said:
                lines += [
                    f"# HELP tipbandit_{name} {HELP[name]}",
                    f"# TYPE tipbandit_{name} counter",
                ]
                said = name
            value = self._sum(at)
            if value or name != "requests_total":  # of 8 x 17 most can never be
                shown = ",".join(f'{k}="{_label(v)}"' for k, v in labels)
                lines.append(f"tipbandit_{name}{'{' + shown + '}' if shown else ''} {value:.17g}")
        lines += [
            f"# HELP tipbandit_decisions_total {HELP['decisions_total']}",
            "# TYPE tipbandit_decisions_total counter",
        ]
        for policy, value in self._decisions.totals().items():
            shown = f'policy="{_label(policy)}"'
            lines.append(f"tipbandit_decisions_total{{{shown}}} {value:.17g}")
        lines += self._histogram("commit_seconds", "From a batch's lock to its reply.", ["commit"])
        lines += self._histogram(
            "request_seconds", "From a whole request to its reply.", self._histograms[1:]
        )
        for name, (told, value) in gauges.items():
            lines += [f"# HELP tipbandit_{name} {told}", f"# TYPE tipbandit_{name} gauge"]
            lines.append(f"tipbandit_{name} {value:.17g}")
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str, told: str, which: Sequence[str]) -> Iterator[str]:
        yield f"# HELP tipbandit_{name} {told}"
        yield f"# TYPE tipbandit_{name} histogram"
        for what in which:
            start = self._first + self._histograms.index(what) * (len(SECONDS) + 2)
            label = "" if what == "commit" else f'endpoint="{what}",'
            total = 0.0
            for i, bound in enumerate([*map(str, SECONDS), "+Inf"]):
                total += self._sum(start + i)
                yield f'tipbandit_{name}_bucket{{{label}le="{bound}"}} {total:.17g}'
            tail = f"{{{label.rstrip(',')}}}" if label else ""
            yield f"tipbandit_{name}_sum{tail} {self._sum(start + len(SECONDS) + 1):.17g}"
            yield f"tipbandit_{name}_count{tail} {total:.17g}"
