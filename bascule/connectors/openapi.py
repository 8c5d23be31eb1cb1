"""The contract as OpenAPI documents, one a system, for whoever implements an agent. `docs/contract/` is written from here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from bascule.connectors.contract import (
    ERRORS,
    REQUEST_ID,
    TAKEN_AT,
    VERBS,
    VERSION,
    AgentOperation,
    ErrorBody,
    ErrorCode,
    HealthBody,
    Operations,
    Said,
    Token,
    Verb,
    error_coded,
)
from bascule.connectors.examples import BODIES, found, operations_of
from bascule.connectors.guide import guide, on_repetition
from bascule.facts import View, type_of_view
from bascule.model import System

Json = dict[str, Any]

ANY_CALL = ("unauthorised", "consent-revoked", "unknown-cabinet", "too-many-requests", "unavailable", "internal")
ANY_WRITE = (*ANY_CALL, "unknown-verb", "invalid", "stale-fence")
LISTS = (View.GE_LISTS, View.S4A_LISTS)
A_TOKEN = ("unauthorised", "consent-revoked", "too-many-requests", "unavailable", "internal")

TITLES = {System.MY_SAGE: "My Sage", System.GE: "Sage Génération Experts", System.S4A: "Sage for Accountants"}

DESCRIPTION = """\
What Bascule asks of an agent that speaks for {title}. **This contract is Bascule's own**: Sage publishes no interface for \
this migration, and nothing here describes one. Start with the README beside this file.

