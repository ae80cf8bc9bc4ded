"""serve.py --experiment from outside: sticky over workers and restarts, counted, audited."""

import json
import sqlite3
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import read_log
from policies import BadInput
from policies.experiment import parse
from replay import audit
from serve import parser
from serve import serve as start

TEXT = """
name = "tips-1"
[[variants]]
name = "control"
policy = "random"
share = 0.5
[[variants]]
name = "challenger"
policy = "linucb:epsilon=0.2"
share = 0.5
"""
EXPERIMENT = parse(TEXT, "exp.toml")


def figures(server: Any) -> dict[str, float]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as reply:
        lines = reply.read().decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_a_user_has_one_variant_over_workers_and_restarts(
    serve: Callable[..., Any], tmp_path: Path, ask: Any, rng: np.random.Generator
) -> None:
    """Every reply names the policy of the user's variant; every worker counts into one sum."""
    file = tmp_path / "exp.toml"
    file.write_text(TEXT)
    own = {f"u{i}": EXPERIMENT.assigned(f"u{i}") for i in range(12)}
    for workers in ("2", "1"):
        server = serve(tmp_path, "--experiment", file, "--workers", workers, policy=None)
        assert server.spec == "experiment:tips-1"
        ready = {"policy": server.spec, "features": "tip-v1", "experiment": "tips-1"}
        assert server.send("GET", "/readyz") == (200, {"ready": True, **ready})
        for user, variant in own.items():
            with closing(server.connect()) as connection:
                body = ask(rng, user, k=3, request_id=f"r{workers}")
                for _ in range(2):  # a retry is counted apart
                    status, reply = server.send("POST", "/score", body, connection)
                    assert (status, reply["policy"]) == (200, variant.policy)
        said = figures(server)
        for variant in EXPERIMENT.variants:
            count = sum(v == variant for v in own.values())
            assert said[f'tipbandit_variant_decisions_total{{variant="{variant.name}"}}'] == count
            assert said[f'tipbandit_decisions_total{{policy="{variant.policy}"}}'] == count
        assert said['tipbandit_duplicates_total{of="score"}'] == 12
        assert server.stop()[0] == 0
    found = audit(read_log(tmp_path / "live.db", values=False))
    assert (found.ok, found.assigned, found.rebuilt) == (True, 24, 24)
    with closing(sqlite3.connect(tmp_path / "live.db")) as db:
        (kept,) = db.execute("SELECT value FROM meta WHERE key = 'experiment tips-1'").fetchone()
    assert json.loads(kept)["variants"][0] == {"name": "control", "policy": "random", "share": 0.5}


def refused(directory: Path, *options: str) -> str:
    """The one line of a server that does not start."""
    given = ["--state", str(directory / "states"), "--journal", str(directory / "live.db")]
    with pytest.raises(BadInput) as error:
        start(parser().parse_args([*options, *given, "--port", "0"]))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("name", "must be TOML"),
        (TEXT.replace("0.5", "0.4"), "share: must sum to 1 within 1e-09, found 0.8"),
        (TEXT.replace("epsilon=0.2", "epsilon=0"), "is deterministic, its log could evaluate no"),
        (TEXT.replace("random", "prophet"), "variants[0].policy: policy: must be one of"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_wrong_experiment_does_not_start(tmp_path: Path, text: str | None, rule: str) -> None:
    """One line, and no journal is begun."""
    file = tmp_path / "exp.toml"
    if text is not None:
        file.write_text(text)
    assert rule in refused(tmp_path, "--experiment", str(file))
    assert not (tmp_path / "live.db").exists()


def test_a_changed_experiment_under_its_name_does_not_start(tmp_path: Path) -> None:
    from journal.live import LiveJournal

    journal = LiveJournal(tmp_path / "live.db", tmp_path / "states")
    journal.keep(EXPERIMENT)
    journal.close()
    file = tmp_path / "exp.toml"
    file.write_text(TEXT.replace("epsilon=0.2", "epsilon=0.1"))
    assert "needs a new name" in refused(tmp_path, "--experiment", str(file))


def test_either_a_policy_or_an_experiment(tmp_path: Path) -> None:
    assert "not allowed with" in refused(tmp_path, "--experiment", "x", "--policy", "random")
    assert "one of the arguments --policy --policy-file --experiment is required" in refused(
        tmp_path
    )
