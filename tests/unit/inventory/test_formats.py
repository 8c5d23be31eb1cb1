"""The three formats say the same; French and English headers too; what is written is read again exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bascule.inventory import Inventory, InventoryRefused, WaveSettings, read_inventory, sample, write_inventory
from bascule.inventory.rows import CabinetRow, french
from bascule.inventory.rules import text
from bascule.model import Assignment, Cabinet, Invitation, System
from bascule.tables.problems import render

ENGLISH = "code,name,siren,entity,admin_email,default_profile,default_group"
FRENCH = "Code cabinet;RAISON SOCIALE;Siren;Entité;E-mail AdminSage;Profil par défaut;groupe_par_defaut"
VALUES = ["C0001", "Œuvre & Associés – 5 €", "732829320", "E1", "a@b.example", "Manager", "Général"]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal_of(path: Path, **files: Path) -> str:
    with pytest.raises(InventoryRefused) as refused:
        read_inventory(path, **files)  # type: ignore[arg-type]
    return render(refused.value.problems)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_csv_is_read_whatever_its_delimiter_encoding_and_line_ends(
    tmp_path: Path, delimiter: str, encoding: str, newline: str
) -> None:
    content = newline.join([delimiter.join(ENGLISH.split(",")), delimiter.join(VALUES), ""])
    (cabinet,) = read_inventory(written(tmp_path / "i.csv", content.encode(encoding))).cabinets
    assert cabinet.name == "Œuvre & Associés – 5 €"


def test_french_headers_are_read_whatever_their_case_accents_and_blanks(tmp_path: Path) -> None:
    content = FRENCH.replace("E-mail AdminSage", "Email AdminSage") + "\n" + ";".join(VALUES)
    assert read_inventory(written(tmp_path / "i.csv", "sep=;\n" + content)).cabinets[0].code == "C0001"


def test_an_unknown_column_is_refused_with_a_proposal(tmp_path: Path) -> None:
    said = refusal_of(written(tmp_path / "i.csv", f"{ENGLISH},time_zone\n{','.join(VALUES)},Europe/Paris"))
    assert "i.csv:1:time_zone: is no column here. Did you mean `timezone`?" in said


def test_both_languages_of_one_column_are_refused(tmp_path: Path) -> None:
    said = refusal_of(written(tmp_path / "i.csv", f"{ENGLISH},raison_sociale\n{','.join(VALUES)},Autre"))
    assert "is the same column as `name`" in said


def test_a_missing_column_is_named_once(tmp_path: Path) -> None:
    said = refusal_of(written(tmp_path / "i.csv", f"{ENGLISH[:-14]}\n" + f"{','.join(VALUES[:-1])}\n" * 2))
    assert said.count("default_group") == 1
    assert "Add it; in French it is `groupe_par_defaut`" in said


def test_yaml_rows_override_the_defaults(tmp_path: Path) -> None:
    yaml = """
defaults: {default_profile: Manager, default_group: G, timezone: Indian/Reunion, langue: en, site: Lyon}
cabinets:
  - {code: C0001, name: A, siren: 005420021, entity: 1, admin_email: a@a.example}
  - code: C0002
    raison_sociale: "null"
    siren: 732829320
    entity: 1
    admin_email: b@b.example
    fuseau: Europe/Paris
    site: ~
