"""/openapi.json: the endpoints, and the very schemas that requests are checked by."""

from typing import Any

from journal.live_schema import DECISION, REWARD, SCORE

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_SEQ = {"type": "integer", "minimum": 0}
_ID = {"type": "string"}

ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": _ID, "message": _ID, "field": _ID},
            "required": ["code", "message"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}


def _reply(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


_ACTION = _reply({"id": _ID, "index": _SEQ})
SCORED = _reply(
    {
        "decision_id": _ID,
        "action": _ACTION,
        "pscore": {"type": "number"},
        "pmf": _NUMBERS,
        "scores": _NUMBERS,
        "policy": _ID,
        "features": _ID,
        "state_seq": _SEQ,
    }
)
APPLIED = _reply(
    {"applied": {"type": "boolean"}, "state_seq": _SEQ}, {"duplicate": {"const": True}}
)
RECORDED = _reply(
    {"recorded": {"type": "boolean"}, "decision_id": _ID, "state_seq": _SEQ},
    {"voided": {"type": ["string", "null"]}, "duplicate": {"const": True}},
)

REFUSED = {
    "400": "bad input: `field` says where",
    "401": "the token is missing or wrong",
    "404": "no such decision",
    "408": "the request did not come in time",
    "409": "contradicts what is written",
    "410": "the reward window is closed",
    "411": "no Content-Length",
    "413": "too large",
    "503": "cannot be written now; try again",
}


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "tipbandit", "version": "1"},
        "paths": {
            "/score": _post("A tip for a user.", "ScoreRequest", "Scored", "400 409 503"),
            "/reward": _post(
                "The answer to a tip.", "RewardRequest", "Applied", "400 404 409 410 503"
            ),
            "/decision": _post(
                "A decision made elsewhere.", "DecisionRequest", "Recorded", "400 409 503"
            ),
            "/healthz": _get("The process answers.", {"status": {"const": "ok"}}),
            "/readyz": _get(
                "It can decide and write.",
                {"ready": {"const": True}, "policy": _ID, "features": _ID},
                "503",
                {"experiment": _ID},
            ),
            "/metrics": {
                "get": {
                    "summary": "Prometheus' text format.",
                    "responses": {
                        "200": {
                            "description": "figures",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        },
                        **_refusals("401"),
                    },
                }
            },
            "/openapi.json": {
                "get": {
                    "summary": "This document.",
                    "responses": {
                        "200": {
                            "description": "OpenAPI 3.1",
                            "content": {"application/json": {"schema": {"type": "object"}}},
                        },
                        **_refusals("401"),
                    },
                }
            },
        },
        "components": {
            "schemas": {
                "ScoreRequest": SCORE,
                "RewardRequest": REWARD,
                "DecisionRequest": DECISION,
                "Scored": SCORED,
                "Applied": APPLIED,
                "Recorded": RECORDED,
                "Error": ERROR,
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _ref(name: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


def _refusals(statuses: str) -> dict[str, Any]:
    return {s: {"description": REFUSED[s], **_ref("Error")} for s in statuses.split()}


def _post(summary: str, body: str, reply: str, statuses: str) -> dict[str, Any]:
    return {
        "post": {
            "summary": summary,
            "security": [{}, {"token": []}],
            "requestBody": {"required": True, **_ref(body)},
            "responses": {
                "200": {"description": "done, and on disk", **_ref(reply)},
                **_refusals(f"{statuses} 401 408 411 413"),
            },
        }
    }


def _get(
    summary: str,
    fields: dict[str, Any],
    statuses: str = "",
    optional: dict[str, Any] | None = None,
) -> dict[str, Any]:
    content = {"application/json": {"schema": _reply(fields, optional)}}
    return {
        "get": {
            "summary": summary,
            "responses": {"200": {"description": "yes", "content": content}, **_refusals(statuses)},
        }
    }
