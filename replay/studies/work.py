"""Independent jobs over all cores, in their order."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from journal.cli import progress

J = TypeVar("J")
R = TypeVar("R")


def parallel(job: Callable[[J], R], jobs: Sequence[J]) -> list[R]:
    """`job` of each; fresh processes, so that no thread is forked half-way."""
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(progress(pool.map(job, jobs), len(jobs), job.__module__))
