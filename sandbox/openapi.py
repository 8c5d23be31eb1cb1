"""What /openapi.json says. The contract that firms implement is `docs/contract/`; this is what the sandbox serves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from sandbox.scenario import Scenario
from sandbox.verbs import VERBS, Verb
from sandbox.wire import ErrorBody, Operation

REF = "#/components/schemas/{model}"


def reads(model: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model}, "4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}}


def writes(verb: Verb) -> dict[str, Any]:
    schema = {"$ref": REF.format(model=verb.payload.__name__)}
    return {
        "responses": {**reads(Operation), 202: {"model": Operation, "description": "It goes on."}},
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "parameters": [
                _header("Idempotency-Key", {"type": "string"}, "The intent's key."),
                _header("Bascule-Fence", {"type": "integer"}, "Lower than the highest one seen is refused."),
            ],
        },
    }


def _header(name: str, schema: dict[str, str], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "schema": schema, "description": description}


def described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    models: set[type] = {Scenario, *(verb.payload for verb in VERBS.values())}
    _, definitions = TypeAdapter.json_schemas(
        [(model, "validation", TypeAdapter(model)) for model in sorted(models, key=lambda model: model.__name__)],
        ref_template=REF,
    )
    document["components"]["schemas"] |= definitions["$defs"]
    return document
