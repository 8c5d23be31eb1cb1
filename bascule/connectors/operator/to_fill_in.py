"""The inbox as a sheet for Excel: what to do in each row, and cells for what is to be answered. `filled_in` reads it back."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bascule.connectors.operator.forms import FormField
from bascule.connectors.operator.wording import TEXTS, evidence_of, instructions, language_of, local, printable
from bascule.errors import BasculeError
from bascule.workorders import Result, WorkOrder

SHEET = "orders"
SHOWN = {
    "order": 22,
    "cabinet": 10,
    "name": 26,
    "what": 30,
    "instructions": 110,
    "opened": 17,
    "minutes": 9,
    "approval": 12,
}
"""Columns to be read, and how wide they are in letters. Of these only `order` is read back."""
GIVEN = {"result": 11, "because": 40}
"""Columns to be filled in for every order; one for each piece of evidence follows."""
WIDTH_OF_KIND = {"instant": 18, "date": 13, "sha256": 24, "text": 22, "question": 22}

FORMAT_OF_KIND = {"instant": "yyyy-mm-dd hh:mm", "date": "yyyy-mm-dd"}
"""Everything else is text, so that neither zeros at its beginning nor what looks like a number is changed."""
TEXT = "@"

TALLEST, LINE, SMALL = 409.0, 12.0, 9
"""Points: the height that Excel allows a row, that of a line, and a size of letters in which the longest instructions fit."""
LONGEST_CELL = 32_000
"""Characters. Excel refuses a cell of 32,768."""
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""In a CSV: what Excel takes for the beginning of a formula, or strips before it looks for one."""


class SheetNotWritten(BasculeError):
    """The sheet could not be written."""


def write_orders(orders: Sequence[WorkOrder], path: Path) -> None:
    """`path` ends in .xlsx, or in .csv (for Excel in French: UTF-8 with its mark, semicolons). Raises SheetNotWritten."""
    from xlsxwriter.exceptions import FileCreateError

    writes = {".xlsx": _write_xlsx, ".csv": _write_csv}.get(path.suffix.lower())
    if writes is None:
        raise SheetNotWritten(
            f"{path}: files ending in {path.suffix!r} are not written here", remedy="let it end in .xlsx or .csv"
        )
    try:
        writes(orders, evidence_of(*orders), path)
    except (OSError, FileCreateError) as trouble:
        raise SheetNotWritten(
            f"{path}: cannot be written ({trouble})",
            remedy="close it where it is open, or give another -o, in a folder that exists and may be written",
        ) from trouble


def _shown(order: WorkOrder) -> tuple[str, ...]:
    """The cells of SHOWN."""
    return (
        order.id,
        order.cabinet,
        printable(order.values.get("name", "")),
        instructions(order).title,
        _in_one_cell(order),
        local(order.opened_at, order),
        str(order.minutes),
        "second person" if order.four_eyes else "",
    )


def _in_one_cell(order: WorkOrder) -> str:
    told = instructions(order)
    lines = [f"{number}. {step}" for number, step in enumerate(told.steps, start=1)]
    for part, said in (("look_at", told.look_at), ("never", told.never)):
        if said:
            lines += ["", told.headings[part], *(f"– {line}" for line in said)]
    text = "\n".join(lines)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…\n\nbascule inbox --order {order.id}"


def _write_csv(orders: Sequence[WorkOrder], asked: Mapping[str, FormField], path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow([*SHOWN, *GIVEN, *asked])
        for order in orders:
            # One line a row, so that a line that is told is the row that Excel shows.
            shown = [text.replace("\n", "  ") for text in _shown(order)]
            harmless = [f"'{text}" if text.startswith(BEGINS_A_FORMULA) else text for text in shown]
            writer.writerow([*harmless, *[""] * (len(GIVEN) + len(asked))])


def _write_xlsx(orders: Sequence[WorkOrder], asked: Mapping[str, FormField], path: Path) -> None:
    from xlsxwriter import Workbook

    columns = [*SHOWN, *GIVEN, *asked]
    last_line, last_place = max(1, len(orders)), len(columns) - 1
    # Everything is written as a string, so nothing that comes from outside becomes a formula, a number or a link.
    with Workbook(str(path)) as workbook:
        sheet = workbook.add_worksheet(SHEET)
        top = {"valign": "top", "text_wrap": True}
        paper = {**top, "bg_color": "#FFFBE6", "border": 1, "border_color": "#E0D9B0"}
        shown = workbook.add_format({**top, "num_format": TEXT, "font_color": "#404040", "font_size": SMALL})
        not_asked = workbook.add_format({"bg_color": "#D9D9D9"})
        headers = {to_give: workbook.add_format(_header(to_give)) for to_give in (False, True)}
        formats = {
            said: workbook.add_format({**paper, "num_format": said}) for said in (TEXT, *FORMAT_OF_KIND.values())
        }
        languages = sorted({language_of(order) for order in orders}, reverse=True)
        for place, name in enumerate(columns):
            kind = asked[name].kind if name in asked else "text"
            to_fill_in = None if name in SHOWN else formats[FORMAT_OF_KIND.get(kind, TEXT)]
            sheet.set_column(place, place, _width(name, kind), to_fill_in)
            sheet.write_string(0, place, name, headers[name not in SHOWN])
            if name in asked:
                about = [TEXTS["form"][name][language] for language in languages]
                sheet.write_comment(0, place, "\n".join([*about, f"({kind})"]), {"x_scale": 2, "y_scale": 1.2})
            if choices := _choices(name, kind):
                sheet.data_validation(1, place, last_line, place, {"validate": "list", "source": choices})
        for line, order in enumerate(orders, start=1):
            cells, applying = _shown(order), evidence_of(order)
            sheet.set_row(line, _height(cells))
            for place, text in enumerate(cells):
                sheet.write_string(line, place, text, shown)
            for place, name in enumerate(columns):
                if name in asked and name not in applying:
                    sheet.write_blank(line, place, None, not_asked)
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, last_line, last_place)
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        sheet.set_landscape()
        sheet.repeat_rows(0)
        sheet.fit_to_pages(1, 0)


def _header(to_give: bool) -> dict[str, Any]:
    return {"bold": True, "bottom": 1, "valign": "top", "bg_color": "#FFE699" if to_give else "#F2F2F2"}


def _width(name: str, kind: str) -> float:
    # The filter's arrow takes the room of three letters.
    return SHOWN.get(name) or GIVEN.get(name) or max(WIDTH_OF_KIND.get(kind, 10), len(name) + 4)


def _height(cells: Sequence[str]) -> float:
    """So that the instructions can be read without opening the cell."""
    lines = max(
        sum(math.ceil(max(1, len(line)) / width) for line in text.split("\n"))
        for text, width in zip(cells, SHOWN.values(), strict=True)
    )
    return min(TALLEST, LINE * (lines + 0.5))


def _choices(name: str, kind: str) -> list[str]:
    if name == "result":
        return [result.value for result in Result]
    return ["yes", "no"] if kind in ("yes", "no", "yes-or-no") else []
