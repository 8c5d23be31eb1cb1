"""Tables out of people's files: every cell knows its place, and no more is read than was asked for."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from bascule.tables.from_csv import read_csv
from bascule.tables.from_xlsx import sheets_of, table_of
from bascule.tables.opening import Accepted, content_of
from bascule.tables.problems import Broken

ACCEPTED = Accepted(bytes=1024**2, rows=3, endings=".csv or .xlsx", if_empty="Export it again")


def workbook(*rows: list[object]) -> bytes:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    content = io.BytesIO()
    made.save(content)
    return content.getvalue()


def test_a_cell_of_a_sheet_is_found_as_excel_names_it_also_an_empty_one() -> None:
    with sheets_of(workbook(["code", "name", "siren"], ["C0001", None, "1"], ["C0002"]), ACCEPTED) as sheets:
        table = table_of(sheets[0], "a.xlsx", [], at_most=3)

    assert [[cell.place for cell in row.cells] for row in table.rows] == [["A2", "B2", "C2"], ["A3", "B3", "C3"]]


def test_a_cell_of_a_text_is_found_by_its_line() -> None:
    table = read_csv("code\nC0001\n", "a.csv", [], at_most=3)

    assert table.rows[0].cells[0].place == "line 2"


def test_more_rows_than_asked_for_are_refused() -> None:
    with pytest.raises(Broken, match="has more than 3 rows"):
        read_csv("code\n1\n2\n3\n4\n", "a.csv", [], at_most=3)
    refused = pytest.raises(Broken, match="has more than 3 rows on sheet `Sheet`")
    with refused, sheets_of(workbook(["code"], [1], [2], [3], [4]), ACCEPTED) as sheets:
        table_of(sheets[0], "a.xlsx", [], at_most=3)


def test_a_larger_file_than_asked_for_is_refused_in_the_words_of_who_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x" * (1024**2 + 1))
    with pytest.raises(Broken, match="at most 1 MB are read"):
        content_of(path, ACCEPTED)
    path.write_bytes(b"")
    with pytest.raises(Broken) as empty:
        content_of(path, ACCEPTED)
    assert empty.value.fix == "Export it again"


def test_a_sheet_larger_than_asked_for_is_refused_before_it_is_opened() -> None:
    content = workbook(["code"], ["x" * 100])

    with pytest.raises(Broken, match="unpacked; at most"), sheets_of(content, replace(ACCEPTED, bytes=100)):
        pass
