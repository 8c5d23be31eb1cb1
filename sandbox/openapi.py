"""What /openapi.json says. The contract that firms implement is `docs/contract/`; this is what the sandbox serves.

Schemas are put in when somebody asks, not when routes are made: tests make a sandbox each.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from sandbox import wire
from sandbox.hands import Screens
from sandbox.scenario import Scenario
from sandbox.verbs import VERBS, Verb

REF = "#/components/schemas/{model}"
SENT: tuple[type, ...] = (
    wire.MySageFacts,
    wire.GeFacts,
    wire.GeLists,
    wire.S4aFacts,
    wire.S4aLists,
    wire.Operation,
    wire.Operations,
    wire.ErrorBody,
    wire.Token,
    wire.Health,
    wire.JournalLine,
    Screens,
)


def answers_with(model: type) -> dict[str, Any]:
    return {"responses": {"200": _body(model), "default": _body(wire.ErrorBody, "Refused or failed.")}}


def answers_with_many(model: type) -> dict[str, Any]:
    documented = answers_with(model)
    content = documented["responses"]["200"]["content"]["application/json"]
    content["schema"] = {"type": "array", "items": content["schema"]}
    return documented


def finds_by_key(model: type) -> dict[str, Any]:
    key = _parameter("key", "query", "string", "The intent's key.")
    fence = _parameter("Bascule-Fence", "header", "integer", "From now on, lower than this one is refused.")
    return answers_with(model) | {"parameters": [key, fence | {"required": False}]}


def writes(verb: Verb) -> dict[str, Any]:
    documented = answers_with(wire.Operation)
    documented["responses"]["202"] = _body(wire.Operation, "It goes on.")
    headers = [
        _parameter("Idempotency-Key", "header", "string", "The intent's key."),
        _parameter("Bascule-Fence", "header", "integer", "Lower than the highest one seen is refused."),
    ]
    return documented | {"requestBody": takes(verb.payload), "parameters": headers}


def takes(model: type) -> dict[str, Any]:
    return {"required": True, "content": _body(model)["content"]}


def _body(model: type, description: str = "Done.") -> dict[str, Any]:
    schema = {"$ref": REF.format(model=model.__name__)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, place: str, kind: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": True, "schema": {"type": kind}, "description": description}


def described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    payloads = {verb.payload.__name__: verb.payload for verb in VERBS.values()} | {"Scenario": Scenario}
    _, definitions = TypeAdapter.json_schemas(
        [(model, "serialization", TypeAdapter(model)) for model in SENT]
        + [(model, "validation", TypeAdapter(model)) for model in payloads.values()],
        ref_template=REF,
    )
    for path, operations in document["paths"].items():
        operations["parameters"] = [_parameter(name, "path", "string", "") for name in re.findall(r"{(\w+)}", path)]
    document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
    return document
