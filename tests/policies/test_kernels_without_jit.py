"""The same bits with and without the JIT: the plain Python loop is the oracle."""

import hashlib
import os
import subprocess
import sys

import numpy as np

from policies import jit, make
from policies.loop import UserLoop
from policies.spec import POLICIES
from policies.state import UserState, to_json

SPECS = (
    "linucb:alpha=0.7,epsilon=0.1",
    "linucb:alpha=0.7,epsilon=0.1,arm=shared",
    "epsilon-greedy",
    "lin-ts:draws=5",
    "lin-ts:draws=5,arm=shared",
    "beta-ts:draws=5",
    "random",
)


def walked(spec: str) -> str:
    """A digest of all scores, pmfs, actions and the last state of 300 decisions."""
    rng = np.random.default_rng(9)
    policy = make(spec)
    loop = UserLoop(UserState.empty("u", "tip-v1", 5))
    digest = hashlib.sha256()
    for i in range(300):
        k = int(rng.integers(1, 9))
        arms = [str(a) for a in rng.choice(["work", "home", "*"], k)]
        context = rng.uniform(-1, 1, (k, 5))
        decision, scores = loop.decide(policy, f"d{i}", i, arms, arms, context, None)
        digest.update(scores.tobytes() + decision.pmf.tobytes() + bytes([decision.action]))
        if rng.random() < 0.7:
            loop.answer(decision.decision_id, None, float(rng.uniform(-1, 1)), i)
    digest.update(to_json(loop.state).encode())
    return digest.hexdigest()


def test_compiled_and_plain_python_give_the_same_bits() -> None:
    """This very file, run again with TIPBANDIT_JIT=0."""
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "TIPBANDIT_JIT": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {spec.partition(":")[0] for spec in SPECS} == set(POLICIES)
    compiled, *found = done.stdout.split()
    assert (jit.COMPILED, compiled) == (os.environ.get("TIPBANDIT_JIT") != "0", "False")
    assert found == [walked(spec) for spec in SPECS]


if __name__ == "__main__":
    print(jit.COMPILED, *(walked(spec) for spec in SPECS))
