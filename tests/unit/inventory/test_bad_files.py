"""Files that nobody can use are refused with a sentence, quickly, and never with a traceback."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from bascule.inventory import InventoryRefused, read_inventory, sample, write_inventory
from bascule.tables.problems import Problem

HEADER = "code,name,siren,entity,admin_email,default_profile,default_group"
ROW = "C0001,Cabinet,732829320,E1,a@b.example,Manager,G"
GOOD = f"{HEADER}\n{ROW}\n"


def problems_of(path: Path) -> tuple[Problem, ...]:
    began = time.monotonic()
    with pytest.raises(InventoryRefused) as refused:
        read_inventory(path)
    assert time.monotonic() - began < 5, "a bad file is refused at once"
    assert "Traceback" not in str(refused.value)
    return refused.value.problems


def zipped(parts: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


def workbook_with(sheet_xml: bytes) -> bytes:
    content = io.BytesIO()
    book = openpyxl.Workbook()
    book.save(content)
    with zipfile.ZipFile(content) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = sheet_xml
    return zipped(parts)


MAIN = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
BILLION = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<worksheet " + MAIN + b'><sheetData><row r="1"><c r="A1" t="str"><v>&b;</v></c></row></sheetData></worksheet>'
)
FAR_ROW = (
    b"<worksheet " + MAIN + b'><sheetData><row r="999999999999"><c r="A999999999999"><v>1</v></c></row>'
    b"</sheetData></worksheet>"
)

FILES: list[tuple[str, bytes, str]] = [
    ("empty.csv", b"", "is empty"),
    ("blank.csv", b" \n\n", "is empty"),
    ("header-only.csv", HEADER.encode(), "names no cabinet"),
    ("one-line.csv", b"x" * 15_000_000, "a line of 15,000,000 characters"),
    ("nul.csv", GOOD.encode() + b"\x00", "NUL byte on line 3"),
    ("garbage.csv", bytes(range(1, 256)) * 40, "neither UTF-8 nor Windows-1252"),
    ("utf16.csv", GOOD.encode("utf-16"), "is in UTF-16"),
    ("pipes.csv", GOOD.replace(",", "|").encode(), "split by `|`"),
    ("wide.csv", b"a," * 40_000, "columns; at most 100"),
    ("ragged.csv", f"{GOOD}C0002,short\n".encode(), "the row has 2 fields where the header has 7"),
    ("unclosed.csv", f'{GOOD}C0002,"Open,{ROW[6:]}\n'.encode(), "a quotation mark is opened here and not closed"),
    ("after-quote.csv", f'{GOOD}C0002,"Open" x,{ROW[14:]}\n'.encode(), "cannot be parsed as CSV"),
    ("workbook.csv", zipped({"a": b""}), "its content is not what its ending says"),
    ("text.xlsx", GOOD.encode(), "its content is not what its ending says"),
    ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "an old .xls workbook"),
    ("locked.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "protected by a password"),
    ("document.xlsx", zipped({"word/document.xml": b"<w/>"}), "is not a sound Excel workbook"),
    ("torn.xlsx", zipped({"xl/workbook.xml": b"<w/>" * 9})[:90], "is not a sound Excel workbook"),
    ("hollow.xlsx", zipped({"xl/workbook.xml": b"<w/>"}), "is not a sound Excel workbook"),
    ("bomb.xlsx", zipped({"xl/workbook.xml": b"", "xl/worksheets/s.xml": b" " * 60_000_000}), "MB unpacked"),
    ("many-parts.xlsx", zipped({"xl/workbook.xml": b""} | {f"p{n}": b"" for n in range(900)}), "parts; at most 500"),
    ("entities.xlsx", workbook_with(BILLION), "is not a sound Excel workbook"),
    ("far-row.xlsx", workbook_with(FAR_ROW), "beyond line 50,000"),
    ("broken.yaml", b"cabinets: [", "cannot be parsed as YAML"),
    ("controls.yaml", b"cabinets: \x01", "characters that YAML does not allow"),
    ("list.yaml", b"- a", "is not a mapping"),
    ("scalar.yaml", b"hello", "is not a mapping"),
    ("two.yaml", b"cabinets: []\n---\ncabinets: []", "several YAML documents"),
    ("bomb.yaml", b"a: &a [x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(10)), "anchors or aliases"),
    ("deep.yaml", b"cabinets: " + b"[" * 100_000, "nested more than 8 levels"),
    ("twice.yaml", b"cabinets:\n- code: A1\n  code: A2", "the key stands twice"),
    ("shape.yaml", b"cabinets:\n  code: A1", "is not a list of rows"),
    ("section.yaml", b"cabinet: []", "Did you mean `cabinets`?"),
    ("no-rows.yaml", b"cabinets: []", "names no cabinet"),
    ("inventory.docx", b"x", "files ending in `.docx` are not read"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), FILES, ids=[name for name, _, _ in FILES])
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = problems_of(path)
    assert any(sentence in str(problem) for problem in found), [str(problem) for problem in found][:5]
    assert all(problem.file == str(path) and problem.fix for problem in found)


def test_fifty_megabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(50 * 1024**2)
    (problem,) = problems_of(path)
    assert problem.rule == "is 50 MB; at most 20 MB are read"


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, made: Callable[[Path], object], sentence: str) -> None:
    path = tmp_path / "inventory.csv"
    made(path)
    assert sentence in problems_of(path)[0].rule


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text(GOOD)
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert read_inventory(tmp_path / "link.csv").cabinets[0].code == "C0001"


def test_more_rows_than_the_limit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(HEADER + "\n" + f"{ROW}\n" * 20_001)
    assert "more than 20,000 rows" in problems_of(path)[0].rule


def test_ten_thousand_cabinets_are_checked_in_seconds(tmp_path: Path) -> None:
    write_inventory(sample(10_000, seed=1), tmp_path / "big.csv")
    began = time.monotonic()
    assert len(read_inventory(tmp_path / "big.csv").cabinets) == 10_000
    assert time.monotonic() - began < 12, "about 2 s on an idle machine"


def test_a_file_full_of_misspelt_words_is_refused_in_seconds(tmp_path: Path) -> None:
    write_inventory(sample(3_000, seed=1), tmp_path / "big.csv")
    users = "".join(f"X{number:05d},u@u.example,A,B\n" for number in range(3_000))
    (tmp_path / "users.csv").write_text("code,email,collaborateur,role\n" + users)
    began = time.monotonic()
    with pytest.raises(InventoryRefused):
        read_inventory(tmp_path / "big.csv", users=tmp_path / "users.csv")
    assert time.monotonic() - began < 12
