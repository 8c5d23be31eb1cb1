"""What cannot be read is named: file, line, column, value, rule, what to do. All of it at once, and nothing is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from bascule.connectors.extracts import ExtractsUnreadable, read_ge, read_mapping, read_s4a
from bascule.tables.problems import Problem
from tests.unit.connectors.extracts.exported import CABINET, GE, S4A, Rows, as_csv, put, put_workbooks

OURS = read_mapping()

Spoil = Callable[[Path], object]


def problems_of(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(ExtractsUnreadable) as refused:
        (read_ge if folder.name == "ge" else read_s4a)(folder, OURS, CABINET)
    return refused.value.problems


def only_problem(folder: Path) -> str:
    (problem,) = problems_of(folder)
    return str(problem)


def rewrite(name: str, *, was: str, now: str) -> Spoil:
    def spoil(folder: Path) -> None:
        text = (folder / name).read_text("cp1252")
        assert was in text
        (folder / name).write_bytes(text.replace(was, now).encode("cp1252"))

    return spoil


def content(name: str, of: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(of)


def cut(name: str, until: str) -> Spoil:
    def spoil(folder: Path) -> None:
        text = (folder / name).read_bytes()
        (folder / name).write_bytes(text[: text.rindex(until.encode()) + len(until)])

    return spoil


def folder_instead_of(name: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return spoil


BAD: Sequence[tuple[str, Spoil, str]] = [
    (
        "a missing file",
        lambda folder: (folder / "droits.csv").unlink(),
        "ge/droits: is not there. Export it as .csv or .xlsx under a name that begins with `droits` or `rights`.",
    ),
    (
        "two files for one list",
        content("dossiers 2026-11-01.csv", as_csv(GE["dossiers"]).encode("cp1252")),
        "ge/dossiers.csv: is a second file of the list dossiers, beside dossiers 2026-11-01.csv. Keep the newer one only.",
    ),
    (
        "a missing header",
        rewrite("dossiers.csv", was="SIRET;", now="Numéro;"),
        (
            "ge/dossiers.csv:1:SIRET: the column is missing. "
            "Export it as `SIRET`, or write its header under ge.dossiers.siret of the mapping."
        ),
    ),
    (
        "a header that stands twice",
        rewrite("groupes.csv", was="Code;Libellé;Entité", now="Code;Libellé;code"),
        "means the same as the column `Code`",
    ),
    (
        "a header that was read in the wrong encoding",
        content("groupes.csv", "Code;LibellÃ©;Entité\r\nG1;a;E1\r\n".encode()),
        "ge/groupes.csv:1:LibellÃ©: was read once in the wrong encoding, for `Libellé`. Export the list again.",
    ),
    (
        "a row cut off",
        cut("dossiers.csv", "Mme"),
        (
            "ge/dossiers.csv:4: the row has 2 fields where the header has 7; it is the last row, so the list may be cut off. "
            "Export the list again."
        ),
    ),
    (
        "a last line that does not end",
        cut("dossiers.csv", ";"),
        (
            "ge/dossiers.csv: its last line does not end, as that of the other lists does: it may be cut off. "
            "Export the list again."
        ),
    ),
    (
        "a quotation mark that is not closed",
        cut("dossiers.csv", '"Cr'),
        "ge/dossiers.csv:3: a quotation mark is opened here and not closed; it is the last row, so the list may be cut off",
    ),
    (
        "mixed encodings",
        content("groupes.csv", "Code;Libellé;Entité\r\n".encode("cp1252") + "G1;Société Été;E1\r\n".encode()),
        "ge/groupes.csv:2:Libellé: `SociÃ©tÃ© Ã‰tÃ©` is UTF-8 for `Société Été` in a file that is otherwise in Windows-1252.",
    ),
    (
        "bytes of neither encoding",
        content("groupes.csv", "Code;Libellé;Entité\r\nG1;".encode("cp1252") + b"\x81;E1\r\n"),
        "ge/groupes.csv: is neither UTF-8 nor Windows-1252 (line 2). Save it as `CSV UTF-8`.",
    ),
    (
        "UTF-16",
        content("groupes.csv", as_csv(GE["groupes"]).encode("utf-16")),
        "ge/groupes.csv: is in UTF-16. Save it as `CSV UTF-8`.",
    ),
    (
        "an unknown status",
        rewrite("dossiers.csv", was="Clos", now="En sommeil"),
        (
            "ge/dossiers.csv:3:État: `En sommeil` is not known as a word here. "
            "Add it under words.status of the mapping, to what it means."
        ),
    ),
    (
        "an empty status",
        rewrite("dossiers.csv", was="Clos", now=""),
        "ge/dossiers.csv:3:État: is empty, where a word is wanted.",
    ),
    (
        "an unknown yes or no",
        rewrite("collaborateurs.csv", was=";Non", now=";Peut-être"),
        "ge/collaborateurs.csv:3:Actif: `Peut-être` is not known as a word here.",
    ),
    (
        "a formula",
        rewrite("dossiers.csv", was="Mme Goff", now="=1+1"),
        "ge/dossiers.csv:4:Nom: `=1+1` holds a formula, which is not read. Export the list again, with values only.",
    ),
    (
        "a number that a spreadsheet shortened",
        rewrite("dossiers.csv", was=";732829320", now=";7,33E+08"),
        "ge/dossiers.csv:2:SIREN: `7,33E+08` was shortened by a spreadsheet, and its digits are lost.",
    ),
    (
        "a number that lost its first zero",
        rewrite("dossiers.csv", was=";732829320", now=";5580113"),
        "has 7 digits of 9: a spreadsheet may have dropped zeros at its beginning. Did you mean `005580113`?",
    ),
    (
        "a NUL byte",
        content("groupes.csv", b"Code;Lib\x00"),
        "ge/groupes.csv: holds a NUL byte on line 1: it is not a text.",
    ),
    ("an empty file", content("groupes.csv", b""), "ge/groupes.csv: is empty. Export the list again."),
    (
        "a file that is too large",
        lambda folder: os.truncate(folder / "groupes.csv", 101 * 1024**2),
        "ge/groupes.csv: is 101 MB; at most 100 MB are read. Split the file.",
    ),
    (
        "a folder that calls itself CSV",
        folder_instead_of("groupes.csv"),
        "ge/groupes.csv: is a folder. Give a .csv or .xlsx file.",
    ),
    (
        "a workbook that calls itself CSV",
        content("groupes.csv", b"PK\x03\x04..."),
        "ge/groupes.csv: its content is not what its ending says. Save it again as .csv or .xlsx.",
    ),
    (
        "the lists of another cabinet",
        rewrite("entites.csv", was="732 829 320", now="552 100 554"),
        (
            "ge/entites.csv:SIREN: `552100554` is another cabinet: C0001 has the SIREN 732829320. "
            "Put here what was exported for C0001."
        ),
    ),
]


@pytest.mark.parametrize(("spoil", "says"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_is_named_where_it_stands(tmp_path: Path, spoil: Spoil, says: str) -> None:
    folder = put(tmp_path / "ge", GE)
    spoil(folder)

    assert says in "\n".join(map(str, problems_of(folder)))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    folder = put(tmp_path / "ge", GE)
    (folder / "groupes.csv").unlink()
    rewrite("dossiers.csv", was="Clos", now="Fini")(folder)
    rewrite("collaborateurs.csv", was="Oui", now="Si")(folder)

    assert [problem.file for problem in problems_of(folder)] == [
        "ge/collaborateurs.csv",
        "ge/groupes",
        "ge/dossiers.csv",
    ]


def test_the_same_trouble_on_many_lines_is_told_once(tmp_path: Path) -> None:
    header, first, *_ = GE["dossiers"]
    rows = [header, *[[*first[:5], "En sommeil", ""]] * 4_000]

    said = only_problem(put(tmp_path / "ge", {**GE, "dossiers": rows}))

    assert said.startswith("ge/dossiers.csv:2:État: `En sommeil` is not known as a word here (and 3,999 more lines).")


def test_a_tool_that_ends_no_file_with_a_line_end_is_not_taken_for_cut_off(tmp_path: Path) -> None:
    folder = put(tmp_path / "ge", GE)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().rstrip(b"\r\n"))

    assert len(read_ge(folder, OURS, CABINET).dossiers) == 3


def test_a_name_that_ge_itself_holds_damaged_is_read_for_the_checks_to_find(tmp_path: Path) -> None:
    rows: Rows = [GE["groupes"][0], ["G1", "SociÃ©tÃ©", "E1"]]
    folder = put(tmp_path / "ge", {**GE, "groupes": rows}, encoding="utf-8")

    assert read_ge(folder, OURS, CABINET).groups[0].label == "SociÃ©tÃ©"


def test_an_entity_without_siren_is_for_the_checks_to_find(tmp_path: Path) -> None:
    folder = put(tmp_path / "ge", {**GE, "entites": [GE["entites"][0], ["E1", "Cabinet", "", "", ""]]})

    assert read_ge(folder, OURS, CABINET).entities[0].siren == ""


def test_clients_of_another_cabinet_are_refused(tmp_path: Path) -> None:
    header, client = S4A["clients"]
    folder = put(tmp_path / "s4a", {**S4A, "clients": [header, [*client[:-1], "552 100 554"]]})

    assert only_problem(folder) == (
        "s4a/clients.csv:2:SIREN du cabinet: `552 100 554` is another cabinet: C0001 has the SIREN 732829320. "
        "Put here what was exported for C0001."
    )


def test_clients_may_name_the_cabinet_by_its_code_or_not_at_all(tmp_path: Path) -> None:
    header, client = S4A["clients"]
    rows = [header, [*client[:-1], "c0001"], [*client[:-1], ""]]

    assert len(read_s4a(put(tmp_path / "s4a", {**S4A, "clients": rows}), OURS, CABINET).dossiers) == 2


def test_a_right_that_the_mapping_does_not_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExtractsUnreadable, match="`Consultation` is no right that the mapping names"):
        read_ge(put(tmp_path / "ge", GE), replace(OURS, right_names=("Saisie",)), CABINET)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("=A1", "ge/dossiers.xlsx [Sheet]:4:Nom: `=A1` cell B4 holds a formula, which is not read."),
        ("#REF!", "cell B4 shows an error of Excel"),
    ],
)
def test_a_cell_of_a_workbook_is_named_as_excel_names_it(tmp_path: Path, value: str, says: str) -> None:
    folder = put_workbooks(tmp_path / "ge", GE)
    workbook = openpyxl.load_workbook(folder / "dossiers.xlsx")
    workbook.active["B4"] = value  # type: ignore[index]
    workbook.save(folder / "dossiers.xlsx")

    assert says in only_problem(folder)


def test_a_formula_under_a_header_that_is_not_used_harms_nobody(tmp_path: Path) -> None:
    folder = put_workbooks(tmp_path / "ge", GE)
    workbook = openpyxl.load_workbook(folder / "dossiers.xlsx")
    workbook.active["G2"] = "=1+1"  # type: ignore[index]
    workbook.save(folder / "dossiers.xlsx")

    assert len(read_ge(folder, OURS, CABINET).dossiers) == 3


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (b"PK\x03\x04 no zip", "is not a sound Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old .xls workbook, or one protected by a password"),
    ],
)
def test_a_workbook_that_cannot_be_opened_is_named(tmp_path: Path, of: bytes, says: str) -> None:
    folder = put(tmp_path / "ge", {name: rows for name, rows in GE.items() if name != "groupes"})
    (folder / "groupes.xlsx").write_bytes(of)

    assert says in only_problem(folder)


def test_an_empty_workbook_is_named(tmp_path: Path) -> None:
    folder = put(tmp_path / "ge", {name: rows for name, rows in GE.items() if name != "groupes"})
    openpyxl.Workbook().save(folder / "groupes.xlsx")

    assert only_problem(folder) == "ge/groupes.xlsx: holds no filled sheet. Export the list again."


def test_the_first_five_are_said_and_the_others_counted(tmp_path: Path) -> None:
    with pytest.raises(ExtractsUnreadable) as refused:
        read_ge(put(tmp_path / "ge", {}), OURS, CABINET)

    assert len(refused.value.problems) == 7
    assert str(refused.value).startswith(f"C0001: the exported lists in {tmp_path / 'ge'} cannot be used. ge/entites: ")
    assert str(refused.value).endswith("And 2 more.")
