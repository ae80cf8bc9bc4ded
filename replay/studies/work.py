"""Independent jobs over all cores, in their order."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from journal.cli import progress

J = TypeVar("J")
R = TypeVar("R")


def stream(job: Callable[[J], R], jobs: Sequence[J]) -> Iterator[R]:
    """`job` of each, one after the other as they are done; fresh processes, so that no
    thread is forked half-way.
    """
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from progress(pool.map(job, jobs), len(jobs), job.__module__)


def parallel(job: Callable[[J], R], jobs: Sequence[J]) -> list[R]:
    """All of them."""
    return list(stream(job, jobs))
