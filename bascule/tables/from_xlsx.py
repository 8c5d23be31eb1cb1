"""XLSX: values only. A workbook is a ZIP of XML, so its parts are measured before any of them is opened."""

from __future__ import annotations

import datetime as dt
import io
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bascule.tables.cells import MAX_COLUMNS, Cell, Row, Table
from bascule.tables.opening import Accepted
from bascule.tables.problems import Broken, Problem

MAX_PARTS = 500
MAX_PART = 2 * 1024**2
"""Bytes, unpacked, of what is neither a sheet nor the strings that sheets share."""

PROPERTIES = "docProps/core.xml"
_DATED = re.compile(rb"<dcterms:(?:created|modified)\b[^<>]*>([^<>]*)<")

DAMAGED = Broken("is not a sound Excel workbook", "Open it in Excel and save it again as .xlsx")

_one_at_a_time = threading.Lock()
"""What warnings are shown is one setting of the whole process."""


@contextmanager
def sheets_of(content: bytes, accepted: Accepted) -> Iterator[list[Any]]:
    """The sheets, to be read by `table_of` while this is open. Raises Broken, whatever is wrong with the workbook."""
    _measure(content, accepted)
    try:
        import openpyxl

        with _one_at_a_time, warnings.catch_warnings(action="ignore"):
            workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
            yield workbook.worksheets
    except Broken:
        raise
    except Exception:  # noqa: BLE001  openpyxl answers a hostile or damaged file with any exception there is
        raise DAMAGED from None


def dates_in(content: bytes) -> tuple[dt.datetime, ...]:
    """When a workbook says that it was created and last modified; what it does not say is left out. Raises Broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            properties = parts.read(PROPERTIES)
    except KeyError:
        return ()
    except Exception:  # noqa: BLE001  zipfile answers a hostile or damaged part with any exception there is
        raise DAMAGED from None
    return tuple(
        found for text in _DATED.findall(properties) if (found := _instant_in(text.decode("ascii", "replace")))
    )


def table_of(sheet: Any, file: str, problems: list[Problem], *, at_most: int) -> Table:
    """The rows of one sheet; what stands under no header is added to `problems`. Raises Broken."""
    rows = _filled_rows(sheet, at_most)
    header_line, header_cells = next(rows, (1, []))
    headers = tuple(cell.text for cell in header_cells)
    table = Table(file, sheet.title, header_line, headers, [])
    for line, cells in rows:
        if len(table.rows) == at_most:
            raise Broken(f"has more than {at_most:,} rows on sheet `{sheet.title}`", "Split the file")
        if len(cells) > len(headers):
            last = cells[-1]
            rule = f"cell {last.place} has no header"
            problems.append(Problem(file, line, None, last.text, rule, "Empty it", sheet=sheet.title))
        padding = [Cell("", line, column=place) for place in range(len(cells) + 1, len(headers) + 1)]
        table.rows.append(Row(line, headers, cells[: len(headers)] + padding))
    return table


def _instant_in(text: str) -> dt.datetime | None:
    """Excel writes UTC."""
    try:
        told = dt.datetime.fromisoformat(text.strip())
        return (told if told.tzinfo else told.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _measure(content: bytes, accepted: Accepted) -> None:
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
            limit = _limit_of(info.filename, accepted)
            if info.file_size > limit:
                size = f"{info.file_size / 1024**2:,.0f} MB unpacked; at most {limit // 1024**2} MB are read"
                raise Broken(f"its part `{info.filename[:60]}` is {size}", "Copy the rows into a new workbook")


def _limit_of(part: str, accepted: Accepted) -> int:
    if part.startswith("xl/worksheets/"):
        return 2 * accepted.bytes
    return accepted.bytes if part == "xl/sharedStrings.xml" else MAX_PART


def _filled_rows(sheet: Any, at_most: int) -> Iterator[tuple[int, list[Cell]]]:
    last_line = at_most * 5 // 2  # some rows are blank, but a sheet of blank rows is no list
    sheet.reset_dimensions()  # what a sheet says of its own size is not to be trusted
    for line, row in enumerate(sheet.iter_rows(), start=1):
        if line > last_line:
            raise Broken(f"sheet `{sheet.title}` goes beyond line {last_line:,}", "Delete the empty rows at its end")
        cells = [_cell(cell, line, column) for column, cell in enumerate(row, start=1)]
        while cells and not cells[-1].text.strip():
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            raise Broken(f"sheet `{sheet.title}` has more than {MAX_COLUMNS} columns", "Delete those not needed")
        if cells:
            yield line, cells


def _cell(cell: Any, line: int, column: int) -> Cell:
    if cell.value is None:
        return Cell("", line, column=column)
    if cell.data_type == "f":
        text = cell.value if isinstance(cell.value, str) else "={…}"
        rule, fix = (
            f"cell {cell.coordinate} holds a formula, which is not read",
            "Copy the cell and paste it as a value",
        )
        return Cell(text, line, Broken(rule, fix), column)
    if cell.data_type == "e":
        broken = Broken(f"cell {cell.coordinate} shows an error of Excel", "Type the value")
        return Cell(str(cell.value), line, broken, column)
    return Cell(_text(cell.value), line, column=column)


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
