"""The audit: are the records as they were written, and does this code rebuild every one of them?"""

from collections.abc import Mapping, Sequence

import numpy as np

from journal.checks import check_values
from journal.live_bases import NO_CHAIN, Base, chained
from journal.log import NONE, Log
from journal.shadow_columns import check_shadow_values, shadow_names, shadows_of
from policies import BadInput, make
from policies.prior import is_prior_missing
from policies.records import record_digest
from policies.spec import is_ours
from policies.state import UserState, to_json
from replay.given import GivenLog, log_given
from replay.history.assigned import check_assignments, left_out
from replay.history.exported import whole
from replay.history.findings import Audit
from replay.history.rebuilding import history_gap, rebuild, same_bits
from replay.history.skew import check_skew
from replay.history.starts import made_before_base, starts_of
from replay.history.training import train
from replay.history.walk import walk

__all__ = ["Audit", "audit"]


def audit(
    log: GivenLog,
    states: Mapping[str, UserState] | None = None,
    threads: int = 1,
    *,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
    action_by: str | None = None,
    exports: Sequence[GivenLog] = (),
) -> Audit:
    """Verifies digests, rebuilds every pmf and action, and the `states` (user -> state).

    A `Log` comes from `read_log(path, values=False)`: its values are checked here, after the
    digests, so that a change is named by the decision it was made to. What a log of others
    cannot show is said, each with its reason; it is not a failure. A journal of which records
    were pruned goes on from its base states, or from zero given the `exports` that hold them.
    """
    log = log_given(log, columns, reward_range, action_by, values=False)
    bases, pruned = log.bases, 0
    if exports:
        log, pruned = whole(log, [log_given(e, values=False) for e in exports])
    found = Audit(decisions=len(log), pruned=pruned, bases=len(log.bases))
    _check_digests(log, found)
    for base in bases.values():
        if not base.holds:
            found.fail(f"base state of {base.user_id}: its digest does not match")
    if found.failures:
        return found
    check_values(log)
    check_skew(log, found)
    check_assignments(log, found)
    if _can_rebuild(log, found):
        gap = history_gap(log)
        if gap is not None:
            found.fail(f"{gap}, no state can be rebuilt")
        else:
            _check_policies(log, found, threads)
            _check_shadows(log, found, threads)
            if exports:
                _check_bases(log, bases, found)
            if states is not None:
                _check_states(log, states, found)
    if found.ok:
        check_shadow_values(log)  # of those that could not be rebuilt
    if found.ok and not found.digests and not found.rebuilt:
        found.skip(
            "nothing of this log was verified: it keeps the rules of its columns, and whether "
            "it is what was decided is unknown"
        )
    return found


def _check_digests(log: Log, found: Audit) -> None:
    digests = log.digest
    missing = sum(d is None for d in digests)
    if missing:
        found.skip(f"{missing} decisions have no digest: a later change of them cannot be seen")
    if log.pmf is None:
        if missing < len(log):
            found.skip("digests cover the pmf, which is not logged: none can be verified")
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


def _can_rebuild(log: Log, found: Audit) -> bool:
    """Whether decisions can be made again at all; every reason against it is said."""
    if log.pmf is None:
        found.skip(
            "no pmf is logged: nothing can be rebuilt; whether the propensities were computed "
            "before the feedback is the logger's word"
        )
    unnumbered = int((log.state_seq == NONE).sum())
    if unnumbered:
        where = "" if unnumbered == len(log) else f" for {unnumbered} decisions"
        found.skip(f"state_seq is not logged{where}: the states that decided are unknown")
    ours = [is_ours(spec) for spec in log.policy_names]
    shadows = map(is_ours, shadow_names(log))
    if log.pmf is not None and not unnumbered and (any(ours) or any(shadows)):
        return True
    for code, spec in enumerate(log.policy_names):
        if not ours[code]:
            _skip_policy(log, found, code, spec)
    return False


def _skip_policy(log: Log, found: Audit, code: int, spec: str) -> None:
    found.skip(f"{int((log.policy == code).sum())} decisions of {spec}: {_not_ours(spec)}")


def _not_ours(spec: str) -> str:
    if is_prior_missing(spec):
        return "its prior is not kept with the log; --policy with the prior's file makes it known"
    return "not a policy of ours"


