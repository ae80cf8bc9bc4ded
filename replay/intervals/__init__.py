"""Confidence intervals: `fn(rounds, estimate, level, seed) -> (low, high)`."""

from replay.intervals.anytime import anytime
from replay.intervals.auto import auto
from replay.intervals.bootstrap import bootstrap
from replay.intervals.cluster import cluster_t
from replay.intervals.cressie_read import cressie_read
from replay.intervals.interval import Interval
from replay.intervals.martingale import martingale

__all__ = [
    "INTERVALS",
    "Interval",
    "anytime",
    "auto",
    "bootstrap",
    "cluster_t",
    "cressie_read",
    "martingale",
]

INTERVALS: dict[str, Interval] = {
    "cluster-t": cluster_t,
    "bootstrap": bootstrap,
    "cressie-read": cressie_read,
    "auto": auto,
    "anytime": anytime,
    "martingale": martingale,
}
