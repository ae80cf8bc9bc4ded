"""`sim play`: simulated people use a running server, as an app would, over HTTP."""

import heapq
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from journal.cli import progress
from policies.errors import BadInput
from policies.rewards import REWARDS
from sim.closed import WINDOW_S
from sim.life import Life
from sim.plan import World
from sim.tasks import iso, moment

TIMEOUT_S = 30


@dataclass
class Played:
    """What came of it, as the app saw it."""

    decisions: int = 0
    answered: int = 0
    closed: int = 0  # answers that came after the server's reward window
    rewards: float = 0.0
    expected: float = 0.0  # sum of sum pmf q
    policies: list[str] = field(default_factory=list)
    score_ms: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        taken = sorted(self.score_ms)
        return {
            "decisions": self.decisions,
            "answered": self.answered,
            "closed": self.closed,
            "policies": self.policies,
            "question": "value if deployed",
            "mean_reward": self.rewards / self.decisions,
            "truth_deployed": self.expected / self.decisions,
            "score_ms_median": taken[len(taken) // 2],
            "score_ms_max": taken[-1],
        }


class Client:
    """One kept-alive connection to a scorer."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            parts, host, port = urlsplit(""), None, 0
        if parts.scheme != "http" or not host:
            raise BadInput("--url", "must look like http://127.0.0.1:8080", url)
        self._url = url
        self._base = parts.path.rstrip("/")
        try:
            self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        except http.client.InvalidURL as error:
            raise BadInput("--url", f"must name a host ({error})", url) from None

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """Status and JSON of a reply. Raises `BadInput` when there is no server."""
        headers = {"Content-Type": "application/json"}
        try:
            self._connection.request("POST", self._base + path, json.dumps(body), headers)
            reply = self._connection.getresponse()
            read: dict[str, Any] = json.loads(reply.read())
            return reply.status, read
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BadInput(self._url, f"no scorer answers there ({error})") from None


def play(url: str, scenario: str, decisions: int, seed: int = 0, users: int = 20) -> Played:
    """`decisions` tips for `users` people, their answers sent in the order they come.

    The people's clock runs through their days as fast as the server replies.
    """
    for name, value in (("--decisions", decisions), ("--users", users)):
        if value < 1:
            raise BadInput(name, "must be at least 1", value)
    world = World(scenario, users, max(3, 3 * decisions // users), seed)
    with closing(Client(url)) as client:
        return _play(client, world, decisions)


def _play(client: Client, world: World, decisions: int) -> Played:
    played, sessions = Played(), _sessions(world)
    coming: list[tuple[int, str, str]] = []  # answers on their way: when, decision, word
    for _ in progress(range(decisions), decisions, "decisions"):
        for life, at in sessions:
            while coming and coming[0][0] <= at:
                _answer(client, played, *heapq.heappop(coming)[1:])
            if _tip(client, played, life, at, coming):
                break
    while coming:
        _answer(client, played, *heapq.heappop(coming)[1:])
    return played


def _sessions(world: World) -> Iterator[tuple[Life, int]]:
    """Everybody's sessions by time; the people live on after the planned days if need be."""
    lives: list[tuple[int, int, Life]] = []
    for i in range(world.users):
        plan = world.plan(i)
        life = Life(plan, world.scenario, world.seed, WINDOW_S)
        lives.extend((at, i, life) for at in plan.sessions)
    for at, _, life in sorted(lives, key=lambda entry: entry[:2]):
        yield life, at


def _tip(
    client: Client, played: Played, life: Life, at: int, coming: list[tuple[int, str, str]]
) -> bool:
    """Asks for a tip and lets the person see it; False when there is no open task."""
    life.answers(at)
    tasks = life.open_tasks(at)
    if not tasks:
        return False
    person = life.person
    body = {
        "user_id": person.user_id,
        "now": iso(at),
        "timezone": person.zone.key,
        "candidates": [{"id": t.raw["id"], "task": t.raw} for t in tasks],
    }
    began = time.perf_counter()
    status, reply = client.post("/score", body)
    played.score_ms.append((time.perf_counter() - began) * 1000)
    if status != 200:
        raise BadInput("POST /score", f"replied {status}", json.dumps(reply))
    now = life.moment(at, moment(at).astimezone(person.zone))
    utilities = life.utilities(tasks, now)
    expected = life.expected(utilities)
    played.decisions += 1
    played.expected += sum(p * q for p, q in zip(reply["pmf"], expected, strict=True))
    if reply["policy"] not in played.policies:
        played.policies.append(reply["policy"])
    k = reply["action"]["index"]
    reaction = life.show(reply["decision_id"], tasks[k], utilities[k], at)
    if reaction is not None:
        heapq.heappush(coming, (reaction.at, reply["decision_id"], reaction.word))
    return True


def _answer(client: Client, played: Played, decision_id: str, word: str) -> None:
    status, reply = client.post("/reward", {"decision_id": decision_id, "feedback": word})
    if status == 410:
        played.closed += 1
        return
    if status != 200:
        raise BadInput("POST /reward", f"replied {status}", json.dumps(reply))
    played.answered += 1
    played.rewards += REWARDS[word]
