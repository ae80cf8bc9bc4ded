"""`make demo`: the main job from a log to a served and audited policy.

A short list of the very commands a user would type, each printed before it runs.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

from benchmarks.typed import run, say, served

MIDDLE = "2026-01-19T00:00:00Z"  # the world begins on 2026-01-05 and lasts 28 days
LINUCB = "linucb:alpha=1,epsilon=0.05"


def main() -> None:
    options = argparse.ArgumentParser(prog="benchmarks.demo", description=__doc__)
    options.add_argument("--out", type=Path, default=Path("results/demo"), help="results folder")
    options.add_argument("--users", default="300", help="people in the logs")
    asked = options.parse_args()
    out: Path = asked.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log, state = str(out / "mornings.parquet"), str(out / "state")

    say("1. A log: people whose projects have their time of day, tips drawn at random.")
    world = ["--users", asked.users, "--days", "28", "--seed", "1"]
    simulate = ["-m", "sim", "generate", "--scenario", "mornings", *world]
    run(*simulate, "--policy", "random", "--out", log)
    run("-m", "replay", "validate", log)

    say("\n2. Learn from its first half; evaluate on the second, frozen and learning on.")
    run("-m", "replay", "train", log, "--until", MIDDLE, "--out", state)
    evaluate = ["-m", "replay", "evaluate", log, "--since", MIDDLE, "--state", state, "--deployed"]
    specs = ["--policy", "random", "--policy", LINUCB]
    for learn in ("none", "logged"):
        results = str(out / f"learn-{learn}")
        run(*evaluate, *specs, "--learn", learn, "--against", "logged", "--out", results)

    say("\n3. The same on the log of a deterministic logger: refused, it never tried the others.")
    greedy = str(out / "greedy.parquet")
    run(*simulate, "--policy", "linucb:alpha=1,epsilon=0", "--out", greedy)
    run("-m", "replay", "evaluate", greedy, *specs)

    say("\n4. The two questions: what is good on logged contexts may be used up when deployed.")
    depletion, tired = str(out / "depletion.parquet"), str(out / "depletion-state")
    scenario = ["-m", "sim", "generate", "--scenario", "depletion", *world]
    run(*scenario, "--policy", "random", "--out", depletion)
    run("-m", "replay", "train", depletion, "--until", MIDDLE, "--out", tired)
    both = ["-m", "replay", "evaluate", depletion, "--since", MIDDLE, "--state", tired]
    run(*both, "--policy", LINUCB, "--deployed", "--estimators", "snips,dr")

    say("\n5. Serve the policy that was evaluated; people use it over HTTP; audit what it did.")
    found = serve_and_play(out)
    rebuilt = re.search(r"; (\d+) of (\d+) decisions rebuilt", found)
    if rebuilt is None or rebuilt[1] != rebuilt[2]:
        sys.exit("demo: the audit did not rebuild every decision")
    say(f"\nresults: {out}")
    say(f"{rebuilt[1]} of {rebuilt[2]} served decisions were rebuilt bit for bit")


def serve_and_play(out: Path) -> str:
    """What the audit printed."""
    live, journal = str(out / "live-state"), str(out / "live.db")
    with served("--policy", LINUCB, "--state", live, "--journal", journal) as server:
        people = ["-m", "sim", "play", "--scenario", "mornings", "--url", server.url]
        run(*people, "--decisions", "300", "--seed", "2")
    return run("-m", "replay", "audit", journal, "--state", live, keep=True)


if __name__ == "__main__":
    main()
