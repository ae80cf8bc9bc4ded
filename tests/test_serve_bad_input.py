"""What serve.py refuses: the exact field, nothing written, and the connection goes on."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

FEATURES = {"hour_sin": 0.5, "hour_cos": 0.5, "is_overdue": 1, "task_age": 0.5, "priority": 1}
READY = {"id": "t0", "features": FEATURES}
SURROGATE = json.loads('"\\ud800"')


def score(**changes: Any) -> dict[str, Any]:
    """A good request but for `changes`; a change to `...` leaves the key out."""
    body = {"user_id": "u", "candidates": [READY], **changes}
    return {key: value for key, value in body.items() if value is not ...}


def candidate(**changes: Any) -> dict[str, Any]:
    """A good request whose candidate is changed."""
    changed = {key: v for key, v in {**READY, **changes}.items() if v is not ...}
    return score(candidates=[changed])


def features(**changes: Any) -> dict[str, Any]:
    """A good request whose features are changed."""
    return candidate(features={k: v for k, v in {**FEATURES, **changes}.items() if v is not ...})


def task(now: Any = "2026-11-23T09:00:00+01:00", timezone: Any = "Europe/Paris", **fields: Any):
    """A good request with a raw task but for what is changed."""
    raw = {"id": "t0", "project_id": "work", **fields}
    return score(now=now, timezone=timezone, candidates=[{"task": raw}])


def reward(**changes: Any) -> dict[str, Any]:
    """A good answer but for `changes`."""
    body = {"decision_id": "0" * 32, "feedback": "done", **changes}
    return {key: value for key, value in body.items() if value is not ...}


BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "body"),
    "not JSON": (b"user_id=u", "body"),
    "cut": (b'{"user_id": "u"', "body"),
    "not UTF-8": (b'{"user_id": "\xff"}', "body"),
    "UTF-16": (json.dumps({}).encode("utf-16"), "body"),
    "deep": (b"[" * 100_000, "body"),
    "deep objects": (b'{"a":' * 100_000, "body"),
    "an array": (b"[]", "body"),
    "a number": (b"7", "body"),
    "null": (b"null", "body"),
    "NaN": (b'{"user_id": NaN}', "body"),
    "Infinity": (b'{"user_id": Infinity}', "body"),
    "-Infinity": (b'{"user_id": -Infinity}', "body"),
    "more digits than a number has": (b'{"reward": ' + b"1" * 5000 + b"}", "body"),
    "a key given twice": (b'{"user_id": "u", "user_id": "v"}', "user_id"),
    "a feature given twice": (b'{"candidates": [{"features": {"a": 1, "a": 1}}]}', "a"),
}

FEATURE = "candidates[0].features"
TASK = "candidates[0].task"
SCORES: list[tuple[dict[str, Any], str]] = [
    ({}, "user_id"),
    (score(user_id=...), "user_id"),
    *[
        (score(user_id=bad), "user_id")
        for bad in ("", "a/b", "../x", "a b", "ü", "u\n", "x" * 10_000, 5, None, True, ["u"])
    ],
    (score(user_id=SURROGATE), "user_id"),
    (score(surprise=1), "surprise"),
    (score(request_id=""), "request_id"),
    (score(request_id=7), "request_id"),
    (score(request_id="r" * 257), "request_id"),
    (score(request_id=SURROGATE), "request_id"),
    *[(score(candidates=bad), "candidates") for bad in (..., [], {}, "t0", None, 3)],
    (score(candidates=[{**READY, "id": f"t{i}"} for i in range(1001)]), "candidates"),
    (score(candidates=[READY, None]), "candidates[1]"),
    (score(candidates=[READY, {**READY, "id": "t1"}, READY]), "candidates[2].id"),
    *[
        (candidate(id=bad), "candidates[0].id")
        for bad in (..., None, "", 7, "t" * 257, SURROGATE, ["t"])
    ],
    *[(candidate(arm=bad), "candidates[0].arm") for bad in ("", 7, "a" * 257, SURROGATE)],
    (candidate(arm_kind=7), "candidates[0].arm_kind"),
    (candidate(surprise=1), "candidates[0].surprise"),
    (candidate(task={"id": "t0"}), "candidates[0]"),
    (candidate(features=...), "candidates[0]"),
    *[(candidate(features=bad), FEATURE) for bad in (None, [], 5, "hour_sin")],
    (features(surprise=0), f"{FEATURE}.surprise"),
    *[
        (features(priority=bad), f"{FEATURE}.priority")
        for bad in (..., None, "1", True, 1.01, -0.01, 10**400, [1])
    ],
    (features(is_overdue=0.5), f"{FEATURE}.is_overdue"),
    (features(hour_sin=-1.5), f"{FEATURE}.hour_sin"),
    (task(now=None), "now"),
    (task(timezone=None), "timezone"),
    *[
        (task(now=bad), "now")
        for bad in ("2026-11-23T09:00:00", "2026-11-23", "soon", 5, "2026-13-01T00:00:00Z")
    ],
    *[
        (task(timezone=bad), "timezone")
        for bad in ("Mars/Phobos", "", "Europe", "../../etc/passwd", "x" * 5000, 1, SURROGATE)
    ],
    (score(now="soon"), "now"),
    (score(timezone="Mars/Phobos"), "timezone"),
    (score(now="2026-11-23T09:00:00Z", timezone="UTC", candidates=[{"task": 1}]), TASK),
    *[(task(priority=bad), f"{TASK}.priority") for bad in (0, 5, 1.0, "4", True)],
    (task(due="2026-11-23"), f"{TASK}.due"),
    *[
        (task(due={"date": bad}), f"{TASK}.due.date")
        for bad in (None, 5, "tomorrow", "2026-02-30", "2026-11-23T25:00:00", "23.11.2026")
    ],
    (task(due={"date": "2026-11-23T09:00:00", "timezone": "X"}), f"{TASK}.due.timezone"),
    *[(task(added_at=bad), f"{TASK}.added_at") for bad in ("x", 5, "2026-11-23T09:00:00")],
    (task(created_at="x"), f"{TASK}.created_at"),
    (
        task(due={"date": "2026-11-23", "is_recurring": True}, last_completed_at="x"),
        f"{TASK}.last_completed_at",
    ),
]

REWARDS: list[tuple[dict[str, Any], str]] = [
    *[(reward(decision_id=bad), "decision_id") for bad in (..., None, "", 5, "d" * 257, SURROGATE)],
    *[
        (reward(feedback=bad), "feedback")
        for bad in (..., "expired", "", "Done", 1, True, ["done"])
    ],
    (reward(reward=1), "feedback"),
    *[
        (reward(feedback=..., reward=bad), "reward")
        for bad in (2, -1.5, True, "1", [1], 10**400, -(10**400))
    ],
    *[
        (reward(answered_at=bad), "answered_at")
        for bad in ("now", 5, True, "2026-11-23", "2026-11-23T09:00:00", "2026-11-23T24:01:00Z")
    ],
    (reward(surprise=1), "surprise"),
    (reward(user_id="u"), "user_id"),
]


@pytest.fixture(scope="module")
def server(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serve(tmp_path_factory.mktemp("served"))


@pytest.fixture(autouse=True)
def untouched(server: Any) -> Any:
    """Whatever is refused: no row is written, the kept connection and the server go on."""
    before = server.counts()
    yield
    assert server.counts() == before
    assert server.send("GET", "/healthz")[0] == 200
    assert server.process.poll() is None


def bad(server: Any, path: str, body: Any) -> dict[str, Any]:
    """The error of a 400 that keeps its connection; one clean line."""
    status, said = server.send("POST", path, body)
    assert status == 400
    assert server.headers["Connection"] is None
    error: dict[str, Any] = said["error"]
    assert list(said) == ["error"]
    assert set(error) == {"code", "message", "field"}
    assert error["message"].isprintable()
    assert 0 < len(error["message"]) < 1000
    return error


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("path", ["/score", "/reward"])
def test_what_is_no_object_is_refused(server: Any, path: str, what: str) -> None:
    """JSON as the standard has it, one object, every key once."""
    raw, field = BODIES[what]
    error = bad(server, path, raw)
    assert error["field"] == field
    assert error["code"] in ("bad_input", "not_json")


def _name(value: Any) -> str:
    return ascii(value)[:60] if isinstance(value, str) else ""


@pytest.mark.parametrize(("body", "field"), SCORES, ids=_name)
def test_a_bad_score_names_its_field(server: Any, body: dict[str, Any], field: str) -> None:
    """As deep as it is: candidates[3].features.priority."""
    assert bad(server, "/score", body)["field"] == field


@pytest.mark.parametrize(("body", "field"), REWARDS, ids=_name)
def test_a_bad_reward_names_its_field(server: Any, body: dict[str, Any], field: str) -> None:
    """Before it is asked whether there is such a decision."""
    assert bad(server, "/reward", body)["field"] == field


def test_the_good_requests_of_these_tables_are_good(server: Any) -> None:
    """What is changed in them is what is wrong with them."""
    for body in (score(), candidate(), features(), task()):
        with pytest.raises(AssertionError):
            bad(server, "/score", {**body, "user_id": "good"})
    assert server.forget("good") == 4


def test_a_task_may_be_as_deep_as_it_likes(server: Any) -> None:
    """Taken or refused: at every depth there is a reply."""
    text = json.dumps({**task(content="@"), "user_id": "good"})
    try:
        for depth in range(900, 1000):
            nested = "[" * depth + "]" * depth
            status, _ = server.send("POST", "/score", text.replace('"@"', nested).encode())
            assert status in (200, 400)
    finally:
        server.connection.close()
        server.forget("good")


@pytest.mark.parametrize(
    "body", [score(**{SURROGATE: 1}), candidate(**{SURROGATE: 1}), features(**{SURROGATE: 1})]
)
def test_a_key_that_is_no_text_is_refused_with_a_reply(server: Any, body: dict[str, Any]) -> None:
    """A lone surrogate in the name of a key, at each level."""
    bad(server, "/score", body)


def test_a_request_of_the_greatest_size_is_read(server: Any) -> None:
    """Just below the limit of a body."""
    body = json.dumps(score(user_id=5)).encode()
    assert bad(server, "/score", body + b" " * ((1 << 20) - len(body)))["field"] == "user_id"


def test_noise_is_refused(server: Any) -> None:
    """Random bytes, seeded: 400 each time."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        noise = rng.integers(0, 256, int(rng.integers(1, 60))).astype(np.uint8).tobytes()
        assert bad(server, "/score", noise)["field"] == "body"
