"""Laws of reward models: by name or one's own, cross-fitted by user, and refused by name."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from journal import Log
from policies import BadInput
from replay.evaluation import evaluate
from replay.judged import Row
from replay.models.boosting import MOST_ARMS, Boosting
from replay.result import Evaluation

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"


class Constant:
    """Predicts what it is told."""

    told: object = 0.25

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        assert x.shape == (len(y), 6)

    def predict(self, x: np.ndarray) -> object:
        return np.full(len(x), self.told)


class Memory(Constant):
    """Remembers what it was fitted to, and whether it is asked about it again."""

    asked = 0

    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        self.seen = {row.tobytes() for row in x}
        assert len(self.seen) == len(y)

    def predict(self, x: np.ndarray) -> np.ndarray:
        Memory.asked += len(x)
        assert not self.seen & {row.tobytes() for row in x}
        return np.zeros(len(x))


def rows(found: Evaluation) -> dict[str, Row]:
    return {row.estimator: row for row in found.results[0].judged.rows}


def test_ridge_is_the_default(log: Log) -> None:
    found = evaluate(log, "linucb")
    assert found.to_dict() == evaluate(log, "linucb", model="ridge").to_dict()
    assert found.to_dict()["log"]["model"] == "ridge"


def test_what_a_model_predicts_is_q_hat(log: Log) -> None:
    """A constant is the value of every policy under `dm`, and changes nothing in `sndr`."""
    found = evaluate(log, "linucb", model=Constant, estimators=("dm", "sndr", "snips"))
    assert rows(found)["dm"].value == pytest.approx(0.25, rel=1e-12)
    assert rows(found)["sndr"].value == pytest.approx(rows(found)["snips"].value, rel=1e-9)
    assert found.model == "Constant"


def test_no_model_sees_whom_it_predicts(log: Log) -> None:
    """Users are in one fold each, and every candidate is predicted once."""
    Memory.asked = 0
    evaluate(log, "random", model=Memory)
    assert Memory.asked == len(log.arm)


@pytest.mark.parametrize("model", ["sklearn.linear_model:Ridge", Ridge, Ridge(), lambda: Ridge()])
def test_a_model_may_be_named_made_or_given(log: Log, model: object) -> None:
    """The one that is given stays as it was."""
    found = rows(evaluate(log, "linucb", model=model, estimators=("dm",)))["dm"]
    again = rows(evaluate(log, "linucb", model=Ridge(alpha=1.0), estimators=("dm",)))["dm"]
    assert found.value == again.value
    if isinstance(model, Ridge):
        assert not hasattr(model, "coef_")


def test_without_a_model_weights_are_left(log: Log) -> None:
    """`auto` is `snips` then, and whoever needs a model says so."""
    found, usual = evaluate(log, "linucb", model="none"), evaluate(log, "linucb")
    for name in ("dm", "dr"):
        assert rows(found)[name].value is None
        assert "no reward model could be fitted" in rows(found)[name].reasons
    for name in ("ips", "snips"):
        assert rows(found)[name] == rows(usual)[name]
    assert rows(found)["auto"].chosen["b"] == 0
    assert "no reward model, as asked: dm and dr need one" in found.notices


def step(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rewards that no line fits: a step whose direction is the arm's."""
    x = np.column_stack([rng.normal(size=(n, 2)), rng.integers(0, 6, n)])
    return x, np.where(x[:, 0] > 0, 0.5, -0.5) * np.where(x[:, 2] % 2 == 0, 1.0, -1.0)


def test_boosting_finds_what_no_line_fits() -> None:
    """The noise-free truth within a tenth of its spread, on rows it has not seen."""
    rng = np.random.default_rng(1)
    model = Boosting()
    x, mean = step(rng, 2000)
    model.fit(x, mean + rng.normal(scale=0.3, size=2000))
    x, mean = step(rng, 2000)
    assert ((model.predict(x) - mean) ** 2).mean() < 0.1 * mean.var()


def test_boosting_counts_rare_arms_as_one() -> None:
    """More arms than bins; one that was never seen is among the rare."""
    rng = np.random.default_rng(2)
    arm = np.arange(600) // 2 + np.concatenate([np.zeros(300), np.ones(300)])
    x = np.column_stack([rng.normal(size=600), arm])
    model = Boosting()
    model.fit(x, rng.normal(size=600))
    assert len(model.codes) == MOST_ARMS < len(np.unique(arm))
    assert np.isfinite(model.predict(np.array([[0.0, 1e6], [0.0, 3.0]]))).all()


def test_boosting_gives_the_same_bits_again(log: Log) -> None:
    found = [evaluate(log, "linucb", model="boosting").to_dict() for _ in range(2)]
    assert found[0] == found[1]
    assert found[0]["log"]["model"] == "boosting"
    assert found[0]["policies"] != evaluate(log, "linucb").to_dict()["policies"]


class NoPredict:
    fit = Constant.fit


class Broken(Constant):
    def fit(self, x: np.ndarray, y: np.ndarray) -> None:
        raise RuntimeError("no such luck")


def saying(value: object) -> type:
    return type("Saying", (Constant,), {"told": value})


class Short(Constant):
    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.zeros(3)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("forest", "--model: must be one of ridge, boosting, none or module:factory"),
        ("no.such:Thing", "model 'no.such:Thing': cannot be imported"),
        ("math:thing", "model 'math:thing': cannot be imported"),
        ("math:pi", "model 'math:pi': must have fit and predict (docs/extending.md), lacks fit"),
        (NoPredict, "model 'NoPredict': must have fit and predict (docs/extending.md), lacks pre"),
        (lambda: 1 / 0, "cannot be made: ZeroDivisionError: division by zero"),
        (Broken, "model 'Broken': failed: RuntimeError: no such luck"),
        (Short, "model 'Short': must predict one number a row, ("),
        (saying(np.nan), "model 'Saying': must predict finite numbers, found nan"),
        (saying("much"), "model 'Saying': failed: ValueError"),
    ],
)
def test_a_model_that_is_none_is_refused_by_name(log: Log, model: object, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        evaluate(log, "random", model=model)


def test_a_bad_model_is_one_line(refused: Callable[..., str], file: Path) -> None:
    for name in ("forest", "math:pi", "no.such:Thing"):
        assert name in refused("evaluate", file, "--policy", "random", "--model", name)


def test_the_model_of_the_docs_is_one(
    run: Callable, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/extending.md's own, by the command that stands there."""
    section = DOCS.read_text().partition("## A reward model")[2]
    block = re.search(r"```python\n(.*?)```", section, re.S)[1]
    (tmp_path / "documented_model.py").write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = re.search(r"--model mine(:\w+)", section)[1]
    name = f"documented_model{name}"
    done = run("evaluate", file, "--policy", "random", "--model", name, "--json")
    assert done.json["log"]["model"] == name
    values = {e["estimator"]: e["value"] for e in done.json["policies"][0]["estimates"]}
    assert values["dm"] == pytest.approx(done.json["log"]["mean_reward"], abs=0.1)
