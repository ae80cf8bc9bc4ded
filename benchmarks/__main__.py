"""`make bench`: LinUCB scoring side by side with C, numpy and the kernel without the JIT.

All in one run, alternating, medians of rounds, as ratios to the kernel. 10 candidates a
decision, 5 features, each candidate an arm of its own.
"""

import argparse
import ctypes
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from policies import make
from policies.policy import Batch
from policies.ridge import NO_PRIOR, upper_bounds
from policies.sums import Sums

USERS, ARMS, K, WIDTH = 2_000, 10, 10, 5


def job(decisions: int) -> tuple[Batch, Sums]:
    rng = np.random.default_rng(0)
    sums = Sums.zeros(1 + USERS * ARMS, WIDTH)
    folds = 20 * USERS * ARMS
    sums.fold(
        rng.integers(1, 1 + USERS * ARMS, folds),
        rng.uniform(-1, 1, (folds, WIDTH)),
        rng.choice([-1.0, 0.0, 1.0], folds),
    )
    user = rng.integers(USERS, size=decisions)
    slot = (1 + user[:, None] * ARMS + np.arange(K)).ravel()
    context = rng.uniform(-1, 1, (decisions * K, WIDTH))
    offsets = np.arange(decisions + 1) * K
    return Batch(offsets, context, slot, 1 + user * ARMS, 1 + (user + 1) * ARMS), sums


def numpy_scores(batch: Batch, sums: Sums, alpha: float) -> np.ndarray:
    """The usual way: numpy.linalg decision by decision."""
    lower = np.tril_indices(WIDTH)
    out = np.empty(len(batch.slot))
    for i in range(len(batch.offsets) - 1):
        for c in range(batch.offsets[i], batch.offsets[i + 1]):
            a = np.zeros((WIDTH, WIDTH))
            a[lower] = sums.gram[batch.slot[c]]
            a = a + a.T - np.diag(np.diag(a)) + np.eye(WIDTH)
            x = batch.context[c]
            theta, width = np.linalg.solve(a, np.stack([sums.moment[batch.slot[c]], x], axis=1)).T
            out[c] = theta @ x + alpha * np.sqrt(x @ width)
    return out


def compiled_c() -> Callable[[Batch, Sums, float], np.ndarray] | None:
    """The C kernel, built with gcc for the run; None where there is no gcc."""
    if shutil.which("gcc") is None:
        return None
    directory = tempfile.mkdtemp(prefix="tipbandit-bench-")
    library = Path(directory) / "linucb.so"
    source = Path(__file__).with_name("linucb.c")
    flags = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(library), "-lm"], check=True)
    function = ctypes.CDLL(str(library)).upper_bounds
    shutil.rmtree(directory)
    function.restype = None

    def run(batch: Batch, sums: Sums, alpha: float) -> np.ndarray:
        out = np.empty(len(batch.slot))
        arrays = [batch.offsets, batch.context, batch.slot, sums.gram, sums.moment]
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in arrays]
        function(
            ctypes.c_int64(len(batch.offsets) - 1),
            ctypes.c_int64(WIDTH),
            *pointers,
            ctypes.c_double(alpha),
            ctypes.c_double(1.0),
            ctypes.c_void_p(out.ctypes.data),
        )
        return out

    return run


def plain_python(batch: Batch, sums: Sums, alpha: float) -> np.ndarray:
    """The very kernel, interpreted."""
    out = np.empty(len(batch.slot))
    function: Any = upper_bounds
    interpreted = getattr(function, "py_func", function)
    called = {name: interpreted.__globals__[name] for name in ("factor", "ridge")}
    for name, kernel in called.items():
        interpreted.__globals__[name] = getattr(kernel, "py_func", kernel)
    try:
        arrays = (batch.offsets, batch.context, batch.slot, batch.first, batch.last)
        interpreted(*arrays, sums.gram, sums.moment, alpha, 1.0, False, *NO_PRIOR, out)
    finally:
        interpreted.__globals__.update(called)
    return out


def main() -> None:
    options = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options.add_argument("--rounds", type=int, default=9)
    asked = options.parse_args()
    policy = make("linucb:alpha=1.0")
    big, sums = job(100_000)
    small, _ = job(200)
    ways: dict[str, tuple[Callable[[], np.ndarray], int]] = {
        "kernel, batched": (lambda: policy.score(big, sums), 100_000),
    }
    c = compiled_c()
    if c is not None:
        ways["C, one core"] = (lambda: c(big, sums, 1.0), 100_000)
        same = np.array_equal(c(big, sums, 1.0).view(np.int64), policy.score(big, sums).view("i8"))
        print_bits = "the same bits" if same else "OTHER BITS"
    else:
        print_bits = "no gcc here"
    ways["numpy, a solve a candidate"] = (lambda: numpy_scores(small, sums, 1.0), 200)
    ways["kernel without the JIT"] = (lambda: plain_python(small, sums, 1.0), 200)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(asked.rounds):
        for name, (way, decisions) in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append((time.perf_counter() - began) / decisions * 1e9)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    base = medians["kernel, batched"]
    if asked.json:
        rows = {n: {"ns": m, "ratio": m / base} for n, m in medians.items()}
        print(json.dumps({"unit": "ns a decision", "c": print_bits, "ways": rows}))
        return
    print(f"LinUCB scores, K={K}, d={WIDTH}, median of {asked.rounds} rounds; C: {print_bits}")
    for name, median in medians.items():
        print(f"{name:28} {median:12,.0f} ns a decision   {median / base:8.1f} x the kernel")


if __name__ == "__main__":
    main()
