"""`vw:FILE`: a log as Vowpal Wabbit's dsjson, one decision a line.

VW ignores `_tipbandit`, the columns that dsjson has no place for: with it the log comes
back whole, digests included. An unanswered decision has no label, not a cost of 0.
"""

import json
from datetime import timedelta
from typing import Any

import numpy as np

from journal.importers.vw_features import MOST_FEATURES
from journal.log import NO_TIME, NONE, Log
from journal.schema import experiments
from policies.errors import BadInput
from policies.records import EPOCH

FURTHER = ("experiment", "variant", "variant_probability", "task_inputs")
"""Columns whose values go into `_tipbandit` as they are."""


def write(log: Log, file: str) -> None:
    """Writes the lines to `file`, in the order of the log. Raises `BadInput` for a log too wide."""
    width = log.context.shape[1]
    if width > MOST_FEATURES:
        raise BadInput(log.path, f"dsjson here holds at most {MOST_FEATURES} features", width)
    with open(file, "w", encoding="utf-8", newline="\n") as lines:
        for i in range(len(log)):
            line = json.dumps(
                _line(log, i), ensure_ascii=False, allow_nan=False, separators=(",", ":")
            )
            lines.write(line + "\n")


def _line(log: Log, i: int) -> dict[str, Any]:
    """Row i; keys in the order of VW's own joiner, which some parsers rely on."""
    start, stop = log.offsets[i], log.offsets[i + 1]
    action, name = int(log.action[i]), log.decision_id[i]
    pmf = None if log.pmf is None or np.isnan(log.pmf[start]) else log.pmf[start:stop]
    pscore = float(log.pscore[i])
    line: dict[str, Any] = {}
    answered = bool(log.answered[i])
    expired = _word(log, i) == "expired"
    if answered:
        reward = float(log.reward[i])
        line["_label_cost"] = -reward
        if pscore == pscore:
            line["_label_probability"] = pscore
        line |= {"_label_Action": action + 1, "_labelIndex": action}
        if not expired:
            line["o"] = [{"v": reward, "EventId": name, "ActionTaken": False}]
    ranking = _ranking(pmf, action, int(stop - start))
    line |= {
        "Timestamp": _text(int(log.decided_at[i])),
        "Version": "1",
        "EventId": name,
        "a": [c + 1 for c in ranking],
        "c": {
            "_multi": [
                {"_tag": log.candidate_ids[c], "x": log.context[c].tolist()}
                for c in range(start, stop)
            ]
        },
    }
    if pmf is not None:
        line["p"] = pmf[ranking].tolist()
    line["VWState"] = {"m": log.policy_names[log.policy[i]]}
    ours = _ours(log, i)
    if not answered and pscore == pscore:
        ours["pscore"] = pscore  # a probability without a cost would be half a label
    line["_tipbandit"] = {key: value for key, value in ours.items() if value is not None}
    return line


def _ranking(pmf: Any, action: int, k: int) -> list[int]:
    """The action first, as VW logs it, then the most probable."""
    order = np.arange(k) if pmf is None else np.argsort(-pmf, kind="stable")
    return [action, *(int(c) for c in order if c != action)]


def _ours(log: Log, i: int) -> dict[str, Any]:
    start, stop = log.offsets[i], log.offsets[i + 1]
    truth = None if log.expected_reward is None else log.expected_reward[start:stop].tolist()
    digest, at = log.digest[i], int(log.feedback_at[i])
    kept = experiments(log.table.schema, log.path) if i == 0 else ()
    return {
        "user_id": log.user_names[log.user[i]],
        "features": log.features,
        "arms": [log.arm_names[a] for a in log.arm[start:stop]],
        "state_seq": _count(log.state_seq[i]),
        "feedback": _word(log, i),
        "feedback_at": None if at == NO_TIME else at,
        "feedback_seq": _count(log.feedback_seq[i]),
        "reward_window_s": _count(log.reward_window_s[i]),
        "expected_reward": None if truth is None or truth[0] != truth[0] else truth,
        "shadow_policies": log.table["shadow_policies"][i].as_py(),
        "shadow_pmfs": log.table["shadow_pmfs"][i].as_py(),
        "digest": None if digest is None else digest.hex(),
        "reward_range": list(log.reward_range),
        "world": log.world,
        **{name: log.table[name][i].as_py() for name in FURTHER},
        **({"priors": list(log.priors)} if i == 0 and log.priors else {}),
        **({"experiments": [e.text for e in kept]} if i == 0 and kept else {}),
    }


def _word(log: Log, i: int) -> str | None:
    word = int(log.feedback[i])
    return None if word == NONE else log.feedback_names[word]


def _count(value: Any) -> int | None:
    return None if value == NONE else int(value)


def _text(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds")[:-6] + "Z"
