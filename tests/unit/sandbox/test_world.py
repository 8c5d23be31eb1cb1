"""The drawn worlds: the same for the same seed, and clean."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from sandbox import wire
from sandbox.app import create_app
from sandbox.consistency import anomalies
from sandbox.world import CabinetLine, Lists, WorldRefused, drawn, read_world
from tests.unit.sandbox.conftest import Opened, Road, line, world


def lists_of(code: str, seed: int = 7, **changes: Any) -> Lists:
    return drawn(seed, CabinetLine.model_validate(line(code, **changes)))


def test_the_same_seed_and_cabinet_give_the_same_world() -> None:
    assert lists_of("C0001") == lists_of("C0001")
    assert lists_of("C0001") != lists_of("C0001", seed=8)
    assert lists_of("C0001").dossiers != lists_of("C0002").dossiers


@pytest.mark.parametrize(("size", "least", "most"), [("small", 60, 150), ("medium", 200, 500), ("large", 1500, 4000)])
def test_a_world_is_as_large_as_it_is_asked_to_be(size: str, least: int, most: int) -> None:
    lists = lists_of("C0001", size=size)
    assert least <= len(lists.dossiers) <= most
    assert 2 <= len(lists.groups) <= 15
    assert 1 <= len(lists.entities) <= 4


@pytest.mark.parametrize("number", range(40))
def test_a_drawn_world_has_no_anomaly_and_an_admin_with_all_rights(number: int) -> None:
    lists = lists_of(f"C{number:04d}", size=None if number % 4 else "medium")
    assert anomalies(lists) == []
    admin = next(person for person in lists.collaborateurs if person.email == line(f"C{number:04d}")["admin_email"])
    held = {(right.group, right.right) for right in lists.rights if right.collaborateur == admin.code}
    assert held == {(group.code, right) for group in lists.groups for right in lists.right_names}
    assert any(c.email == admin.email and c.collaborateur == admin.code and c.entity for c in lists.contacts)
    siret_owners = [d.siret for d in lists.dossiers if d.siret]
    assert all(d.siret is None or (d.siren and d.siret.startswith(d.siren)) for d in lists.dossiers)
    assert len(siret_owners) == len(set(siret_owners))


def test_whom_and_what_the_inventory_names_is_there() -> None:
    assignments = [{"client": "D0042", "email": "x@c.example"}, {"client": "Garage Œuf", "email": "x@c.example"}]
    lists = lists_of("C0001", assignments=assignments)
    assert {"D0042", "Garage Œuf"} <= {word for dossier in lists.dossiers for word in (dossier.code, dossier.name)}
    assert any(p.code == "PDURAN" and p.email == "paul.durand@c0001.example" for p in lists.collaborateurs)
    assert lists.groups[0].code == "Portefeuille général"
    assert lists.profiles[0].code == "Collaborateur confirmé"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "cabinets"),
        ({"cabinets": []}, "cabinets"),
        ({"cabinets": [line(), line("c0001")]}, "stands there twice"),
        ({"cabinets": [line(sirne="1")]}, "cabinets.0.sirne"),
        ({"cabinets": [line(size="huge")]}, "'huge'"),
        ("nothing", "the file"),
    ],
)
def test_a_world_that_is_none_is_refused_with_the_place(document: object, says: str) -> None:
    with pytest.raises(WorldRefused, match=says):
        read_world(document)


async def test_lists_are_the_same_with_and_without_compression(road: Road) -> None:
    await road.walk(until="the end")
    for system in ("ge", "s4a"):
        plain = await road.call("GET", system, "/lists", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        compressed = await road.call("GET", system, "/lists")
        assert compressed.headers["content-encoding"] == "gzip"
        assert plain.json() | {"taken_at": ""} == compressed.json() | {"taken_at": ""}


def test_spliced_gzip_is_whole() -> None:
    from sandbox.snapshot import Frozen, joined, joined_gzip

    frozen = Frozen(json.dumps({"b": ["é"] * 500}).encode())
    assert gzip.decompress(joined_gzip(b'{"a":1}', frozen)) == joined(b'{"a":1}', frozen)


async def test_answers_have_the_declared_shape(road: Road) -> None:
    await road.walk(until="the end")
    shapes: dict[tuple[str, str], type] = {
        ("my_sage", ""): wire.MySageFacts,
        ("ge", ""): wire.GeFacts,
        ("ge", "/lists"): wire.GeLists,
        ("s4a", ""): wire.S4aFacts,
        ("s4a", "/lists"): wire.S4aLists,
    }
    for (system, path), shape in shapes.items():
        TypeAdapter(shape).validate_json((await road.call("GET", system, path)).content)


async def test_openapi_has_a_schema_for_every_body(road: Road) -> None:
    document = (await road.tester.get("/openapi.json")).json()
    assert {"Connect", "InviteUsers", "InvitedUser", "GeLists", "S4aFacts", "Operation", "Scenario"} <= set(
        document["components"]["schemas"]
    )
    assert "post" in document["paths"]["/ge/cabinets/{code}/synchronise"]


def test_an_app_is_made_without_starting_anything() -> None:
    assert create_app(world()).state.sandbox.journal == []


async def test_state_has_what_testers_hold_on_to(open_sandbox: Opened) -> None:
    state = await open_sandbox().state()
    assert state["my_sage"] == {"admin_sage": {"email": None, "status": None, "times": 0}}
    held = {"groups", "dossiers", "collaborateurs", "rights"}
    assert set(state["ge"]) == {"locked_out", "sessions", "connect", "defaults", *held}
    assert state["s4a"] == {
        "sign_up": {"times": 0},
        "terms": {"times": 0},
        "synchronise": {"times": 0, "status": None},
        "defaults": {"profile": None, "group": None},
        **{kind: [] for kind in held},
        "users": [],
        "assignments": [],
    }