"""
    first, second = read_inventory(written(tmp_path / "i.yaml", yaml)).cabinets
    assert (first.siren, first.timezone, first.language, first.site) == ("005420021", "Indian/Reunion", "en", "Lyon")
    assert (second.name, second.timezone, second.language, second.site) == ("null", "Europe/Paris", "en", None)


def test_a_problem_in_yaml_names_its_own_line(tmp_path: Path) -> None:
    yaml = "cabinets:\n  - code: C0001\n    name: A\n    siren: 732829321\n    entity: [1]\n"
    said = refusal_of(written(tmp_path / "i.yaml", yaml))
    assert "i.yaml [cabinets]:4:siren: `732829321` is no valid SIREN" in said
    assert ":5:entity: `…` is a list or a mapping" in said
    assert ":2:admin_email: is needed" in said


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_with_french_sheets_and_numbers_is_read(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "i.xlsx",
        Cabinets=[[*ENGLISH.split(","), "siret", "vague", None], ["C0001", "A", 732829320, 1, *VALUES[4:], 7.3282932000074e13, "pilote"]],
        Vagues=[["vague", "concurrency", "window_from", "window_to", "window_days", "ramp"], ["pilote", 20, "20:00", "06:00", "mon, tue", "1, 5, 20%, rest"]],
        Utilisateurs=[["code_cabinet", "email", "collaborateur", "role"], ["C0001", "u@u.example", "JD", "administrateur"]],
        Affectations=[["code", "client", "email"], ["C0001", 411001, "u@u.example"]],
        Aide=[["anything at all"]],
    )  # fmt: skip
    inventory = read_inventory(path)
    (cabinet,) = inventory.cabinets
    assert (cabinet.siret, cabinet.entity) == ("73282932000074", "1")
    assert cabinet.invitations == (Invitation(email="u@u.example", collaborateur="JD", role="administrateur"),)
    assert cabinet.assignments == (Assignment(client="411001", email="u@u.example"),)
    assert inventory.waves["pilote"].ramp == (1, 5, "20%", "rest")
    assert inventory.waves["pilote"].concurrency == 20


def test_a_formula_and_a_lost_zero_in_a_workbook_are_refused_with_their_cell(tmp_path: Path) -> None:
    path = workbook(tmp_path / "i.xlsx", cabinets=[[*ENGLISH.split(",")], ["C0001", "=B1", 5420021, 1, *VALUES[4:]]])
    said = refusal_of(path)
    assert "i.xlsx [cabinets]:2:name: `=B1` cell B2 holds a formula" in said
    assert "Did you mean `005420021`? Format the column as text" in said


def test_a_sheet_with_a_misspelt_name_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "i.xlsx", cabinet=[[*ENGLISH.split(",")]], users=[["code"]])
    assert "Did you mean `cabinets`?" in refusal_of(path)


def test_users_and_assignments_beside_a_csv_are_joined_and_checked(tmp_path: Path) -> None:
    path = written(tmp_path / "i.csv", f"{ENGLISH}\n{','.join(VALUES)}")
    users = written(tmp_path / "u.csv", "code,email,collaborateur,role\nC0001,u@u.example,JD,admin\n")
    assigned = written(tmp_path / "a.csv", "code,client,email\nC0001,X,u@u.example\n")
    (cabinet,) = read_inventory(path, users=users, assignments=assigned).cabinets
    assert (len(cabinet.invitations), len(cabinet.assignments)) == (1, 1)
    written(users, "code,email,collaborateur,role\nC001,u@u.example,JD,admin\nC0001,x,JD,admin\nC0001,X,JD,\n")
    written(assigned, "code,client,email\nC0001,X,u@u.example\nC0001,x,U@u.example\n")
    said = refusal_of(path, users=users, assignments=assigned)
    assert "u.csv:2:code: `C001` is the code of no cabinet of the inventory. Did you mean `C0001`?" in said
    assert "u.csv:3:email: `x` is no valid e-mail address" in said
    assert "u.csv:4:email: `X` stands on line 3 already (cabinet and e-mail)" in said
    assert "u.csv:4:role: is needed" in said
    assert "a.csv:3:client: `x` stands on line 2 already" in said


def test_problems_of_every_file_are_reported_together(tmp_path: Path) -> None:
    path = written(tmp_path / "i.csv", f"{ENGLISH},wave\n{','.join(VALUES)},pilt")
    waves = written(tmp_path / "w.yaml", "waves: {pilot: {concurency: 2}}")
    said = refusal_of(path, waves=waves, users=tmp_path / "absent.csv")
    assert "pilot.concurency: `2` is no setting of a wave. Did you mean `concurrency`?" in said
    assert "absent.csv: does not exist" in said


def test_the_digest_is_that_of_the_content_and_not_of_its_form(tmp_path: Path) -> None:
    inventory = sample(30, seed=3)
    reversed_rows = dataclasses.replace(inventory, cabinets=inventory.cabinets[::-1])
    for name in ("i.csv", "i.xlsx", "i.yaml"):
        write_inventory(reversed_rows, tmp_path / name)
        assert read_inventory(tmp_path / name).digest == inventory.digest
    assert sample(30, seed=4).digest != inventory.digest


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=40)


def is_kept_as_it_is(value: str) -> bool:
    try:
        return text(value) == value and bool(value)
    except ValueError:
        return False


words = LINES.filter(is_kept_as_it_is)
optional = st.none() | words
addresses = st.sampled_from(["a@b.example", "Loïc.L'Hôte@Vœu.example", "x+y@z.example"])


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    people = st.builds(Invitation, email=st.just("u@u.example"), collaborateur=words, role=words)
    clients = st.builds(Assignment, client=words, email=st.just("u@u.example"))
    cabinets = [
        draw(
            st.builds(
                Cabinet,
                code=st.just(cabinet.code), name=words, siren=st.just(cabinet.siren), siret=st.just(cabinet.siret),
                entity=words, admin_email=st.just(cabinet.admin_email), default_profile=words, default_group=words,
                wave=st.sampled_from(["default", "pilot", "été_2"]), owner=optional, contact_email=st.none() | addresses,
                terms_signatory=optional, timezone=st.sampled_from(["Europe/Paris", "Indian/Reunion"]),
                language=st.sampled_from(["fr", "en"]), site=optional,
                connectors=st.sampled_from([{}, {System.GE: "operator+extracts", System.S4A: "http"}]),
                invitations=st.lists(people, max_size=1).map(tuple), assignments=st.lists(clients, max_size=1).map(tuple),
            )
        )
        for cabinet in sample(draw(st.integers(1, 3)), seed=1).cabinets
    ]  # fmt: skip
    pilot = {
        "start_after": "2026-12-01T20:00", "window": {"from": "20:00", "to": "06:00", "days": ["mon"]},
        "ramp": [1, "20%", "rest"], "breaker": {"share": 0.1, "strict": True}, "requires": {"wave": "été_2"},
    }  # fmt: skip
    waves = {"pilot": WaveSettings.model_validate(pilot), "été_2": WaveSettings()}
    return Inventory(tuple(cabinets), draw(st.sampled_from([{}, waves])), (), "drawn")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(inventory=inventories(), ending=st.sampled_from(["csv", "xlsx", "yaml"]))
def test_what_is_written_is_read_again_exactly(
    tmp_path_factory: pytest.TempPathFactory, inventory: Inventory, ending: str
) -> None:
    folder = tmp_path_factory.mktemp("round")
    files = {
        file.suffixes[0][1:]: file
        for file in write_inventory(inventory, folder / f"inventory.{ending}")
        if len(file.suffixes) == 2
    }
    again = read_inventory(folder / f"inventory.{ending}", **files)  # type: ignore[arg-type]
    assert (again.cabinets, again.waves, again.digest) == (inventory.cabinets, inventory.waves, inventory.digest)


def test_every_column_of_the_interface_has_its_french_header() -> None:
    assert french(CabinetRow)["admin_email"] == "email_adminsage"
    assert set(french(CabinetRow)) == set(CabinetRow.model_fields)
