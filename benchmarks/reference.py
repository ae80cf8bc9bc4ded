"""`make reference`: the small run that is kept in git, made again by the commands it names."""

import argparse
import shutil
import subprocess
from pathlib import Path

from benchmarks.typed import run, say

MIDDLE = "2026-01-19T00:00:00Z"
LINUCB = "linucb:alpha=1,epsilon=0.05"
KEPT = Path("results/reference")
LOG, STATE = "results/mornings.parquet", Path("results/state")


def main() -> None:
    argparse.ArgumentParser(prog="benchmarks.reference", description=__doc__).parse_args()
    for old in STATE.glob("*.json"):  # `train` writes into an empty directory alone
        old.unlink()
    world = ["--scenario", "mornings", "--users", "60", "--days", "28", "--seed", "1"]
    run("-m", "sim", "generate", *world, "--policy", "random", "--out", LOG)
    run("-m", "replay", "train", LOG, "--until", MIDDLE, "--out", str(STATE))
    second_half = [LOG, "--since", MIDDLE, "--state", str(STATE), "--learn", "logged"]
    specs = ["--policy", "random", "--policy", LINUCB, "--against", "logged", "--deployed"]
    run("-m", "replay", "evaluate", *second_half, *specs, "--out", str(KEPT / "evaluation"))
    rivals = ["--champion", "random", "--challenger", LINUCB]
    run("-m", "replay", "gate", *second_half, *rivals, "--out", str(KEPT / "gate"))
    gate = ["--gate", str(KEPT / "gate" / "gate.json"), "--deployed"]
    about = ["--policy", LINUCB, "--champion", "random", *gate]
    run("-m", "replay", "card", *second_half, *about, "--out", str(KEPT / "card"))
    picture(KEPT / "card" / "card.html", KEPT / "card.png")


def picture(page: Path, out: Path) -> None:
    """The first screen of the card, for the README, where a browser is at hand."""
    browser = shutil.which("chromium")
    if browser is None:
        say(f"{out}: left as it was, there is no chromium")
        return
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    size = ["--window-size=1120,560", f"--screenshot={out.absolute()}"]
    subprocess.run(
        [browser, *quiet, *size, page.absolute().as_uri()],
        check=True,
        timeout=120,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
