"""Priors: added when sums are read, known by their content, the same bits wherever."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies import BadInput, canonical, make, prior
from policies.loop import probabilities
from policies.state import UserState, to_json

WIDTH = 5
LOWER = np.tril_indices(WIDTH)


def belief(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(WIDTH, WIDTH))
    return rng.normal(size=WIDTH), root @ root.T + np.eye(WIDTH)


BELIEFS = {"work": belief(1), "home": belief(2)}
OTHERS = belief(3)


def said(mean: np.ndarray, precision: np.ndarray) -> dict[str, list[float]]:
    return {"mean": mean.tolist(), "precision": precision[LOWER].tolist()}


def record(**changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "prior",
        "features": "tip-v1",
        "width": WIDTH,
        "arms": {name: said(*one) for name, one in BELIEFS.items()},
        "others": said(*OTHERS),
        "learned_from": {"sketch": []},
    } | changes


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        path = tmp_path / "prior.json"
        path.write_text(json.dumps(record(**changes)))
        return path

    return write


def taught() -> UserState:
    rng = np.random.default_rng(5)
    state = UserState.empty("u", "tip-v1", WIDTH)
    for i in range(12):
        reward = float(rng.choice([-1, 0, 1]))
        state.fold(["work", "study"][i % 2], rng.uniform(-1, 1, WIDTH), reward, str(i), i)
    return state


@pytest.mark.parametrize("lam", [1.0, 0.3])
def test_a_prior_stands_in_the_place_of_lambda_i(file: Callable, lam: float) -> None:
    """By numpy: A = lambda P + G, b = lambda P mean + sum r x; four kinds of arm."""
    state, alpha = taught(), 0.7
    policy = make(f"linucb:alpha={alpha},lambda={lam},prior={file()}")
    arms = ["work", "home", "study", "new"]
    context = np.random.default_rng(6).uniform(-1, 1, (4, WIDTH))
    scores, _ = probabilities(policy, state, arms, context, "d")
    for arm, x, score in zip(arms, context, scores, strict=True):
        mean, precision = BELIEFS.get(arm, OTHERS)
        gram, moment = np.zeros((WIDTH, WIDTH)), np.zeros(WIDTH)
        if arm in state.arms:
            row = state.arms.index(arm) + 1
            gram[LOWER] = state.sums.gram[row]
            gram += np.tril(gram, -1).T
            moment = state.sums.moment[row]
        a = lam * precision + gram
        theta = np.linalg.solve(a, lam * precision @ mean + moment)
        wanted = theta @ x + alpha * np.sqrt(x @ np.linalg.solve(a, x))
        assert score == pytest.approx(wanted, rel=1e-12)


def test_the_prior_that_knows_nothing_is_the_cold_start(file: Callable) -> None:
    """Mean 0 and precision I: bit for bit."""
    nothing = said(np.zeros(WIDTH), np.eye(WIDTH))
    path = file(arms={"work": nothing}, others=nothing)
    context = np.random.default_rng(6).uniform(-1, 1, (3, WIDTH))
    warm, cold = (
        probabilities(make(spec), taught(), ["work", "study", "new"], context, "d")[0]
        for spec in (f"linucb:lambda=0.5,prior={path}", "linucb:lambda=0.5")
    )
    np.testing.assert_array_equal(warm.view(np.int64), cold.view(np.int64))


def test_states_do_not_know_of_priors(file: Callable) -> None:
    """Law 3: what is read changes, what is kept does not."""
    state = taught()
    before = to_json(state)
    probabilities(make(f"linucb:prior={file()}"), state, ["work"], np.ones((1, WIDTH)), "d")
    assert to_json(state) == before


def test_the_spec_names_the_content(file: Callable) -> None:
    """Another file of the same content is the same policy; the default is not written."""
    path = file()
    policy = make(f"linucb:prior={path}")
    spec = canonical(policy)
    assert spec.startswith("linucb:alpha=1.0,epsilon=0.05,lambda=1.0,arm=own,seed=0,prior=sha256:")
    assert make(spec) == policy
    other = path.with_name("copy.json")
    other.write_bytes(path.read_bytes())
    assert make(f"linucb:prior={other}") == policy
    assert canonical(make("linucb:prior=")) == canonical(make("linucb"))
    assert "prior" not in canonical(make("linucb"))


def test_a_prior_that_was_never_read_is_refused() -> None:
    """A hash is no content."""
    with pytest.raises(BadInput, match="name its file"):
        make(f"linucb:prior=sha256:{'0' * 64}")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "schema": ({"schema": 2}, "schema 1"),
    "kind": ({"kind": "state"}, "kind"),
    "no others": ({"others": None}, "is not a prior"),
    "width": ({"width": 4}, "expected 4"),
    "not finite": (
        {"others": {"mean": [float("nan")] * WIDTH, "precision": [0.0] * 15}},
        "finite",
    ),
    "not definite": ({"others": said(np.zeros(WIDTH), -np.eye(WIDTH))}, "eigenvalues"),
    "singular": ({"others": said(np.zeros(WIDTH), np.ones((WIDTH, WIDTH)))}, "eigenvalues"),
    "arms": ({"arms": [1]}, "is not a prior"),
    "sketch": ({"learned_from": {"sketch": ["x"]}}, "is not a prior"),
}


@pytest.mark.parametrize(("changes", "rule"), BAD.values(), ids=list(BAD))
def test_what_is_no_prior_is_refused_by_name(
    file: Callable, changes: dict[str, Any], rule: str
) -> None:
    """One line that names the file."""
    with pytest.raises(BadInput, match=rule) as error:
        make(f"linucb:prior={file(**changes)}")
    assert "prior.json" in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing, a directory, no text, no JSON."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "text").write_text("{")
    for name in ("missing", ".", "binary", "text"):
        with pytest.raises(BadInput, match=r"prior|missing"):
            make(f"linucb:prior={tmp_path / name}")


def test_a_prior_is_of_single_arms_and_of_its_features(file: Callable) -> None:
    """arm=shared has no place for it, contexts of another width neither."""
    path = file()
    with pytest.raises(BadInput, match="arm=own"):
        make(f"linucb:arm=shared,prior={path}")
    policy = make(f"linucb:prior={path}")
    for features, width, rule in (
        ("tip-v1", 2, "must be of 2 features, found 5"),
        ("obd-v1", WIDTH, "must be of the features obd-v1, found 'tip-v1'"),
    ):
        state = UserState.empty("u", features, width)
        with pytest.raises(BadInput, match=rule):
            probabilities(policy, state, ["a"], np.ones((1, width)), "d")


def test_a_missing_prior_is_told_from_a_known_one(file: Callable) -> None:
    """For the audit's words."""
    spec = canonical(make(f"linucb:prior={file()}"))
    assert not prior.is_prior_missing(spec)
    assert prior.is_prior_missing(f"linucb:prior=sha256:{'0' * 64}")
    assert [p.name for p in prior.priors_in([spec, "random", spec])] == [spec[-71:]]
