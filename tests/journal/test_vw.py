"""dsjson of Vowpal Wabbit: real lines, what is made of features, and every refusal by its line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journal import Log, read_log
from journal.importers.vw_features import MOST_FEATURES, MOST_TEXTS
from policies import BadInput
from replay import evaluate

# python/tests of VowpalWabbit/vowpal_wabbit, test_dsjson
PERSON = (
    '{"_label_cost":-1.0,"_label_probability":0.5,"_label_Action":1,"_labelIndex":0,"o":[{"v":1.0,'
    '"EventId":"38cbf24f-70b2-4c76-aa0c-970d0c8d388e","ActionTaken":false}],"Timestamp":'
    '"2020-11-15T17:09:31.8350000Z","Version":"1","EventId":"38cbf24f-70b2-4c76-aa0c-970d0c8d388e",'
    '"a":[1,2],"c":{ "GUser":{"id":"person5","major":"engineering","hobby":"hiking",'
    '"favorite_character":"spock"}, "_multi": [ { "TAction":{"topic":"SkiConditions-VT"} }, '
    '{ "TAction":{"topic":"HerbGarden"} } ] },"p":[0.5,0.5],"VWState":{"m":"N/A"}}'
)
# the tests of Azure Personalizer's logs in SynapseML
COFFEE = (
    '{"_label_cost":-0.0,"_label_probability":0.05000000074505806,"_label_Action":4,"_labelIndex":'
    '3,"o":[{"v":0.0,"EventId":"13118d9b4c114f8485d9dec417e3aefe","ActionTaken":false}],'
    '"Timestamp":"2021-02-04T16:31:29.2460000Z","Version":"1","EventId":'
    '"13118d9b4c114f8485d9dec417e3aefe","a":[4,2,1,3],"c":{"FromUrl":[{"timeofday":"Afternoon",'
    '"weather":"Sunny","name":"Cathy"}],"_multi":[{"_tag":"Cappucino","i":{"constant":1,"id":'
    '"Cappucino"},"j":[{"type":"hot","origin":"kenya","organic":"yes","roast":"dark"}]},{"_tag":'
    '"Cold brew","i":{"constant":1,"id":"Cold brew"},"j":[{"type":"cold","origin":"brazil",'
    '"organic":"yes","roast":"light"}]},{"_tag":"Iced mocha","i":{"constant":1,"id":"Iced mocha"},'
    '"j":[{"type":"cold","origin":"ethiopia","organic":"no","roast":"light"}]},{"_tag":"Latte",'
    '"i":{"constant":1,"id":"Latte"},"j":[{"type":"hot","origin":"brazil","organic":"no","roast":'
    '"dark"}]}]},"p":[0.05,0.05,0.05,0.85],"VWState":{"m":'
    '"ff0744c1aa494e1ab39ba0c78d048146/550c12cbd3aa47f09fbed3387fb9c6ec"},'
    '"_original_label_cost":-0.0}'
)


def line(i: int = 0, **changed: Any) -> dict[str, Any]:
    """A decision among three; None takes a key away."""
    said: dict[str, Any] = {
        "_label_cost": -1.0,
        "_label_probability": 0.2,
        "_label_Action": 3,
        "_labelIndex": 2,
        "Timestamp": "2021-07-29T10:00:00.25Z",
        "EventId": f"e{i}",
        "a": [3, 1, 2],
        "c": {
            "User": {"age": 30 + i, "id": f"u{i % 2}"},
            "_multi": [{"n": {"x": c}} for c in "abc"],
        },
        "p": [0.2, 0.5, 0.3],
        "VWState": {"m": "model-7"},
    }
    return {k: v for k, v in {**said, **changed}.items() if v is not None}


def written(path: Path, *lines: Any) -> Path:
    texts = [text if isinstance(text, str) else json.dumps(text) for text in lines]
    path.write_text("\n".join(texts) + "\n")
    return path


def log_of_lines(tmp_path: Path, *lines: Any, options: str = "") -> Log:
    return read_log(f"vw:{written(tmp_path / 'log.json', *lines)}{options}")


def columns(log: Log) -> list[str]:
    """The names of the features as the note tells them."""
    (note,) = [n for n in log.notes if n.startswith("context features: ")]
    return note.removeprefix("context features: ").split(", ")


def test_a_real_line_of_the_python_tests(tmp_path: Path) -> None:
    log = log_of_lines(tmp_path, PERSON)
    assert log.decision_id == ["38cbf24f-70b2-4c76-aa0c-970d0c8d388e"]
    assert log.decided_at.tolist() == [1_605_460_171_835_000]
    assert (log.reward[0], log.pscore[0], log.action[0]) == (1.0, 0.5, 0)
    assert log.candidate_ids == log.arm_names == ["0", "1"]
    assert log.user_names == ["row-0"]
    assert log.policy_names == ["vw"]
    assert log.reward_range == (0.0, 1.0)
    assert columns(log)[0] == "_multi.TAction.topic (2)"
    assert log.context.shape == (2, 6)
    assert (log.context[:, 2:] == 1.0).all()
    assert log.context[:, :2].tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_real_line_of_personalizer(tmp_path: Path) -> None:
    """`p` is in the order of `a`, the log in the order of `_multi`; single precision is no lie."""
    log = log_of_lines(tmp_path, COFFEE)
    assert log.candidate_ids == ["Cappucino", "Cold brew", "Iced mocha", "Latte"]
    assert log.pmf is not None
    assert log.pmf.tolist() == [0.05, 0.05, 0.85, 0.05]
    assert log.action.tolist() == [3]
    assert log.pscore[0] == pytest.approx(0.05, rel=1e-7)
    assert log.policy_names[0].startswith("ff0744c1aa494e1ab39ba0c78d048146/")


def test_the_pmf_follows_the_actions_not_the_ranking(tmp_path: Path) -> None:
    log = log_of_lines(tmp_path, line())
    assert log.pmf is not None
    assert log.pmf.tolist() == [0.5, 0.3, 0.2]
    assert log.pmf[log.chosen].tolist() == log.pscore.tolist() == [0.2]
    part = line(1, a=[3, 1], p=[0.2, 0.8])
    assert log_of_lines(tmp_path, part).table["pmf"].to_pylist() == [[0.8, 0.0, 0.2]]


def test_digits_that_were_not_printed_are_made_up_for(tmp_path: Path) -> None:
    """Thirds in six digits sum to .999999: divided by their sum, and the propensity with them."""
    thirds = line(p=[0.333333] * 3, _label_probability=0.333333)
    log = log_of_lines(tmp_path, thirds)
    assert log.pmf is not None
    assert log.pmf == pytest.approx(np.full(3, 1 / 3), abs=1e-15)
    assert log.pscore.tolist() == log.pmf[log.chosen].tolist()


def test_without_a_pmf_the_label_tells_the_propensity(tmp_path: Path) -> None:
    log = log_of_lines(tmp_path, line(p=None, a=None))
    assert log.pmf is None
    assert log.pscore.tolist() == [0.2]
    unlabelled = {k: None for k in line() if k.startswith("_label")}
    log = log_of_lines(tmp_path, line(**unlabelled))
    assert not log.answered.any()
    assert (log.action[0], log.pscore[0]) == (2, 0.2)


def test_features_have_names_an_order_and_bounds(tmp_path: Path) -> None:
    """Union over the file, sorted, missing = 0; texts one-hot; `_` ignored; twice is added."""
    many = [line(i, c={"U": {"id": f"u{i}", "t": ["a", "b"][i % 2 :]}, "_multi": [
        {"_tag": "p", "n": {"v": [i] * 11, "on": True, "_no": 1}, "m": [{"k": 1}, {"k": 2.5}]},
        {"_tag": "q", "s": None},
        {"_tag": "r", "deep": {"er": {"x": -0.5}}},
    ]}) for i in range(MOST_TEXTS + 1)]  # fmt: skip
    log = log_of_lines(tmp_path, *many)
    assert columns(log)[:6] == [
        "_multi.deep.er.x", "_multi.m.k", "_multi.n.on", "_multi.n.v[0]", "_multi.n.v[1]",
        "_multi.n.v[2]",
    ]  # fmt: skip
    assert log.context.shape[1] == 1 + 1 + 1 + 11 + 2
    second = log.context[3:6]
    assert second[0].tolist() == [0.0, 3.5, 1.0, *[1.0] * 11, 0.0, 1.0]
    assert second[2].tolist() == [-0.5, *[0.0] * 13, 0.0, 1.0]
    assert any(f"'c.U.id' is left out: more than {MOST_TEXTS}" in note for note in log.notes)
    wide = line(c={"_multi": [{"x": [1] * (MOST_FEATURES + 1)}] * 3})
    with pytest.raises(BadInput, match="at most 256 context features: leave some out with"):
        log_of_lines(tmp_path, wide)
    less = log_of_lines(tmp_path, wide, options="?drop=_multi.x")
    assert less.context.tolist() == [[1.0]] * 3


def test_the_order_of_lines_does_not_move_columns(tmp_path: Path) -> None:
    lines = [line(i, c={"A": {f"k{i}": i + 1.0}, "_multi": [{"t": "xyz"[i]}]}, a=None, p=None,
                  _label_Action=1, _labelIndex=0) for i in range(3)]  # fmt: skip
    there, back = log_of_lines(tmp_path, *lines), log_of_lines(tmp_path, *lines[::-1])
    assert there.context.tolist() == back.context[::-1].tolist()
    assert there.features == back.features
    assert there.features.startswith("vw-")
    assert log_of_lines(tmp_path, lines[0]).features != there.features


def test_a_user_by_its_path_is_no_feature(tmp_path: Path) -> None:
    lines = [line(i) for i in range(6)]
    log = log_of_lines(tmp_path, *lines, options="?user=c.User.id")
    assert log.user_names == ["u0", "u1"]
    assert columns(log) == ["_multi.n.x (3)", "c.User.age"]
    with pytest.raises(BadInput, match=r"line 1, c\.User\.name: must be 1-256 characters"):
        log_of_lines(tmp_path, *lines, options="?user=c.User.name")


@pytest.mark.parametrize(
    ("costs", "options", "wanted"),
    [
        ([-1, 0], "", (0.0, 1.0)),
        ([-0.5, 0.5], "", (-1.0, 1.0)),
        ([-7, 3], "", (-3.0, 7.0)),
        ([-7, 0], "", (-1.0, 7.0)),
        ([-1, 0], "?range=-2,5", (-2.0, 5.0)),
    ],
)
def test_the_range_of_rewards(
    tmp_path: Path, costs: list[float], options: str, wanted: tuple[float, float]
) -> None:
    log = log_of_lines(
        tmp_path, *[line(i, _label_cost=c) for i, c in enumerate(costs)], options=options
    )
    assert log.reward_range == wanted
    assert log.reward.tolist() == [-c for c in costs]
    assert not np.signbit(log.reward[log.reward == 0]).any()
    assert any("?range=" in note for note in log.notes) == (not options)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    answer = {"EventId": "e9", "o": [{"v": 1}]}
    o = [{"v": 1.0}]
    lines = [line(0, o=o), "", answer, line(1, _label_cost=0, _skipLearn=True),
             line(2, _label_cost=0), line(3, o=o), line(4, _label_cost=-0.5),
             line(5, _label_cost=0, o=[{"ActionTaken": True}])]  # fmt: skip
    log = log_of_lines(tmp_path, *lines)
    assert log.decision_id == ["e0", "e2", "e3", "e4", "e5"]
    assert log.answered.tolist() == [True, False, True, True, False]
    assert log.user_names == [f"row-{i}" for i in range(5)]
    said = " ".join(log.notes)
    assert "1 lines have no context" in said
    assert "1 decisions were never shown" in said
    assert "2 lines without an observation" in said
    assert set(log.notes) <= set(evaluate(log, "random").notices)
    assert log_of_lines(tmp_path, line(2, _label_cost=0)).answered.all()
    sampled = log_of_lines(tmp_path, line(0, pdrop=0.5), line(1, pdrop=0.5))
    assert any("dropped with probability 0.5" in note for note in sampled.notes)


def without(**changed: Any) -> dict[str, Any]:
    return line(1, **changed)


REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": ('{"_label_cost":', "line 2: must be JSON ("),
    "no number": ('{"_label_cost": NaN, "c": {}}', "line 2: must be JSON (NaN is no number"),
    "no object": ("[1]", "line 2: must be a JSON object, found [1]"),
    "half a text": (json.dumps(line(1, EventId="\ud800")), "line 2: must be text in UTF-8"),
    "context": (without(c=[]), "line 2, c: must be an object, found []"),
    "no actions": (without(c={}), "line 2, c._multi: must be a list of one action or more"),
    "an action": (without(c={"_multi": [1]}), "line 2, c._multi[0]: must be an object, found 1"),
    "a tag": (
        without(c={"_multi": [{"_tag": []}, {}, {}]}),
        "line 2, c._multi[0]._tag: must be text",
    ),
    "slots": (without(c={"_multi": [{}], "_slots": []}), "line 2, c._slots: one action a line"),
    "outcomes": (without(_outcomes=[]), "line 2, _outcomes: one discrete action a line"),
    "continuous": (without(_label_ca={}), "line 2, _label_ca: one discrete action a line"),
    "cost": (without(_label_cost="-1"), "line 2, _label_cost: must be a finite number, found '-1'"),
    "huge cost": (without(_label_cost=10**400), "line 2, _label_cost: must be a finite number"),
    "action 0": (without(_label_Action=0), "line 2, _label_Action: must be a whole number from 1"),
    "action 4": (without(_label_Action=4), "line 2, _label_Action: must be a whole number from 1"),
    "index": (without(_labelIndex=1), "line 2, _labelIndex: must be _label_Action - 1, found 1"),
    "a twice": (without(a=[3, 3, 1]), "line 2, a: must rank different actions of 1 to 3"),
    "a from 0": (without(a=[0, 1, 2]), "line 2, a: must rank different actions of 1 to 3"),
    "p short": (without(p=[0.2, 0.8]), "line 2, p: must be a list of 3, as a is"),
    "p alone": (without(a=None), "line 2, p: needs a"),
    "p sum": (without(p=[0.2, 0.5, 0.5]), "line 2, p: must sum to 1 within 0.001, found 1.2"),
    "p negative": (without(p=[0.2, 1.0, -0.2]), "line 2, p: must be in [0, 1], found -0.2"),
    "late": (
        without(_label_probability=0.5),
        "_label_probability: must be the p of the action, 0.2",
    ),
    "never": (without(_label_probability=0), "_label_probability: must be in (0, 1]"),
    "certain": (without(_label_probability=2), "_label_probability: must be in (0, 1]"),
    "not taken": (
        without(a=[1, 2], p=[0.5, 0.5], _label_probability=None),
        "line 2, _label_probability: must be in (0, 1] and at least 1e-50, found 0.0",
    ),
    "nothing": (
        without(a=None, p=None, _label_Action=None, _labelIndex=None),
        "line 2: needs _label_Action or a",
    ),
    "time": (without(Timestamp="noon"), "line 2, Timestamp: must be a time such as"),
    "no time": (without(Timestamp=None), "line 2, Timestamp: must be in every line or in none"),
    "event": (without(EventId=7), "line 2, EventId: must be text, found 7"),
    "event twice": (line(0), "line 2, EventId: must be unique, is that of"),
    "pdrop": (without(pdrop=1), "line 2, pdrop: must be in [0, 1), found 1.0"),
    "pdrops": (without(pdrop=0.1), "line 2, pdrop: must be 0 as in"),
    "model": (without(VWState={"m": 1}), "line 2, VWState.m: must be text, found 1"),
    "ours": (without(_tipbandit=1), "line 2, _tipbandit: must be an object, found 1"),
    "our digest": (
        without(_tipbandit={"user_id": "u", "digest": "zz"}),
        "line 2, _tipbandit.digest: must be fixed_size_binary[32], found 'zz'",
    ),
    "our user": (without(_tipbandit={"user_id": 5}), "line 2, _tipbandit.user_id: must be 1-256"),
    "our features": (
        without(_tipbandit={"features": 5}),
        "line 2, _tipbandit.features: must be string, found 5",
    ),
    "our range": (
        without(_tipbandit={"user_id": "u", "reward_range": 1}),
        "line 2, _tipbandit.reward_range: must be [low, high], found 1",
    ),
    "a large feature": (
        without(c={"x": 1e101, "_multi": [{}, {}, {}]}),
        "line 2, c.x: must be at most 1e+100 in size",
    ),
    "depths": (
        without(c={"x": json.loads('{"y":' * 40 + "1" + "}" * 40), "_multi": [{}, {}, {}]}),
        "line 2, c.x.y: is nested over 32 deep",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_line_is_named(tmp_path: Path, case: str) -> None:
    bad, said = REFUSED[case]
    with pytest.raises(BadInput) as caught:
        log_of_lines(tmp_path, line(0), bad)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'log.json'} line 2")
    assert said in message
    assert "\n" not in message


def test_files_and_options_that_mean_nothing(tmp_path: Path) -> None:
    def refused(address: str, said: str) -> None:
        with pytest.raises(BadInput) as caught:
            read_log(f"vw:{address}")
        assert said in str(caught.value)

    file = written(tmp_path / "log.json", line())
    refused(f"{tmp_path}/none.json", "none.json: no such file or directory")
    refused(str(tmp_path), ": must be a file")
    refused(f"{file}?users=c.User.id", "may say user=PATH, range=LOW,HIGH, drop=PATHS")
    refused(f"{file}?", "may say user=PATH")
    refused(f"{file}?range=1,0", "?range=: must be LOW,HIGH")
    refused(f"{file}?range=0,nan", "?range=: must be LOW,HIGH")
    refused(f"{file}?range=2,3", "line 1, _label_cost: the reward, its negative, must be in [2, 3]")
    refused(f"{file}?user=c.Nobody", "line 1, c.Nobody: must be 1-256 characters")
    refused(str(written(tmp_path / "no.json", "", {"o": []})), "holds no decision")
    (tmp_path / "bytes").write_bytes(b"PAR1\xff\xfe")
    refused(str(tmp_path / "bytes"), "line 1: must be text in UTF-8")


def test_a_uniform_logger_in_dsjson_is_evaluated(tmp_path: Path) -> None:
    """pi_e = pi_b: the ips of `random` on a uniform log is its mean reward, to rounding."""
    rng = np.random.default_rng(3)
    lines = []
    for i in range(200):
        action, ranking = int(rng.integers(3)), rng.permutation(3) + 1
        cost = -float(rng.integers(2))
        third = 1 / 3
        lines.append(line(i, _label_cost=cost, _label_Action=action + 1, _labelIndex=action,
                          _label_probability=third, a=ranking.tolist(), p=[third] * 3))  # fmt: skip
    log = log_of_lines(tmp_path, *lines, options="?user=c.User.id")
    found = evaluate(log, "random", estimators=["ips", "snips"]).to_dict()
    for row in found["policies"][0]["estimates"]:
        assert row["value"] == pytest.approx(log.reward.mean(), abs=1e-12)
        assert row["support"] == 1.0