Errors carry a body of `errors`, with the statuses listed here. Bascule also understands them in a 200 body. A field, word \
or code that is not listed here is not guessed: it stops the step."""


def documents() -> dict[str, Json]:
    """By the name under which a system is served: my-sage, ge, s4a."""
    return {served_as(system): _document(system) for system in System}


def served_as(system: System) -> str:
    return system.value.replace("_", "-")


def files() -> dict[str, str]:
    """What `docs/contract/` holds, by file name."""
    openapi = {
        f"{name}.openapi.json": json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        for name, document in documents().items()
    }
    return {"README.md": guide(), **openapi}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def check(folder: Path) -> list[str]:
    """The files that are missing, or no longer say what the code says."""
    return [
        str(path)
        for name, text in files().items()
        if not (path := folder / name).is_file() or path.read_text(encoding="utf-8") != text
    ]


def _document(system: System) -> Json:
    verbs = [verb for verb in VERBS if verb.system is system]
    views = [view for view in View if view.system is system]
    views_have_lists = any(view in LISTS for view in views)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Bascule's contract for an agent: {TITLES[system]}",
            "version": VERSION,
            "description": DESCRIPTION.format(title=TITLES[system]),
        },
        "servers": [{"url": f"https://agent.example/{served_as(system)}", "description": "The agent's base URL."}],
        "security": [{"agent": []}],
        "tags": [
            {"name": "access", "description": "Whether the agent is there, and who may speak to it."},
            {"name": "reads", "description": "They change nothing and answer what is true at the time of the call."},
            {"name": "writes", "description": "Each is received under a key, and stays findable by it."},
            {"name": "operations", "description": "What became of a write."},
        ],
        "paths": {
            "/token": {"post": _token()},
            "/health": {"get": _health(system)},
            **{_path_of(view): {"get": _read(view)} for view in views},
            **{f"/cabinets/{{code}}/{verb.name}": {"post": _write(verb)} for verb in verbs},
            "/cabinets/{code}/operations": {"get": _find(verbs)},
            "/cabinets/{code}/operations/{id}": {"get": _operation(verbs)},
        },
        "components": {
            "securitySchemes": {
                "agent": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "token", "scopes": {}}}}
            },
            "parameters": {name: one for name, one in PARAMETERS.items() if views_have_lists or name != "etag"},
            "headers": {
                name: {"description": description, "schema": {"type": "string"}}
                for name, description in HEADERS.items()
                if views_have_lists or name not in OF_LISTS
            },
            "responses": {code: _refusal([error_coded[code]]) for code in ANY_CALL},
            "schemas": _schemas(
                [
                    *(type_of_view[view] for view in views),
                    *dict.fromkeys(verb.payload for verb in verbs),
                    *(AgentOperation, Operations, ErrorBody, Token, HealthBody),
                ]
            ),
        },
    }


PARAMETERS: Json = {
    "code": {
        "name": "code",
        "in": "path",
        "required": True,
        "description": "The cabinet, by its code in Bascule's inventory.",
        "schema": {"type": "string", "pattern": "^[A-Z0-9][A-Z0-9_-]{1,19}$"},
    },
    "request": {
        "name": REQUEST_ID,
        "in": "header",
        "required": True,
        "description": "The id of this request, new for each that is sent. The answer echoes it, whatever it says.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
    "etag": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of the lists that Bascule has of this cabinet. An agent that gives none may ignore it.",
        "schema": {"type": "string"},
    },
    "key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "The key of the intent: another for each intent, the same when one request is sent again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
    "fence": {
        "name": "Bascule-Fence",
        "in": "header",
        "required": True,
        "description": "The fencing number of the lease. Lower than the highest seen for this cabinet: `stale-fence`.",
        "schema": {"type": "integer", "minimum": 0},
    },
}

OF_LISTS = ("ETag", TAKEN_AT)
HEADERS = {
    "Retry-After": "Seconds, or an HTTP date. Bascule asks for nothing new of this system until it is over.",
    REQUEST_ID: "The id of the request that this answers, as it came. An answer without it is nobody's.",
    "ETag": "Names this very content, whenever it was taken; optional.",
    TAKEN_AT: "When the lists were read anew and found to be the same, by the system's clock.",
}
UNCHANGED: Json = {
    "description": "The lists, read anew, hold what they held under this `If-None-Match`: nothing else changed but when they were taken. No body.",
    "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in (REQUEST_ID, TAKEN_AT)},
}

FENCE_OF_READER: Json = {
    "name": "Bascule-Fence",
    "in": "header",
    "required": False,
    "description": "The fencing number of the lease under which it is asked: from the answer on, writes under a lower one are `stale-fence`.",
    "schema": {"type": "integer", "minimum": 0},
}


def _path_of(view: View) -> str:
    return "/cabinets/{code}/lists" if view in LISTS else "/cabinets/{code}"


def _token() -> Json:
    form = {
        "type": "object",
        "properties": {
            "grant_type": {"const": "client_credentials"},
            "client_id": {"type": "string"},
            "client_secret": {"type": "string"},
        },
        "required": ["grant_type", "client_id"],
    }
    return {
        "operationId": "token",
        "tags": ["access"],
        "summary": "A token for the calls that follow.",
        "security": [],
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
        "responses": {"200": _answer("A bearer token.", Token), **_refusals(A_TOKEN)},
    }


def _health(system: System) -> Json:
    example = replace(cast("HealthBody", BODIES[HealthBody]), system=system)
    return {
        "operationId": "health",
        "tags": ["access"],
        "summary": "Which system this is, which version of the contract it speaks, and what time it has.",
        "security": [],
        "responses": {
            "200": _answer("It works.", HealthBody, {"it works": example}),
            **_refusals(("unavailable", "internal")),
        },
    }


def _read(view: View) -> Json:
    lists = view in LISTS
    summary = (
        "Its lists, as one consistent snapshot; gzip where accepted." if lists else "Where it stands; cheap to ask."
    )
    return {
        "operationId": f"observe-{view}",
        "tags": ["reads"],
        "summary": summary,
        "parameters": [_parameter(name) for name in ("code", "request", *(["etag"] if lists else []))],
        "responses": {
            "200": {
                **_answer("What is true now.", type_of_view[view]),
                "headers": {name: _header(name) for name in (REQUEST_ID, *(["ETag"] if lists else []))},
            },
            **({"304": UNCHANGED} if lists else {}),
            **_refusals(ANY_CALL),
        },
    }


def _write(verb: Verb) -> Json:
    stands = operations_of(verb)
    over = {name: one for name, one in stands.items() if one.status.is_over}
    answers = {"200": _answered("It is over; `status` says how it ended.", AgentOperation, over)}
    if verb.long:
        goes_on = {name: one for name, one in stands.items() if not one.status.is_over}
        answers["202"] = _answered("It was accepted and goes on; read the operation.", AgentOperation, goes_on)
    return {
        "operationId": verb.name,
        "tags": ["writes"],
        "summary": verb.summary,
        "description": on_repetition(verb.kind),
        "x-kind": verb.kind.value,
        "parameters": [_parameter(name) for name in ("code", "request", "key", "fence")],
        "requestBody": {"required": True, "content": _json(verb.payload, {verb.name: BODIES[verb.payload]})},
        "responses": {**answers, **_refusals((*ANY_WRITE, *verb.refuses))},
    }


def _find(verbs: list[Verb]) -> Json:
    key = {
        "name": "key",
        "in": "query",
        "required": True,
        "description": "The Idempotency-Key under which the write was sent.",
        "schema": {"type": "string"},
    }
    return {
        "operationId": "find",
        "tags": ["operations"],
        "summary": (
            "Every operation received under this key, from the moment the request was received: "
            "also if its answer was lost, or its commit is late."
        ),
        "parameters": [_parameter("code"), _parameter("request"), key, FENCE_OF_READER],
        "responses": {
            "200": _answered("None if the key was never seen.", Operations, found(verbs[0])),
            **_refusals((*ANY_CALL, "invalid")),
        },
    }


def _operation(verbs: list[Verb]) -> Json:
    # The long one shows every status.
    stands = operations_of(max(verbs, key=lambda verb: verb.long))
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "operation",
        "tags": ["operations"],
        "summary": "How far an operation is, or how it ended.",
        "parameters": [_parameter("code"), _parameter("request"), identifier],
        "responses": {
            "200": _answered("The operation.", AgentOperation, stands),
            **_refusals((*ANY_CALL, "unknown-operation")),
        },
    }


def _parameter(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


_adapter: Callable[[type], TypeAdapter[Any]] = cache(TypeAdapter)
"""One example is shown in many places."""


def _plain(example: Any) -> Any:
    return _adapter(type(example)).dump_python(example, mode="json")


def _header(name: str) -> Json:
    return {"$ref": f"#/components/headers/{name}"}


def _json(body: type, examples: Mapping[str, object]) -> Json:
    return {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{body.__name__}"},
            "examples": {name: {"value": _plain(one)} for name, one in examples.items()},
        }
    }


def _answer(description: str, body: type, examples: Mapping[str, object] | None = None) -> Json:
    return {"description": description, "content": _json(body, examples or {"example": BODIES[body]})}


def _answered(description: str, body: type, examples: Mapping[str, object]) -> Json:
    """The answer to a call that named itself."""
    return {**_answer(description, body, examples), "headers": {REQUEST_ID: _header(REQUEST_ID)}}


def _refusals(codes: Iterable[str]) -> Json:
    """Responses by status. One that a single code of every call stands behind is written once, in the components."""
    wanted = set(codes)
    errors = sorted((error for error in ERRORS if error.code in wanted), key=lambda error: error.status)
    return {
        str(status): {"$ref": f"#/components/responses/{first.code}"}
        if not others and first.code in ANY_CALL
        else _refusal([first, *others])
        for status, (first, *others) in ((status, list(same)) for status, same in groupby(errors, lambda e: e.status))
    }


def _refusal(errors: list[ErrorCode]) -> Json:
    description = "\n".join(f"- `{error.code}`: {error.meaning}" for error in errors)
    said = {error.code: ErrorBody(errors=(Said(code=error.code, message=error.meaning),)) for error in errors}
    refusal = _answered(description, ErrorBody, said)
    if errors[0].status in (429, 503):
        refusal["headers"]["Retry-After"] = _header("Retry-After")
    return refusal


class _Schemas(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # `Key Question` beside `key_question` tells nobody anything


def _schemas(bodies: list[type]) -> Json:
    _, schemas = TypeAdapter.json_schemas(
        [(body, "validation", _adapter(body)) for body in bodies],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    return dict(sorted(schemas["$defs"].items()))
