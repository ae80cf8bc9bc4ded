"""The visit: one log, every group of findings, in the order a reader wants them."""

from collections.abc import Iterator, Mapping, Sequence

from journal.log import NONE, Log
from policies import make
from policies.spec import is_ours
from replay.behavior.propensities import behavior_of
from replay.doctor.calibration import calibration
from replay.doctor.case import Case
from replay.doctor.challengers import Asked, challengers
from replay.doctor.choice import choice
from replay.doctor.contexts import contexts
from replay.doctor.diagnosis import Diagnosis, Finding, said
from replay.doctor.lateness import lateness
from replay.doctor.loggers import loggers
from replay.doctor.people import people
from replay.doctor.unanswered import unanswered
from replay.given import GivenLog, log_given
from replay.history.rebuilding import history_gap
from replay.sample import sample_of


def validate(
    log: GivenLog,
    policies: Asked | Sequence[Asked] = (),
    *,
    behavior: str | None = None,
    columns: Mapping[str, str] | None = None,
    reward_range: tuple[float, float] | None = None,
    action_by: str | None = None,
) -> Diagnosis:
    """Which questions a log can answer, which never, and why; docs/doctor.md lists the findings.

    `log`: a path, a `Log`, or a DataFrame (with `columns`, `reward_range`, `action_by` as in
    `evaluate`). `policies`: specs or functions to ask about beside the uniform and the greedy
    one; a spec learns from earlier feedback. `behavior`: the spec of a logger whose
    propensities were not logged. Raises `BadInput`: a log that breaks a rule is refused
    when it is read.
    """
    asked = [policies] if isinstance(policies, str) or callable(policies) else list(policies)
    for policy in asked:
        if isinstance(policy, str):
            make(policy)
    read = log_given(log, columns, reward_range, action_by)
    case = Case(read, sample_of(read), behavior_of(read, behavior))
    return Diagnosis(list(_findings(case, asked)))


def _findings(case: Case, policies: Sequence[Asked]) -> Iterator[Finding]:
    yield from _log(case)
    yield from loggers(case)
    yield from choice(case)
    counted = list(calibration(case))
    fits = all(f.severity == "fact" for f in counted)
    made_again = list(lateness(case, fits))
    yield from [*counted, *made_again]
    wrong = any(f.id in WRONG and f.severity == "cannot" for f in made_again)
    honest = fits and case.pmf is not None and not wrong
    yield from challengers(case, policies, honest)
    yield from people(case)
    yield from unanswered(case)
    yield from contexts(case)
    yield _audit(case.log, wrong)


WRONG = ("late", "rebuilt")  # what is found by making decisions again


def _log(case: Case) -> Iterator[Finding]:
    log, sample = case.log, case.sample
    yield said(
        "log",
        "fact",
        f"{len(log)} decisions of {case.users} users, {case.lengths.min()} to "
        f"{case.lengths.max()} candidates each, {len(log.arm_names)} arms, "
        f"{log.context.shape[1]} features ({log.features})",
        decisions=len(log),
        users=case.users,
    )
    yield said(
        "answers",
        "fact",
        f"{sample.answered} answered, {int(sample.silent.sum())} silent, {sample.censored} with an "
        "open reward window; behavior policies: " + ", ".join(log.policy_names),
        answered=sample.answered,
        silent=int(sample.silent.sum()),
        censored=sample.censored,
    )
    for note in log.notes:
        yield said("notes", "fact", note)


def _audit(log: Log, wrong: bool) -> Finding:
    """Whether `replay audit` can say yes: what it needs, and whether it would."""
    lacks = [
        name
        for name, gone in (
            ("pmf", log.pmf is None),
            ("state_seq", bool((log.state_seq == NONE).any())),
            ("digest", any(d is None for d in log.digest)),
        )
        if gone
    ]
    if lacks:
        return said(
            "audit",
            "cannot",
            "an audit bit for bit: it needs pmf, state_seq and digest of every decision, and "
            f"lacks {', '.join(lacks)}",
            "journal",
            lacks=lacks,
        )
    foreign = [spec for spec in log.policy_names if not is_ours(spec)]
    gap = history_gap(log)
    if wrong:
        return said("audit", "cannot", "an audit that holds: it names every decision that does not")
    if gap is not None:
        return said("audit", "cannot", f"an audit: it needs the journal from its start; {gap}")
    if foreign:
        rule = f"an audit of more than digests: {foreign[0]} is not a policy of ours"
        return said("audit", "cannot", rule)
    return said(
        "audit",
        "can",
        "audit: the log has all it needs, pmf, state_seq and digests; `replay audit` does it",
    )
