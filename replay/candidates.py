"""The policies to evaluate, however they are given: spec, function, pmfs, or a file of pmfs."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from journal.checks import SUM_TOLERANCE
from journal.log import Log
from policies import BadInput, canonical, make
from policies.arrays import Bools, Floats
from policies.policy import Policy
from policies.state import UserState
from replay.history.walk import Learn, walk

PolicyFunction = Callable[[list[str], Floats], Sequence[float]]
"""`fn(candidate_ids, context (K, d)) -> pmf (K,)`, a policy that does not learn."""


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation policy would have done on a log."""

    name: str
    learn: Learn
    pmf: Floats  # (N,)
    matched: Bools | None  # (n,) by rejection replay
    learner: Policy | None = None  # what learned by it


def of_spec(
    log: Log,
    spec: str,
    learn: Learn,
    states: Mapping[str, UserState],
    known: Bools,
    score: Bools,
    threads: int,
) -> Evaluated:
    """A policy of ours, walked through the log."""
    policy = make(spec)
    if learn == "replay" and np.isnan(log.pscore).any():
        raise BadInput(log.path, "rejection replay needs a propensity for every decision")
    done = walk(log, policy, states=states, learn=learn, known=known, score=score, threads=threads)
    wanted = done.pmf[np.repeat(score, np.diff(log.offsets))]
    _check_sums(log, done.pmf, score, canonical(policy), wanted)
    return Evaluated(
        canonical(policy),
        learn,
        done.pmf,
        done.matched if learn == "replay" else None,
        policy if learn == "replay" else None,
    )


def of_function(log: Log, function: PolicyFunction) -> Evaluated:
    """A Python function asked decision by decision."""
    name = getattr(function, "__name__", "function")
    pmf = np.empty(int(log.offsets[-1]))
    for i in range(len(log)):
        start, stop = log.offsets[i], log.offsets[i + 1]
        said = function(log.candidate_ids[start:stop], log.context[start:stop])
        try:
            given = np.asarray(said, float)
        except (TypeError, ValueError):
            rule = "must return one probability a candidate"
            raise BadInput(f"policy {name}, decision {log.decision_id[i]}", rule, said) from None
        if given.shape != (stop - start,):
            rule = f"must return one probability a candidate, ({stop - start},)"
            raise BadInput(f"policy {name}, decision {log.decision_id[i]}", rule, given.shape)
        pmf[start:stop] = given
    _check_sums(log, pmf, np.ones(len(log), np.bool_), name, pmf)
    return Evaluated(name, "none", pmf, None)


def of_lists(log: Log, pmfs: Sequence[Any], name: str = "pmf") -> Evaluated:
    """One pmf a row, in the rows' order."""
    if len(pmfs) != len(log):
        raise BadInput(name, f"needs one pmf a decision, {len(log)}", len(pmfs))
    flat = []
    for i, given in enumerate(pmfs):
        row = np.asarray(given, dtype=float)
        k = int(log.offsets[i + 1] - log.offsets[i])
        if row.shape != (k,):
            rule = f"needs one probability a candidate, ({k},)"
            raise BadInput(f"{name} of decision {log.decision_id[i]}", rule, row.shape)
        flat.append(row)
    pmf = np.concatenate(flat)
    _check_sums(log, pmf, np.ones(len(log), np.bool_), name, pmf)
    return Evaluated(name, "none", pmf, None)


def of_file(log: Log, path: str) -> Evaluated:
    """A Parquet file with the columns `decision_id` and `pmf`, in any order."""
    if not os.path.isfile(path):
        raise BadInput(path, "no such file")
    try:
        table = pq.ParquetFile(path).read()
        table.validate(full=True)
        ids = table["decision_id"].cast(pa.string()).to_pylist()
        lists = table["pmf"].cast(pa.list_(pa.float64())).to_pylist()
    except KeyError as error:
        raise BadInput(path, f"needs the columns decision_id and pmf ({error})") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(path, f"is not a Parquet file of pmfs ({reason})") from None
    given = dict(zip(ids, lists, strict=True))
    if len(given) != len(ids):
        raise BadInput(path, "each decision_id may occur once")
    missing = next((d for d in log.decision_id if d not in given), None)
    if missing is not None:
        raise BadInput(path, "needs a pmf for every decision of the log, none for", missing)
    return of_lists(log, [given[d] for d in log.decision_id], f"pmf:{path}")


def _check_sums(log: Log, pmf: Floats, rows: Bools, name: str, wanted: Floats) -> None:
    bad = ~(wanted >= 0)
    sums = np.add.reduceat(pmf, log.offsets[:-1])
    off = rows & ~(np.abs(sums - 1) <= SUM_TOLERANCE)
    if bad.any() and not off.any():
        raise BadInput(
            f"policy {name}", "probabilities must not be negative", float(wanted[bad][0])
        )
    if off.any():
        at = int(np.flatnonzero(off)[0])
        rule = f"its pmf must be >= 0 and sum to 1 within {SUM_TOLERANCE:g}"
        raise BadInput(f"policy {name}, decision {log.decision_id[at]}", rule, float(sums[at]))
