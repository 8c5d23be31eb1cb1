"""The lists as people export them, and that they say what the systems hold."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.exports import GE, S4A
from tests.unit.sandbox.conftest import Opened, Road, line


async def exported(road: Road) -> dict[str, list[dict[str, str]]]:
    answer = await road.tester.get(f"/sandbox/export/{road.code}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        texts = {name: archive.read(name).decode("cp1252") for name in archive.namelist()}
    assert all(text.endswith("\r\n") for text in texts.values())
    return {name: list(csv.DictReader(io.StringIO(text), delimiter=";")) for name, text in texts.items()}


def plain(value: Any) -> str:
    words = {"open": "Ouvert", "closed": "Clos", "archived": "Archivé", "invited": "Invité", "active": "Actif"}
    return {True: "Oui", False: "Non", None: ""}.get(value) if value in (True, False, None) else words.get(value, value)  # type: ignore[return-value]


async def test_exported_lists_hold_every_field_that_the_systems_hold(road: Road) -> None:
    await road.walk(until="the end")
    files = await exported(road)
    for system, lists in (("ge", GE), ("s4a", S4A)):
        held = await road.lists(system)
        for name, (attribute, columns) in lists.items():
            told = [
                [row[header] for header in columns if header != "SIREN du cabinet"]
                for row in files[f"{system}/{name}.csv"]
            ]
            assert told == [[plain(value) for value in row.values()] for row in held[attribute]], name
    assert {row["SIREN du cabinet"] for row in files["s4a/clients.csv"]} == {line()["siren"]}


async def test_client_management_is_exported_once_the_workspace_is_there(road: Road) -> None:
    await road.walk(until="terms")
    assert {name.partition("/")[0] for name in await exported(road)} == {"ge"}
    await road.write("terms")
    road.time.passes(1)
    assert (await exported(road))["s4a/clients.csv"] == []


async def test_a_fault_of_the_world_shows_in_the_exported_lists(road: Road) -> None:
    whole = await exported(road)
    await road.faults({"fault": "missing-group-right"})
    assert len((await exported(road))["ge/droits.csv"]) < len(whole["ge/droits.csv"])


async def test_an_export_is_no_write(road: Road) -> None:
    await exported(road)
    assert await road.journal() == []


@pytest.mark.parametrize("number", range(10))
async def test_a_drawn_world_loses_no_character_in_windows_1252(open_sandbox: Opened, number: int) -> None:
    code = f"C{number:04d}"
    road = open_sandbox({"seed": number, "cabinets": [line(code, size="medium")]})
    road.code = code
    text = (await road.tester.get(f"/sandbox/export/{code}")).content
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        assert [name for name in archive.namelist() if b"?" in archive.read(name)] == []


async def test_a_name_that_windows_1252_cannot_write_is_named(open_sandbox: Opened) -> None:
    road = open_sandbox({"cabinets": [line(name="Cabinet Łukasz")]})
    answer = await road.tester.get("/sandbox/export/C0001")
    assert answer.status_code == 422
    assert "ge/entites.csv: 'Ł'" in answer.text


async def test_an_unknown_cabinet_has_no_lists(road: Road) -> None:
    answer = await road.tester.get("/sandbox/export/C001")
    assert answer.status_code == 404
    assert "did you mean 'C0001'?" in answer.text


def test_every_exported_file_is_documented_with_its_headers() -> None:
    page = Path("docs/sandbox.md").read_text(encoding="utf-8")
    for system, lists in (("ge", GE), ("s4a", S4A)):
        for name, (_, columns) in lists.items():
            assert f"| `{system}/{name}.csv` | `{';'.join(columns)}` |" in page
