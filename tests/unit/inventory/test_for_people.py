"""What people are given: a template, a sample, an annotated copy, a difference, a published schema."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import openpyxl
import pytest

from bascule.inventory import (
    InventoryRefused,
    annotate,
    diff,
    read_inventory,
    sample,
    schema,
    schema_text,
    write_inventory,
    write_template,
)
from bascule.inventory.rows import ROWS
from bascule.inventory.template import IN_FRENCH, In
from bascule.model import Invitation
from bascule.tables.problems import Problem, as_json, render

ROOT = Path(__file__).parents[3]


def refusal_of(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(InventoryRefused) as refused:
        read_inventory(path)
    return refused.value.problems


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("ending", ["xlsx", "csv", "yaml"])
def test_a_template_is_right_but_for_its_example_row(tmp_path: Path, language: In, ending: str) -> None:
    write_template(tmp_path / f"t.{ending}", language)
    (problem,) = refusal_of(tmp_path / f"t.{ending}")
    assert problem.rule == "is the example row of the template"


def test_a_workbook_template_has_drop_downs_comments_and_text_columns(tmp_path: Path) -> None:
    write_template(tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    sheet = book["cabinets"]
    assert len(sheet.data_validations.dataValidation) == 5
    assert all(cell.comment for cell in sheet[1])
    assert sheet["C2"].number_format == "@"
    assert book.sheetnames[:3] == ["cabinets", "utilisateurs", "affectations"]


def test_every_column_is_explained_in_french() -> None:
    assert {column for row in ROWS.values() for column in row.model_fields} == set(IN_FRENCH)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for ending in ("csv", "xlsx", "yaml"):
        for name in ("a", "b"):
            write_inventory(sample(50, seed=7), tmp_path / f"{name}.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_sample_is_valid_unique_and_begins_like_a_shorter_one(tmp_path: Path) -> None:
    inventory = sample(500, seed=2, wave="pilot")
    write_inventory(inventory, tmp_path / "s.csv")
    assert read_inventory(tmp_path / "s.csv").warnings == ()
    assert sample(20, seed=2, wave="pilot").cabinets == inventory.cabinets[:20]
    assert all(
        cabinet.siren.startswith("29") and cabinet.admin_email.endswith(".example") for cabinet in inventory.cabinets
    )
    assert {cabinet.wave for cabinet in inventory.cabinets} == {"pilot"}


def test_a_sample_may_hold_a_pilot_for_the_other_wave_to_require() -> None:
    waves = [cabinet.wave for cabinet in sample(5, seed=1, wave="lyon", pilot=2).cabinets]

    assert waves == ["pilot", "pilot", "lyon", "lyon", "lyon"]


BAD = "code,name,siren,entity,admin_email,default_profile,default_group\nC1,=1+1,732829321,E,a@b.example,M,G\n"


def test_an_annotated_workbook_marks_the_cells(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    annotate(tmp_path / "bad.csv", refusal_of(tmp_path / "bad.csv"), tmp_path / "out.xlsx")
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    cell = book["cabinets"]["B2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")
    assert "run as a formula" in cell.comment.text
    assert cell.fill.fgColor.rgb == "FFF8CBAD"
    assert book["problems"].max_row == 3


def test_an_annotated_csv_opens_in_excel_and_holds_no_formula(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    annotate(tmp_path / "bad.csv", refusal_of(tmp_path / "bad.csv"), tmp_path / "out.csv")
    content = (tmp_path / "out.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfcode;name;")
    assert b";'=1+1;" in content
    assert b"control digit does not fit" in content


def test_a_mended_annotated_copy_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    problems = refusal_of(tmp_path / "bad.csv")
    annotate(tmp_path / "bad.csv", problems, tmp_path / "out.csv")
    mended = (tmp_path / "out.csv").read_text("utf-8").replace("'=1+1", "Cabinet").replace("732829321", "732829320")
    (tmp_path / "out.csv").write_text(mended, "utf-8")
    assert read_inventory(tmp_path / "out.csv").cabinets[0].name == "Cabinet"
    annotate(tmp_path / "bad.csv", problems, tmp_path / "out.xlsx")
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    book["cabinets"]["B2"], book["cabinets"]["C2"] = "Cabinet", "732829320"
    book.save(tmp_path / "out.xlsx")
    assert read_inventory(tmp_path / "out.xlsx").cabinets[0].name == "Cabinet"


def test_a_file_that_cannot_be_read_is_annotated_with_its_problem_alone(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"\x00")
    for out in ("out.csv", "out.xlsx"):
        annotate(tmp_path / "bad.csv", refusal_of(tmp_path / "bad.csv"), tmp_path / out)
    assert "NUL byte" in (tmp_path / "out.csv").read_text("utf-8-sig")


def test_a_difference_names_what_came_went_and_changed() -> None:
    old = sample(3, seed=1)
    first, second, third = old.cabinets
    changed = dataclasses.replace(
        second, site="Ailleurs", owner=None, invitations=(Invitation(email="a@b.example", collaborateur="A", role="R"),)
    )
    new = dataclasses.replace(old, cabinets=(changed, third, dataclasses.replace(first, code="C9999")))
    found = diff(old, new)
    assert (found.added, found.removed) == (("C9999",), ("C0001",))
    assert [(change.code, change.field, change.new) for change in found.changed][:2] == [
        ("C0002", "site", "Ailleurs"),
        ("C0002", "users", '[{"email": "a@b.example", "collaborateur": "A", "role": "R"}]'),
    ] or {change.field for change in found.changed} == {"site", "users", "owner"}
    assert f"~ C0002 site: `{second.site}` -> `Ailleurs`" in str(found)
    assert json.loads(found.as_json())["changed"][0]["code"] == "C0002"
    assert str(diff(old, old)) == "no difference"
    assert not diff(old, old)


def test_problems_are_lines_for_people_and_json_for_programs(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    problems = refusal_of(tmp_path / "bad.csv")
    assert [set(problem) for problem in json.loads(as_json(problems))] == [
        {"file", "line", "column", "value", "rule", "fix", "level", "sheet"}
    ] * 2
    assert len(render(problems).splitlines()) == 2


def test_a_hostile_value_is_shown_harmlessly() -> None:
    problem = Problem("f", 1, "c", "\x1b[31m\u202e" + "x" * 500, "is wrong", "Mend it")
    assert str(problem) == "f:1:c: `\\x1b[31m\\u202e" + "x" * 46 + "…` is wrong. Mend it."


def test_the_published_schema_is_that_of_the_models(tmp_path: Path) -> None:
    assert (ROOT / "docs" / "inventory.schema.json").read_text("utf-8") == schema_text()
    write_inventory(sample(5, seed=1, wave="pilot"), tmp_path / "s.csv")
    row = {"code": "C1", "name": "A", "siren": "732829320", "entity": "E", "admin_email": "a@b.example"}
    good = {
        "cabinets": [row | {"default_profile": "M", "default_group": "G"}],
        "waves": {"pilot": {"ramp": [1, "20%"]}},
    }
    jsonschema.validate(good, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"cabinets": [row]}, schema())
