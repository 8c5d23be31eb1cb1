"""A copy of a file for people, with every problem beside or on the cell it is about. Mended, it can be read again."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bascule.inventory.document import ANNOTATION, Document
from bascule.inventory.opening import open_document
from bascule.inventory.refusing import InventoryRefused, unwritable
from bascule.inventory.rules import BEGINS_A_FORMULA
from bascule.inventory.writing import EPOCH, WORKBOOK_OPTIONS
from bascule.tables.cells import Row, Table
from bascule.tables.problems import Problem


def annotate(path: Path, problems: Iterable[Problem], out: Path) -> None:
    """`out` ends in .csv (for Excel in French: UTF-8 with BOM, semicolons) or .xlsx (cells coloured, with comments)."""
    about = [problem for problem in problems if problem.file == str(path)]
    try:
        document = open_document(path, "cabinets")
    except InventoryRefused:
        document = Document(str(path))  # what cannot be read has no cells to show: its problems are listed alone
    match out.suffix.lower():
        case ".csv":
            _annotate_csv(document, about, out)
        case ".xlsx":
            _annotate_xlsx(document, about, out)
        case _:
            raise unwritable(out, ".csv or .xlsx")


def _annotate_csv(document: Document, problems: list[Problem], out: Path) -> None:
    table = document.tables.get("cabinets", Table(document.file, None, 1, (), []))
    headers = _headers(table)
    of_row, elsewhere = _by_row(table, problems)
    with out.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow([*headers, ANNOTATION])
        for row in table.rows:
            text = dict(zip(row.headers, (cell.text for cell in row.cells), strict=True))
            said = " / ".join(_sentence(problem) for problem in of_row.get(row.line, []))
            writer.writerow([*(_harmless(text.get(header, "")) for header in headers), said])
        # What belongs to no row that was read comes last, in that column alone.
        writer.writerows([*[""] * len(headers), _harmless(str(problem))] for problem in elsewhere)


def _annotate_xlsx(document: Document, problems: list[Problem], out: Path) -> None:
    from xlsxwriter import Workbook

    with Workbook(str(out), WORKBOOK_OPTIONS) as workbook:
        workbook.set_properties({"created": EPOCH})
        for section, table in document.tables.items():
            _annotate_sheet(workbook, table.sheet or section, table, problems)
        listed = workbook.add_worksheet(ANNOTATION)
        listed.write_row(0, 0, ["sheet", "line", "column", "value", "level", "rule", "fix"])
        for number, p in enumerate(problems, start=1):
            listed.write_row(
                number, 0, [p.sheet or "", p.line or "", p.column or "", p.value or "", p.level, p.rule, p.fix]
            )
        listed.autofit()


def _annotate_sheet(workbook: Any, title: str, table: Table, problems: list[Problem]) -> None:
    text = workbook.add_format({"num_format": "@"})
    bad = {
        "error": workbook.add_format({"num_format": "@", "bg_color": "#F8CBAD"}),
        "warning": workbook.add_format({"num_format": "@", "bg_color": "#FFE699"}),
    }
    sheet = workbook.add_worksheet(title)
    sheet.freeze_panes(1, 1)
    headers = _headers(table)
    sheet.set_column(0, len(headers), 18, text)
    of_cell: dict[tuple[int | None, str | None], list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem.sheet == table.sheet:
            of_cell[problem.line, problem.column].append(problem)

    def write(number: int, place: int, value: str, found: list[Problem]) -> None:
        sheet.write_string(number, place, value, bad[min(problem.level for problem in found)] if found else text)
        if found:
            sheet.write_comment(number, place, "\n".join(_sentence(problem) for problem in found)[:2_000])

    for place, header in enumerate(headers):
        write(0, place, header, of_cell.get((table.header_line, header), []))
    sheet.write_string(0, len(headers), ANNOTATION)
    of_row, _ = _by_row(table, problems)
    for number, row in enumerate(table.rows, start=1):
        for header, cell in zip(row.headers, row.cells, strict=True):
            write(number, headers.index(header), cell.text, of_cell.get((cell.line, header), []))
        sheet.write_string(number, len(headers), " / ".join(_sentence(problem) for problem in of_row.get(row.line, [])))


def _headers(table: Table) -> list[str]:
    every = dict.fromkeys(
        header for headers in (table.headers, *(row.headers for row in table.rows)) for header in headers
    )
    return [header for header in every if header != ANNOTATION]


def _by_row(table: Table, problems: list[Problem]) -> tuple[dict[int, list[Problem]], list[Problem]]:
    """Problems by the line on which their row begins, and those that belong to no row of this table."""
    begins = {line: row.line for row in table.rows for line in (row.line, *_lines(row))}
    of_row: dict[int, list[Problem]] = defaultdict(list)
    elsewhere = []
    for problem in problems:
        if problem.sheet == table.sheet and problem.line in begins:
            of_row[begins[problem.line]].append(problem)
        else:
            elsewhere.append(problem)
    return of_row, elsewhere


def _lines(row: Row) -> set[int]:
    return {cell.line for cell in row.cells}


def _sentence(problem: Problem) -> str:
    return f"{problem.column or 'row'}: {problem.rule}. {problem.fix}"


def _harmless(value: str) -> str:
    """A cell that Excel shows as text, whatever it begins with."""
    return f"'{value}" if value.startswith(BEGINS_A_FORMULA) else value
