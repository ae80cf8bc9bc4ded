"""The audit: are the records as they were written, and does this code rebuild every one of them?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from journal.checks import check_values
from journal.log import NONE, Log
from policies import BadInput, make
from policies.draw import draws, uniform
from policies.errors import one_line
from policies.records import record_digest
from policies.spec import is_ours
from policies.state import UserState, to_json
from replay.training import train
from replay.walk import walk


@dataclass
class Audit:
    """What was found; `ok` when nothing contradicts the log."""

    decisions: int = 0
    digests: int = 0  # verified
    rebuilt: int = 0  # pmf and action equal bit for bit
    states: int = 0  # state files equal bit for bit
    failures: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)  # what this log cannot show, and why

    def fail(self, what: str) -> None:
        """Notes what does not hold; a name from a log must not write lines of its own."""
        self.failures.append(one_line(what))

    def skip(self, what: str) -> None:
        """Notes what cannot be checked, and why."""
        self.unchecked.append(one_line(what))

    @property
    def ok(self) -> bool:
        """Whether everything that could be checked held."""
        return not self.failures


def audit(log: Log, states: Mapping[str, UserState] | None = None, threads: int = 1) -> Audit:
    """Verifies digests, rebuilds every pmf and action, and the `states` (user -> state).

    `log` comes from `read_log(path, values=False)`: its values are checked here, after the
    digests, so that a change is named by the decision it was made to.
    """
    found = Audit(decisions=len(log))
    _check_digests(log, found)
    if found.failures:
        return found
    check_values(log)
    if log.pmf is None:
        found.skip("no pmf is logged: nothing can be rebuilt")
        return found
    if not _whole_history(log, found):
        return found
    _check_policies(log, found, threads)
    if states is not None:
        _check_states(log, states, found)
    return found


def _check_digests(log: Log, found: Audit) -> None:
    digests = log.digest
    missing = sum(d is None for d in digests)
    if missing:
        found.skip(f"{missing} decisions have no digest")
    if log.pmf is None:
        return
    raw = log.table["pscore"].to_pylist()
    for i, digest in enumerate(digests):
        if digest is None:
            continue
        decision = log.decision(i)
        if record_digest(decision, log.feedback_of(i)) != digest:
            found.fail(f"decision {decision.decision_id}: its digest does not match")
        elif raw[i] != decision.pscore:
            found.fail(f"decision {decision.decision_id}: pscore is not pmf[action]")
        else:
            found.digests += 1


def _whole_history(log: Log, found: Audit) -> bool:
    """Whether the log holds each user's feedbacks from the first; else it cannot be rebuilt."""
    if (log.state_seq == NONE).any():
        found.skip("state_seq is not logged: the states that decided are unknown")
        return False
    folded = log.feedback_seq != NONE
    count = np.bincount(log.user[folded], minlength=len(log.user_names))
    ends = np.zeros(len(log.user_names), np.int64)
    np.maximum.at(ends, log.user[folded], log.feedback_seq[folded])
    need = ends.copy()
    np.maximum.at(need, log.user, log.state_seq)
    pairs = np.stack([log.user[folded], log.feedback_seq[folded]], axis=1)
    twice = len(np.unique(pairs, axis=0)) < len(pairs)
    gap = np.flatnonzero(need != count)
    if len(gap) or twice:
        who = log.user_names[int(gap[0])] if len(gap) else "some user"
        found.fail(f"user {who}: feedbacks are missing or doubled, no state can be rebuilt")
        return False
    return True


def _check_policies(log: Log, found: Audit, threads: int) -> None:
    assert log.pmf is not None
    for code, spec in enumerate(log.policy_names):
        rows = log.policy == code
        if not is_ours(spec):
            found.skip(f"{int(rows.sum())} decisions of {spec}: not a policy of ours")
            continue
        policy = make(spec)
        done = walk(log, policy, learn="logged", score=rows, threads=threads)
        inside = np.repeat(rows, np.diff(log.offsets))
        equal = np.ones(len(inside), np.bool_)
        equal[inside] = done.pmf[inside].view(np.int64) == log.pmf[inside].view(np.int64)
        whole = np.logical_and.reduceat(equal, log.offsets[:-1])
        u = np.array([uniform("act", policy.seed, name) for name in log.decision_id])
        action = draws(log.pmf, log.offsets, u)
        for i in np.flatnonzero(rows):
            if not whole[i]:
                said = "its pmf is not what the logged policy gives"
                found.fail(f"decision {log.decision_id[i]}: {said}")
            elif action[i] != log.action[i]:
                said = "its action is not the one its id draws"
                found.fail(f"decision {log.decision_id[i]}: {said}")
            else:
                found.rebuilt += 1


def _check_states(log: Log, states: Mapping[str, UserState], found: Audit) -> None:
    """Each state must be the fold of its user's first `seq` feedbacks."""
    if not states:
        found.skip("the state directory is empty")
        return
    latest = dict(zip(log.user_names, np.zeros(len(log.user_names), np.int64), strict=True))
    folded = np.flatnonzero(log.feedback_seq != NONE)
    for i in folded:
        name = log.user_names[log.user[i]]
        latest[name] = max(latest[name], log.feedback_seq[i])
    for name, state in states.items():
        if name not in latest or state.seq > latest[name]:
            found.fail(f"state of {name}: it is ahead of the log")
            continue
        rows = np.flatnonzero(log.user == log.user_names.index(name))
        early = rows[(log.feedback_seq[rows] <= state.seq)]
        kept = log.take(early)
        try:
            rebuilt = train(kept).get(name) if state.seq else None
        except BadInput:
            rebuilt = None
        if rebuilt is None:
            rebuilt = UserState.empty(name, log.features, log.context.shape[1])
        if to_json(rebuilt) == to_json(state):
            found.states += 1
        else:
            found.fail(f"state of {name}: it is not the fold of its feedbacks")
