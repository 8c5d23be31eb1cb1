"""The documents that an agent is written from say what the code says, and stand on their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bascule.connectors import openapi
from bascule.connectors.contract import ERRORS, VERBS, Verb
from bascule.model import System

DOCUMENTS = openapi.documents()
PUBLISHED = Path(__file__).parents[3] / "docs" / "contract"

every_system = pytest.mark.parametrize("name", list(DOCUMENTS))


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found


def test_what_is_published_is_what_the_code_says() -> None:
    assert openapi.check(PUBLISHED) == []


def test_a_file_that_is_missing_or_outdated_is_named(tmp_path: Path) -> None:
    openapi.write(tmp_path)
    assert openapi.check(tmp_path) == []
    (tmp_path / "ge.openapi.json").write_text("{}")
    (tmp_path / "README.md").unlink()
    assert [Path(path).name for path in openapi.check(tmp_path)] == ["README.md", "ge.openapi.json"]


def test_there_is_a_document_for_each_system() -> None:
    assert list(DOCUMENTS) == ["my-sage", "ge", "s4a"]


@every_system
def test_every_reference_leads_somewhere_and_every_component_is_used(name: str) -> None:
    document = DOCUMENTS[name]
    references = {node["$ref"] for node in walk(document) if "$ref" in node}
    for reference in references:
        assert resolved(document, {"$ref": reference})
    components = {
        f"#/components/{kind}/{component}"
        for kind in ("schemas", "parameters", "responses", "headers")
        for component in document["components"][kind]
    }
    assert components == references


@every_system
def test_every_operation_has_a_name_of_its_own_and_declares_what_stands_in_its_path(name: str) -> None:
    document = DOCUMENTS[name]
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in document["tags"]}
    for path, operation in operations(document):
        declared = {
            parameter["name"]
            for parameter in (resolved(document, each) for each in operation.get("parameters", []))
            if parameter["in"] == "path"
        }
        assert declared == set(re.findall(r"\{(\w+)\}", path))
        assert set(operation["tags"]) <= tags
        assert any(status.startswith("2") for status in operation["responses"])


@every_system
def test_every_schema_is_valid_and_forbids_what_it_does_not_list(name: str) -> None:
    for schema in DOCUMENTS[name]["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        assert schema["type"] != "object" or schema["additionalProperties"] is False


@every_system
def test_every_body_has_an_example_that_follows_its_schema(name: str) -> None:
    document = DOCUMENTS[name]
    bodies = [node["application/json"] for node in walk(document) if "application/json" in node]
    assert bodies
    for body in bodies:
        schema = {**body["schema"], "components": document["components"]}
        assert body["examples"]
        for example in body["examples"].values():
            Draft202012Validator(schema).validate(example["value"])


@every_system
def test_every_error_that_a_call_lists_has_its_example(name: str) -> None:
    document = DOCUMENTS[name]
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            told = resolved(document, response)
            if status >= "400":
                codes = set(re.findall(r"^- `([\w-]+)`", told["description"], re.MULTILINE))
                assert codes == set(told["content"]["application/json"]["examples"])


@every_system
def test_every_field_is_described(name: str) -> None:
    schemas = DOCUMENTS[name]["components"]["schemas"]
    bare = [
        f"{schema}.{field}"
        for schema, said in schemas.items()
        for field, of in said.get("properties", {}).items()
        if not of.get("description")
    ]
    assert bare == []


@every_system
def test_every_field_that_may_be_null_says_what_null_means(name: str) -> None:
    schemas = DOCUMENTS[name]["components"]["schemas"]
    for schema, said in schemas.items():
        for field, of in said.get("properties", {}).items():
            if {"type": "null"} in of.get("anyOf", []):
                assert re.search(r"\bnull\b", of["description"].lower()), f"{schema}.{field}"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_write_is_documented_with_its_refusals(verb: Verb) -> None:
    document = DOCUMENTS[openapi.served_as(verb.system)]
    operation = document["paths"][f"/cabinets/{{code}}/{verb.name}"]["post"]
    told = " ".join(
        resolved(document, response)["description"]
        for status, response in operation["responses"].items()
        if not status.startswith("2")
    )
    assert all(f"`{code}`" in told for code in (*openapi.ANY_WRITE, *verb.refuses))
    assert operation["x-kind"] == verb.kind


def test_no_write_is_served_by_a_system_that_is_not_its_own() -> None:
    for system in System:
        document = DOCUMENTS[openapi.served_as(system)]
        writes = {operation["operationId"] for _, operation in operations(document) if "writes" in operation["tags"]}
        assert writes == {verb.name for verb in VERBS if verb.system is system}


def test_the_guide_names_every_write_and_every_error() -> None:
    guide = openapi.files()["README.md"]
    assert all(f"| `{verb.name}` |" in guide for verb in VERBS)
    assert all(f"| `{error.code}` |" in guide for error in ERRORS)


def test_every_code_that_a_write_may_be_refused_with_is_an_error_of_the_contract() -> None:
    known = {error.code for error in ERRORS}
    assert {code for verb in VERBS for code in verb.refuses} <= known
    assert set(openapi.ANY_WRITE) <= known
