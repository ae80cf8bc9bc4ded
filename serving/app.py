"""What the endpoints do, apart from HTTP: which there are, and what comes of a call in words."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from journal.live import LiveJournal
from journal.live_calls import (
    Answered,
    Call,
    Conflict,
    Decided,
    Elsewhere,
    Outcome,
    Recorded,
    Told,
)
from policies.errors import BadInput
from policies.experiment import Experiment, name_of, policies_of
from policies.features import NAME, WIDTH
from policies.loop import UserLoop
from policies.policy import Policy
from policies.state import OTHER, UserState
from serving.http import Head, Refused
from serving.metrics import Metrics
from serving.openapi import document

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

ROUTES: dict[str, tuple[str, str | None]] = {
    "/score": ("POST", None),
    "/reward": ("POST", None),
    "/decision": ("POST", None),
    "/healthz": ("GET", None),
    "/readyz": ("GET", None),
    "/metrics": ("GET", PROMETHEUS),
    "/openapi.json": ("GET", None),
}
"""Each endpoint's method, and its content type when that is not JSON."""

ENDPOINTS = (*ROUTES, "other")
OPEN = ("/healthz", "/readyz")  # what probes ask, without the token

REFUSALS = {
    "unknown": (404, "no such decision"),
    "conflict": (409, "the decision was answered otherwise before"),
    "voided": (409, "the decision was voided by one made elsewhere"),
    "closed": (410, "the reward window is closed: kept, not folded"),
}
"""What is said of an answer that is neither applied nor a duplicate."""


class App:
    """A policy, or an experiment's several, over a journal, its figures and who may use it."""

    def __init__(
        self,
        policy: Policy | Experiment,
        journal: LiveJournal,
        metrics: Metrics,
        token: str | None = None,
    ) -> None:
        self.journal, self.metrics = journal, metrics
        self.take(policy)
        self.gauges: Callable[[], dict[str, tuple[str, float]]] = dict  # of who serves it
        self._authorization = None if token is None else f"Bearer {token}".encode()

    def take(self, policy: Policy | Experiment) -> None:
        """The policy that decides from the next batch on."""
        self.policy, self.name = policy, name_of(policy)

    def allows(self, head: Head) -> bool:
        """Whether who sent this may; compared in a time that tells nothing of the token."""
        if self._authorization is None or head.path in OPEN:
            return True
        return hmac.compare_digest(head.token, self._authorization)

    def commit(self, batch: Sequence[Call]) -> list[Outcome]:
        """Decides and writes a batch: the seam where a journal of several hosts would stand."""
        outcomes = self.journal.commit(self.policy, batch)
        self.metrics.add("commits_total")
        self.metrics.add("committed_calls_total", len(batch))
        return outcomes

    def count(self, call: Call, outcome: Outcome) -> None:
        """Into the figures."""
        add = self.metrics.add
        if isinstance(outcome, Decided | Recorded) and outcome.again:
            add("duplicates_total", of="score" if isinstance(outcome, Decided) else "decision")
        elif isinstance(outcome, Decided):
            add("decisions_total", policy=outcome.decision.policy)
            if isinstance(self.policy, Experiment):
                variant = self.policy.assigned(outcome.decision.user_id)
                add("variant_decisions_total", variant=variant.name)
            for shadow in outcome.shadows:
                what = "decisions" if shadow.failure is None else "failures"
                add(f"shadow_{what}_total", policy=shadow.policy)
        elif isinstance(outcome, Recorded):
            add("decisions_total", policy="elsewhere")
            add("voided_total", outcome.voided is not None)
        elif isinstance(outcome, Answered) and isinstance(call, Told):
            if outcome.outcome == "applied":
                add("rewards_total", kind=call.feedback or "number")
            elif outcome.outcome == "duplicate":
                add("duplicates_total", of="reward")
            elif outcome.outcome in ("closed", "unknown"):
                add("late_total" if outcome.outcome == "closed" else "unknown_total")

    def healthz(self) -> str:
        """The process answers."""
        return json.dumps({"status": "ok"})

    def readyz(self) -> str:
        """It can decide and write: whoever listens is warm."""
        self.journal.check()
        said = {"ready": True, "policy": self.name, "features": NAME}
        if isinstance(self.policy, Experiment):
            said["experiment"] = self.policy.name
        return json.dumps(said)

    def figures(self) -> str:
        """Prometheus' text format."""
        size = ("Size of the journal and its write-ahead log.", float(self.journal.size()))
        return self.metrics.text({"journal_bytes": size, **self.gauges()})

    def openapi(self) -> str:
        """The schemas that requests are checked by."""
        return json.dumps(document())


def told(call: Call, outcome: Outcome) -> Mapping[str, Any]:
    """The reply to a call. Raises `Refused` for what is no 200."""
    if isinstance(outcome, Decided):
        decision = outcome.decision
        return {
            "decision_id": decision.decision_id,
            "action": {"id": decision.candidate_ids[decision.action], "index": decision.action},
            "pscore": decision.pscore,
            "pmf": decision.pmf.tolist(),
            "scores": outcome.scores.tolist(),
            "policy": decision.policy,
            "features": decision.features,
            "state_seq": decision.state_seq,
        }
    if isinstance(outcome, Recorded):
        name, seq = outcome.decision.decision_id, outcome.decision.state_seq
        again = {"duplicate": True} if outcome.again else {"voided": outcome.voided}
        return {"recorded": not outcome.again, "decision_id": name, "state_seq": seq, **again}
    if isinstance(outcome, Answered):
        if outcome.outcome == "applied":
            return {"applied": True, "state_seq": outcome.state_seq}
        if outcome.outcome == "duplicate":
            return {"applied": False, "duplicate": True, "state_seq": outcome.state_seq}
        status, message = REFUSALS[outcome.outcome]
        raise Refused(status, outcome.outcome, message, "decision_id")
    if isinstance(outcome, Conflict):
        raise Refused(409, outcome.code, str(outcome), "request_id")
    if isinstance(outcome, BadInput):
        raise Refused(400, outcome.code, str(outcome), outcome.field)
    where = "decision" if isinstance(call, Elsewhere) else "policy"
    raise Refused(503, "failed", f"the {where} failed ({type(outcome).__name__})")


PAGES: dict[str, Callable[[App], str]] = {
    "/healthz": App.healthz,
    "/readyz": App.readyz,
    "/metrics": App.figures,
    "/openapi.json": App.openapi,
}


def warm(policy: Policy | Experiment) -> None:
    """Compiles the kernels before the first person waits for them."""
    loop = UserLoop(UserState.empty("warm-up", NAME, WIDTH))
    for i, each in enumerate(policies_of(policy)):
        loop.decide(each, f"warm-up {i}", 0, ["warm-up"], [OTHER], np.zeros((1, WIDTH)), None)
        loop.answer(f"warm-up {i}", None, 0.0, 0)
