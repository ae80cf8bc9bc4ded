"""The commands of `python -m sim`; each loads what it needs when it runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="A synthetic Todoist world with known truth: logs, closed loops, people for a server.",
    epilog="Example: python -m sim run --scenario mornings --policy linucb --policy random",
)

ScenarioOption = Annotated[
    str,
    typer.Option(help="steady, procrastinators, mornings, drift or depletion."),
]
Users = Annotated[int, typer.Option(help="People.")]
Days = Annotated[int, typer.Option(help="Days they live through.")]
Seed = Annotated[int, typer.Option(help="The world's seed, apart from every policy's.")]
Window = Annotated[str, typer.Option(help="How long an answer is awaited: 90m, 24h, 7d, never.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


@app.command(
    epilog="Example: python -m sim generate --scenario mornings --users 200 --days 28 "
    "--policy random --seed 1 --out mornings.parquet"
)
def generate(
    scenario: ScenarioOption,
    out: Annotated[Path, typer.Option(help="The log: .parquet, or .arrow for Arrow IPC.")],
    policy: Annotated[str | None, typer.Option(help="Spec of the policy that decides.")] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="Instead: TOML, several policies, each for its people.")
    ] = None,
    users: Users = 100,
    days: Days = 28,
    seed: Seed = 0,
    reward_window: Window = "24h",
    as_json: Json = False,
) -> None:
    """Writes the log of a population, with each candidate's hidden expected reward."""
    from journal.files import write_log
    from journal.live_experiment import read_experiment
    from policies import make
    from policies.errors import BadInput
    from policies.records import seconds
    from sim.logs import generate as simulate

    if not out.parent.is_dir():
        raise BadInput(str(out), "the directory does not exist", str(out.parent))
    if (policy is None) == (experiment is None):
        raise BadInput("usage", "give either --policy or --experiment, one of them")
    served = make(policy) if policy is not None else read_experiment(str(experiment))
    log = simulate(scenario, users, days, served, seed, seconds(reward_window))
    write_log(log, out)
    if as_json:
        print(json.dumps({"log": str(out), "decisions": len(log), **(log.world or {})}))
    else:
        print(f"{out}: {len(log)} decisions of {len(log.user_names)} people, {scenario}")


@app.command(
    epilog="Example: python -m sim run --scenario mornings --users 100 --days 28 "
    "--policy linucb --policy linucb:arm=shared --seed 1"
)
def run(
    scenario: ScenarioOption,
    policy: Annotated[list[str], typer.Option(help="Spec of a policy; may be repeated.")],
    users: Users = 100,
    days: Days = 28,
    seed: Seed = 0,
    reward_window: Window = "24h",
    as_json: Json = False,
) -> None:
    """The value if deployed: each policy in closed loop with the same people and noise."""
    from policies import make
    from policies.records import seconds
    from sim.deployment import QUESTION, difference
    from sim.deployment import run as simulate

    window = seconds(reward_window)
    found = simulate(scenario, users, days, [make(spec) for spec in policy], seed, window)
    rows = [one.to_dict() for one in found]
    differences = [difference(one, found[0]) for one in found[1:]]
    if as_json:
        world = {"scenario": scenario, "users": users, "days": days, "seed": seed}
        print(json.dumps({"world": world, "policies": rows, "differences": differences}))
        return
    print(f"Question: {QUESTION}, mean expected reward per decision in the simulated world.")
    for row in rows:
        print(f"{row['truth_deployed']:+.4f} ± {_error(row)} (se over people)  {row['policy']}")
    for d in differences:
        print(f"{d['value']:+.4f} ± {_error(d)} (paired)  {d['policy']} - {d['against']}")


def _error(row: dict[str, float | None]) -> str:
    error = row["standard_error"]
    return "unknown" if error is None else f"{error:.4f}"


@app.command(
    epilog="Example: python -m sim play --scenario mornings --url http://127.0.0.1:8080 "
    "--decisions 200 --seed 1"
)
def play(
    scenario: ScenarioOption,
    url: Annotated[str, typer.Option(help="Where serve.py listens.")],
    decisions: Annotated[int, typer.Option(help="How many tips are asked for.")] = 200,
    users: Users = 20,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Lets simulated people use a running server: raw tasks in, answers as they come."""
    from sim.play import play as run_people

    found = run_people(url, scenario, decisions, seed, users).to_dict()
    if as_json:
        print(json.dumps(found))
        return
    print(
        f"{found['decisions']} decisions, {found['answered']} answered; mean reward "
        f"{found['mean_reward']:+.4f}, expected {found['truth_deployed']:+.4f} per decision "
        f"({found['question']}); /score median {found['score_ms_median']:.1f} ms"
    )
