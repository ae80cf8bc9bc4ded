"""`make loop` at a small size: from a fresh log to a champion that is served, and back."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_weekly_routine(tmp_path: Path) -> None:
    """Acceptance 1: promoted and served, a planted loser refused, rolled back."""
    out = tmp_path / "loop"
    small = ["--users", "36", "--decisions", "60", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.loop", *small],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said = done.stdout.splitlines()
    passed, refused = said.index("passed"), said.index("refused")
    promoted = next(i for i, line in enumerate(said) if line.startswith("promoted: v0001-"))
    back = next(i for i, line in enumerate(said) if line.startswith("rolled back: v0002-"))
    history = next(i for i, line in enumerate(said) if "replay history" in line)
    assert passed < promoted < refused < back < history
    assert any(line.startswith("refused: the gate did not pass") for line in said)
    assert said[-1] == "2 versions, each as it was registered"
    assert json.loads((out / "gate-loser" / "gate.json").read_text())["passed"] is False
    rollouts = (out / "registry" / "rollouts.jsonl").read_text().splitlines()
    assert len(rollouts) == 3
