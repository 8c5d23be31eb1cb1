"""Each rule of a value: what it refuses, on which line and column, and what it proposes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bascule.inventory import Inventory, InventoryRefused, read_inventory
from bascule.model import System
from bascule.tables.problems import Problem, render
from bascule.tables.text import mended_encoding

GOOD = {
    "code": "C0001",
    "name": "Cabinet Bœuf & Associés",
    "siren": "732829320",
    "entity": "E1",
    "admin_email": "helene@boeuf.example",
    "default_profile": "Manager",
    "default_group": "Général",
}


def inventory_of(tmp_path: Path, *rows: dict[str, str], **options: object) -> Inventory:
    path = tmp_path / "inventory.csv"
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return read_inventory(path, **options)  # type: ignore[arg-type]


def problems_of(tmp_path: Path, *rows: dict[str, str], **options: object) -> tuple[Problem, ...]:
    with pytest.raises(InventoryRefused) as refused:
        inventory_of(tmp_path, *rows, **options)
    return refused.value.problems


REFUSED = [
    ("code", "C", "a code is 2 to 20"),
    ("code", "c0001", "Did you mean `C0001`?"),
    ("code", "-C0001", "spreadsheet would run as a formula"),
    ("code", "C0001234567890123456789", "a code is 2 to 20"),
    ("code", "../../etc", "a code is 2 to 20"),
    ("code", "EXEMPLE", "the example row of the template"),
    ("name", "SociÃ©tÃ© Générale", "Did you mean `Société Générale`?"),
    ("name", "Soci\ufffdt\ufffd", "has lost a character"),
    ("name", "Cabinet\nBœuf", "line break"),
    ("name", "Cabinet\x9cuf", "control character"),
    ("name", "Cabi\u202enet", "cannot be seen"),
    ("name", "=cmd|' /C calc'!A0", "spreadsheet would run as a formula"),
    ("name", "\t=1+1", "begins with a tab"),
    ("name", "\u00a0=1+1", "spreadsheet would run as a formula"),
    ("name", " @SUM(A1)", "spreadsheet would run as a formula"),
    ("name", "x" * 1_001, "1,001 characters long"),
    ("siren", "", "is needed"),
    ("siren", "732829321", "control digit"),
    ("siren", "000000000", "all zeros"),
    ("siren", "5420021", "Did you mean `005420021`?"),
    ("siren", "73282932", "has 8 digits"),
    ("siren", "73282932O", "check O for 0"),
    ("siren", "7,3282932E+08", "shortened by a spreadsheet"),
    ("siret", "73282932000075", "control digit"),
    ("siret", "00000000000000", "all zeros"),
    ("siret", "35600000000048", "does not begin with the SIREN `732829320`"),
    ("siret", "7328293200007", "has 13 digits"),
    ("admin_email", "nobody", "no valid e-mail address"),
    ("admin_email", "a@b@c.example", "no valid e-mail address"),
    ("admin_email", "a" * 65 + "@b.example", "no valid e-mail address"),
    ("admin_email", "a@" + "b" * 33 + "." + "c" * 33 + ".example", "more than 64 characters after the @"),
    ("contact_email", "a@localhost", "no valid e-mail address"),
    ("wave", "pilot/../..", "a wave's name"),
    ("timezone", "Europe/Pariss", "Did you mean `Europe/Paris`?"),
    ("timezone", "../etc/passwd", "no IANA time zone"),
    ("language", "french", "Write `fr` or `en`"),
    ("language", "de", "no language"),
    ("ge", "opertor", "Did you mean `operator`?"),
    ("ge", "extracts+operator", "`extracts` cannot act"),
    ("my_sage", "extracts", "My Sage exports no lists"),
    ("my_sage", "operator+extracts", "My Sage exports no lists"),
]


@pytest.mark.parametrize(("column", "value", "sentence"), REFUSED)
def test_a_value_that_breaks_a_rule_is_refused_at_its_place(
    tmp_path: Path, column: str, value: str, sentence: str
) -> None:
    found = problems_of(tmp_path, GOOD | {column: value})
    assert sentence in render(found)
    assert [(problem.line, problem.column) for problem in found if problem.level == "error"] == [(2, column)]


ACCEPTED = [
    ("siren", "732 829 320", "siren", "732829320"),
    ("siret", "732 829 320 00074", "siret", "73282932000074"),
    ("name", "  Cabinet \u00a0 Le\u0301vy\u00a0", "name", "Cabinet Lévy"),
    ("name", "SOCIÉTÉ « CAFÉ\u00a0»", "name", "SOCIÉTÉ « CAFÉ »"),
    ("admin_email", "Helene@Boeuf.Example", "admin_email", "Helene@Boeuf.Example"),
    ("timezone", "", "timezone", "Europe/Paris"),
    ("timezone", "Indian/Reunion", "timezone", "Indian/Reunion"),
    ("language", "EN", "language", "en"),
    ("wave", "", "wave", "default"),
    ("wave", "pilot", "wave", "pilot"),
]


@pytest.mark.parametrize(("column", "value", "field", "kept"), ACCEPTED)
def test_a_value_is_kept_in_one_form(tmp_path: Path, column: str, value: str, field: str, kept: str) -> None:
    (cabinet,) = inventory_of(tmp_path, GOOD | {column: value}).cabinets
    assert getattr(cabinet, field) == kept


@pytest.mark.parametrize(
    ("siret", "valid"), [("35600000000048", True), ("35600000049837", True), ("35600000049838", False)]
)
def test_la_poste_has_a_rule_of_its_own(tmp_path: Path, siret: str, valid: bool) -> None:
    row = GOOD | {"siren": "356000000", "siret": siret}
    if valid:
        assert inventory_of(tmp_path, row).cabinets[0].siret == siret
    else:
        assert "control digit" in render(problems_of(tmp_path, row))


def test_a_siret_of_monaco_and_a_lost_character_are_doubted_but_accepted(tmp_path: Path) -> None:
    inventory = inventory_of(tmp_path, GOOD | {"siret": "MONACOCONFO001", "name": "Soci?t?s r?unies"})
    assert [(w.level, w.column) for w in inventory.warnings] == [("warning", "name"), ("warning", "siret")]


def test_connectors_are_kept_by_system(tmp_path: Path) -> None:
    (cabinet,) = inventory_of(tmp_path, GOOD | {"ge": "operator+extracts", "s4a": "http"}).cabinets
    assert cabinet.connectors == {System.GE: "operator+extracts", System.S4A: "http"}


def test_a_connector_that_the_environment_lacks_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, GOOD | {"ge": "operator+extracts"}, environment_connectors=("http", "operator"))
    assert "this environment has no connector `extracts`" in problem.rule


def test_duplicates_name_both_lines_whatever_the_case(tmp_path: Path) -> None:
    found = problems_of(tmp_path, GOOD, GOOD | {"admin_email": "HELENE@boeuf.example", "entity": "e1"})
    assert [(p.line, p.column) for p in found] == [(3, "code"), (3, "siren"), (3, "admin_email")]
    assert all("on line 2 already" in problem.rule for problem in found)


def test_the_same_firm_with_two_entities_is_two_cabinets(tmp_path: Path) -> None:
    other = GOOD | {"code": "C0002", "entity": "E2", "admin_email": "b@b.example"}
    assert len(inventory_of(tmp_path, GOOD, other).cabinets) == 2


def test_every_problem_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    bad = {
        "code": "x",
        "name": "",
        "siren": "1",
        "entity": "",
        "admin_email": "y",
        "default_profile": "",
        "default_group": "",
    }
    assert {problem.column for problem in problems_of(tmp_path, GOOD, bad)} == set(bad)


@pytest.mark.parametrize("word", ["Société", "Œuvres", "l’Étoile", "Ça « va »", "CAFÉ", "Bœuf – 50 €", "Āboliņš"])
def test_mojibake_is_mended_and_good_words_are_left_alone(word: str) -> None:
    misread = "".join(bytes([b]).decode("cp1252", "replace").replace("\ufffd", chr(b)) for b in word.encode())
    assert mended_encoding(misread) == word
    assert mended_encoding(word) == word