def _check_policies(log: Log, found: Audit, threads: int) -> None:
    assert log.pmf is not None
    failures: dict[int, str] = {}
    given = ~np.isnan(log.pmf[log.chosen])
    if not given.all():
        found.skip(f"{int((~given).sum())} decisions have no pmf: they cannot be rebuilt")
    early = made_before_base(log)
    found.before_base = int(early.sum())
    if found.before_base:
        found.skip(
            f"the pmfs of {found.before_base} decisions, awaited while older ones were pruned: "
            "--export of what was pruned rebuilds them"
        )
    for code, spec in enumerate(log.policy_names):
        if not is_ours(spec):
            _skip_policy(log, found, code, spec)
            continue
        rows = given & (log.policy == code) & ~early
        again = rebuild(log, make(spec), rows, threads)
        for i in np.flatnonzero(rows).tolist():
            reason = again.reason(i)
            if reason is None:
                found.rebuilt += 1
            else:
                failures[i] = reason
    for i in sorted(failures):
        found.fail(f"decision {log.decision_id[i]}: {failures[i]}")


def _check_shadows(log: Log, found: Audit, threads: int) -> None:
    """No digest covers a shadow: its proof is that its pmf is what the logged state gives."""
    known = ~made_before_base(log)
    for shadow in shadows_of(log):
        rows = shadow.asked & ~shadow.failed & known
        count = int(rows.sum())
        found.shadows += count
        if gap := left_out(log, shadow.asked, ~shadow.asked):
            found.skip(
                f"{gap} decisions made between the first and the last at which {shadow.policy} was "
                "in shadow have none of it: another server made them, or its rows are gone"
            )
        if not is_ours(shadow.policy):
            found.skip(f"{count} pmfs of {shadow.policy} in shadow: {_not_ours(shadow.policy)}")
        elif count:
            try:
                pmf = walk(log, make(shadow.policy), score=rows, threads=threads).pmf
            except Exception as error:  # a policy of one's own may raise what it likes
                found.fail(f"shadow {shadow.policy}: it raised {type(error).__name__}")
                continue
            other = rows & ~same_bits(log, pmf, shadow.pmf)
            found.shadows_rebuilt += count - int(other.sum())
            for i in np.flatnonzero(other):
                what = f"the pmf of {shadow.policy} in shadow is not what it gives"
                found.fail(f"decision {log.decision_id[i]}: {what}")


def _check_states(log: Log, states: Mapping[str, UserState], found: Audit) -> None:
    """Each state must be the fold of its user's first `seq` feedbacks."""
    if not states:
        found.skip("the state directory is empty")
        return
    starts = starts_of(log)
    latest = dict.fromkeys(log.user_names, 0) | {name: s.seq for name, s in starts.items()}
    folded = np.flatnonzero(log.feedback_seq != NONE)
    for i in folded:
        name = log.user_names[log.user[i]]
        latest[name] = max(latest[name], int(log.feedback_seq[i]))
    for name, state in states.items():
        if name not in latest or state.seq > latest[name]:
            found.fail(f"state of {name}: it is ahead of the log")
            continue
        if name in starts and state.seq < starts[name].seq:
            found.skip(f"state of {name}: it is older than the base state and not used")
            continue
        if to_json(_folded(log, name, state.seq)) == to_json(state):
            found.states += 1
        else:
            found.fail(f"state of {name}: it is not the fold of its feedbacks")


def _folded(log: Log, name: str, seq: int) -> UserState:
    """A user's first `seq` feedbacks, folded from zero or from the base state."""
    start = starts_of(log).get(name)
    empty = start or UserState.empty(name, log.features, log.context.shape[1])
    if name not in log.user_names or seq == empty.seq:
        return empty
    rows = np.flatnonzero(log.user == log.user_names.index(name))
    try:
        return train(log.take(rows[log.feedback_seq[rows] <= seq])).get(name, empty)
    except BadInput:
        return empty


def _check_bases(log: Log, bases: Mapping[str, Base], found: Audit) -> None:
    """Each base state must be the fold of the exported records, and its chain theirs."""
    digests = log.digest
    for name, base in bases.items():
        theirs = np.array([user == name for user in log.user_names])
        rows = np.flatnonzero(theirs[log.user] & (log.feedback_seq != NONE))
        rows = rows[np.argsort(log.feedback_seq[rows])]
        early = rows[log.feedback_seq[rows] <= base.seq]
        chain = chained(NO_CHAIN, [digests[i] or b"" for i in early])
        if chain == base.chain and to_json(_folded(log, name, base.seq)) == base.text:
            found.bases += 1
        else:
            found.fail(f"base state of {name}: it is not the fold of what the exports hold")
