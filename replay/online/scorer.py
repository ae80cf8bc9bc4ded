"""Online behaviour: what a scorer's saved /metrics says of latency, fallbacks and errors."""

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from policies.errors import BadInput

QUANTILES = (0.5, 0.95, 0.99)
ELSEWHERE = "elsewhere"
_SAMPLE = re.compile(r"tipbandit_(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True)
class Online:
    """Figures of one scorer, since it started."""

    requests: int  # to /score
    latency_ms: tuple[tuple[float, float], ...]  # (low, high] holding each of `QUANTILES`
    decisions: Mapping[str, float]  # by policy
    failed: int  # replies of /score with a status of 500 or more
    refused: int  # with 400 to 499

    @property
    def fallbacks(self) -> int:
        """Decisions that were made elsewhere, because the scorer could not be reached in time."""
        return int(self.decisions.get(ELSEWHERE, 0.0))


def online_of(path: str | os.PathLike[str]) -> Online:
    """Reads Prometheus' text format 0.0.4 as /metrics writes it. Raises `BadInput`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(str(path), f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise BadInput(str(path), f"must be UTF-8 ({error.reason})") from None
    samples = dict(_samples(text, str(path)))
    try:
        return _online(samples, str(path))
    except BadInput:
        raise
    except (KeyError, ValueError) as error:  # a label that is missing, a bound that is no number
        raise BadInput(str(path), f"is not the text of a scorer's /metrics ({error})") from None


def _online(samples: Samples, path: str) -> Online:
    buckets = sorted(
        (float(labels["le"]), value)
        for (name, pairs), value in samples.items()
        for labels in [dict(pairs)]
        if name == "request_seconds_bucket" and labels.get("endpoint") == "/score"
    )
    counts = [n for _, n in buckets]
    if not buckets or buckets[-1][0] != math.inf or counts != sorted(counts):
        rule = "needs the histogram tipbandit_request_seconds of /score: save /metrics as it is"
        raise BadInput(path, rule)
    if not counts[-1] > 0:
        raise BadInput(path, "tells of no request to /score")
    by_status = {
        dict(pairs)["status"]: value
        for (name, pairs), value in samples.items()
        if name == "requests_total" and dict(pairs).get("endpoint") == "/score"
    }
    return Online(
        int(counts[-1]),
        tuple(_bucket(buckets, q) for q in QUANTILES),
        {
            dict(pairs).get("policy", "?"): value
            for (name, pairs), value in samples.items()
            if name == "decisions_total"
        },
        int(sum(v for status, v in by_status.items() if status >= "5")),
        int(sum(v for status, v in by_status.items() if "4" <= status < "5")),
    )


def _samples(
    text: str, path: str
) -> Iterator[tuple[tuple[str, tuple[tuple[str, str], ...]], float]]:
    for number, line in enumerate(text.splitlines(), 1):
        found = _SAMPLE.fullmatch(line.strip())
        if found is None:
            continue
        try:
            value = float(found[3])
        except ValueError:
            raise BadInput(f"{path} line {number}", "must end in a number", found[3]) from None
        if not math.isfinite(value) or value < 0:
            raise BadInput(f"{path} line {number}", "must end in a finite count", found[3])
        labels = tuple((k, _unquoted(v)) for k, v in _LABEL.findall(found[2] or ""))
        yield (found[1], labels), value


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text)


def _bucket(buckets: list[tuple[float, float]], q: float) -> tuple[float, float]:
    """The bucket of the histogram that holds the quantile, in milliseconds."""
    wanted = q * buckets[-1][1]
    at = next(i for i, (_, n) in enumerate(buckets) if n >= wanted)
    return (buckets[at - 1][0] * 1e3 if at else 0.0), buckets[at][0] * 1e3
