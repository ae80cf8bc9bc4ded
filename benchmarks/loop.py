"""`make loop`: what a team does every week, from a fresh log to a rollback.

A challenger is trained, runs in shadow, passes a gate, gets its card, is promoted and served; a
planted loser is refused; the champion is followed up, and rolled back. The very commands that a
user would type, each printed before it runs.
"""

import argparse
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from urllib.request import urlopen

from benchmarks.typed import run, say, served

MIDDLE = "2026-01-19T00:00:00Z"  # the world begins on 2026-01-05 and lasts 28 days
FIRST = "random"
WINDOW_S = 3  # these people answer at once or never


def main() -> None:
    options = argparse.ArgumentParser(prog="benchmarks.loop", description=__doc__)
    options.add_argument("--out", type=Path, default=Path("results/loop"), help="results folder")
    options.add_argument("--users", default="200", help="people in the log")
    options.add_argument("--decisions", default="300", help="tips served in each phase")
    asked = options.parse_args()
    out: Path = asked.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log, prior = str(out / "log.parquet"), str(out / "prior.json")
    registry = ["--registry", str(out / "registry")]
    challenger = f"linucb:alpha=0.3,epsilon=0.1,prior={prior}"

    say("1. A fresh log, and the first champion: there is nothing yet to compare it with.")
    world = ["--scenario", "mornings", "--users", asked.users, "--days", "28", "--seed", "1"]
    run("-m", "sim", "generate", *world, "--policy", FIRST, "--out", log)
    run("-m", "replay", "validate", log)
    why = ["--force", "--why", "the first: what the log was made by"]
    run("-m", "replay", "promote", FIRST, *why, *registry)

    say("\n2. A challenger: linucb from the prior that the log's first half teaches.")
    run("-m", "replay", "train", log, "--prior", "--until", MIDDLE, "--out", prior)

    say("\n3. It runs in shadow, while people are served the champion.")
    live, state, pointer = out / "live.db", out / "live-state", out / "registry" / "champion.json"
    store = ["--journal", str(live), "--state", str(state), "--reward-window", f"{WINDOW_S}s"]
    with served("--policy-file", str(pointer), "--shadow", challenger, *store) as server:
        play(server.url, asked.decisions, seed=2)
        sleep(WINDOW_S + 1)  # a tip counts once its window is closed, answered or not
        run("-m", "replay", "shadow", str(live), "--as-of", now())
        metrics = out / "metrics.txt"
        metrics.write_bytes(urlopen(f"{server.url}/metrics", timeout=10).read())

        say("\n4. The gate, on the half of the log that it was not trained on; then its card.")
        judge = ["-m", "replay", "gate", log, "--since", MIDDLE]
        gate, card = str(out / "gate"), str(out / "card")
        run(*judge, "--champion", FIRST, "--challenger", challenger, "--out", gate)
        report = ["--gate", f"{gate}/gate.json"]
        about = ["--since", MIDDLE, "--champion", FIRST, *report, "--metrics", str(metrics)]
        about += registry
        run("-m", "replay", "card", log, "--policy", challenger, *about, "--out", card)

        say("\n5. Promoted, and served from the next request on.")
        evidence = [*report, "--card", card, "--why", "passed its gate"]
        run("-m", "replay", "promote", challenger, *evidence, *registry)
        server.hang_up()
        await_policy(server.url, "linucb")
        play(server.url, asked.decisions, seed=3)
        sleep(WINDOW_S + 1)

        say("\n6. A planted loser, its prior turned round: refused by the gate and by promote.")
        loser = f"linucb:alpha=0.3,epsilon=0.1,prior={turned_round(Path(prior))}"
        lost = str(out / "gate-loser")
        run(*judge, "--champion", challenger, "--challenger", loser, "--out", lost, code=1)
        run("-m", "replay", "promote", loser, "--gate", f"{lost}/gate.json", *registry, code=1)

        say("\n7. What was promised, and what came of it; all that was served is rebuilt.")
        run("-m", "replay", "follow-up", str(live), "--as-of", now(), *registry)
        run("-m", "replay", "audit", str(live))

        say("\n8. Back to the champion before, in one command.")
        run("-m", "replay", "rollback", "--why", "to show that it is one command", *registry)
        server.hang_up()
        await_policy(server.url, FIRST)
    say(f"\nresults: {out}")
    run("-m", "replay", "history", *registry)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def play(url: str, decisions: str, seed: int) -> None:
    """People of the world use the scorer."""
    people = ["-m", "sim", "play", "--scenario", "mornings", "--url", url]
    run(*people, "--decisions", decisions, "--seed", str(seed))


def await_policy(url: str, name: str) -> None:
    """Until the scorer says that it serves `name`: SIGHUP is not answered."""
    for _ in range(300):
        said = json.load(urlopen(f"{url}/readyz", timeout=10))
        if said["policy"].partition(":")[0] == name:
            say(f"GET /readyz: {json.dumps(said)}")
            return
        sleep(0.1)
    sys.exit(f"the scorer does not serve {name}")


def turned_round(prior: Path) -> Path:
    """A prior that likes what that one dislikes."""
    record = json.loads(prior.read_text())
    for row in (*record["arms"].values(), record["others"]):
        row["mean"] = [-x for x in row["mean"]]
    out = prior.with_name("prior-turned-round.json")
    out.write_text(json.dumps(record))
    return out


if __name__ == "__main__":
    main()
