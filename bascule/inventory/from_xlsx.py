"""XLSX: values only. A workbook is a ZIP of XML, so its parts are measured before any of them is opened."""

from __future__ import annotations

import datetime as dt
import io
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import openpyxl
from openpyxl.utils import get_column_letter

from bascule.inventory.cells import ANNOTATION, MAX_COLUMNS, MAX_ROWS, SECTIONS, Cell, Document, Row, Table
from bascule.inventory.problems import Broken, Problem, did_you_mean

MAX_PARTS = 500
MAX_PART = {"xl/worksheets/": 40 * 1024**2, "xl/sharedStrings.xml": 20 * 1024**2, "": 2 * 1024**2}
"""Bytes, unpacked, by the beginning of a part's name."""
MAX_LINE = 50_000
NOTES = ("aide", "help", "listes", "lists", "lisez-moi", "readme", ANNOTATION)
"""Sheets for people, such as those of our template."""

DAMAGED = Broken("is not a sound Excel workbook", "Open it in Excel and save it again as .xlsx")


def read_xlsx(content: bytes, file: str) -> Document:
    _measure(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            return _read(io.BytesIO(content), file)
    except Broken:
        raise
    except Exception:  # noqa: BLE001  openpyxl answers a hostile or damaged file with any exception there is
        raise DAMAGED from None


def _measure(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            infos = parts.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise DAMAGED from None
    if "xl/workbook.xml" not in {info.filename for info in infos}:
        raise DAMAGED
    if any(info.flag_bits & 1 for info in infos):
        raise Broken("is protected by a password", "Save it without a password")
    if len(infos) > MAX_PARTS:
        raise Broken(f"is made of {len(infos):,} parts; at most {MAX_PARTS} are read", "Keep only the sheets needed")
    for info in infos:
        # zipfile never unpacks more of a part than its directory declares, so a lie here cannot hurt.
        if info.filename.endswith((".xml", ".rels")):
            limit = next(limit for prefix, limit in MAX_PART.items() if info.filename.startswith(prefix))
            if info.file_size > limit:
                size = f"{info.file_size / 1024**2:,.0f} MB unpacked; at most {limit // 1024**2} MB are read"
                raise Broken(f"its part `{info.filename[:60]}` is {size}", "Copy the rows into a new workbook")


def _read(content: io.BytesIO, file: str) -> Document:
    workbook = openpyxl.load_workbook(content, read_only=True, keep_links=False)
    document = Document(file)
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    sections = {title: _section(title) for title in sheets}
    if len(sheets) == 1:
        sections = {title: section or "cabinets" for title, section in sections.items()}
    for title, section in sections.items():
        if section == "defaults":
            problem = Problem(file, None, None, None, "a workbook has no defaults", "Fill the column", sheet=title)
            document.problems.append(problem)
        elif section in document.tables:
            rule = f"is a second sheet of {section}"
            document.problems.append(Problem(file, None, None, None, rule, "Merge the two", sheet=title))
        elif section:
            document.tables[section] = _table(sheets[title], document)
        elif title.casefold() not in NOTES:
            fix = did_you_mean(title, SECTIONS, "Remove it, or name it aide, if it is only for people")
            problem = Problem(file, None, None, None, "is no sheet of an inventory", fix, sheet=title)
            document.problems.append(problem)
    return document


def _section(title: str) -> str | None:
    name = "".join(c for c in unicodedata.normalize("NFD", title.strip().casefold()) if c.isalpha())
    return next((section for section, names in SECTIONS.items() if name in names), None)


def _table(sheet: Any, document: Document) -> Table:
    rows = _filled_rows(sheet)
    header_line, header_cells = next(rows, (1, []))
    headers = tuple(cell.text for cell in header_cells)
    table = Table(document.file, sheet.title, header_line, headers, [])
    for line, cells in rows:
        if len(table.rows) == MAX_ROWS:
            raise Broken(f"has more than {MAX_ROWS:,} rows on sheet `{sheet.title}`", "Split the file")
        if len(cells) > len(headers):
            place = f"{get_column_letter(len(cells))}{line}"
            problem = Problem(
                document.file, line, None, cells[-1].text, f"cell {place} has no header", "Empty it", sheet=sheet.title
            )
            document.problems.append(problem)
        padding = [Cell("", line)] * (len(headers) - len(cells))
        table.rows.append(Row(line, headers, cells[: len(headers)] + padding))
    return table


def _filled_rows(sheet: Any) -> Iterator[tuple[int, list[Cell]]]:
    sheet.reset_dimensions()  # what a sheet says of its own size is not to be trusted
    for line, row in enumerate(sheet.iter_rows(), start=1):
        if line > MAX_LINE:
            raise Broken(f"sheet `{sheet.title}` goes beyond line {MAX_LINE:,}", "Delete the empty rows at its end")
        cells = [_cell(cell, line) for cell in row]
        while cells and not cells[-1].text.strip():
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            raise Broken(f"sheet `{sheet.title}` has more than {MAX_COLUMNS} columns", "Delete those not needed")
        if cells:
            yield line, cells


def _cell(cell: Any, line: int) -> Cell:
    if cell.value is None:
        return Cell("", line)
    if cell.data_type == "f":
        text = cell.value if isinstance(cell.value, str) else "={…}"
        fix = "Copy the cell and paste it as a value"
        return Cell(text, line, Broken(f"cell {cell.coordinate} holds a formula, which is not read", fix))
    if cell.data_type == "e":
        broken = Broken(f"cell {cell.coordinate} shows an error of Excel", "Type the value")
        return Cell(str(cell.value), line, broken)
    return Cell(_text(cell.value), line)


def _text(value: object) -> str:
    """Whole numbers lose the `.0` that Excel adds. No zero that Excel dropped is ever put back: the rules say so."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="minutes")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
