"""The inbox as a sheet: written for Excel, filled in by a person, read back as answers. One wrong cell, and none of it counts."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bascule.connectors.operator.forms import EvidenceRefused, FormField, as_reason, checked
from bascule.connectors.operator.wording import TEXTS, evidence_of, instructions, language_of, local, printable
from bascule.errors import BasculeError
from bascule.tables.cells import Cell, Row, Table
from bascule.tables.from_csv import read_csv
from bascule.tables.from_xlsx import DAMAGED, sheets_of, table_of
from bascule.tables.opening import Accepted, content_of, text_of
from bascule.tables.problems import Broken, Problem, did_you_mean, render
from bascule.tables.text import folded
from bascule.workorders import Answer, Result, WorkOrder, why_no_answer

SHEET = "orders"
SHOWN = ("order", "cabinet", "name", "what", "instructions", "opened", "minutes", "approval")
"""To be read. Of these only `order` is read back."""
GIVEN = ("result", "because")
ACCEPTED = Accepted(
    bytes=20 * 1024**2, rows=20_000, endings=".xlsx or .csv", if_empty="Start from: bascule inbox -o todo.xlsx"
)

EVIDENCE = frozenset(TEXTS["form"])
EVERY_COLUMN = frozenset({*SHOWN, *GIVEN, *EVIDENCE})

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What Excel takes for the beginning of a formula in a CSV, or strips before it looks for one."""
LONGEST_CELL = 32_000
"""Excel refuses a cell of 32,768 characters."""
SHOWN_PROBLEMS = 50

WIDTHS = {"order": 22, "cabinet": 10, "name": 26, "what": 30, "instructions": 90, "opened": 17, "minutes": 9, "approval": 12}  # fmt: skip
GIVEN_WIDTHS = {"result": 11, "because": 40}
WIDTH_OF_KIND = {"instant": 18, "date": 13, "sha256": 24, "text": 22, "question": 22}
TALLEST, LINE = 409.0, 15.0
"""Points: the height that Excel allows a row, and that of a line."""


class AnswersRefused(BasculeError):
    """The file of answers is refused whole: nothing was stored."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            render(self.problems, at_most=SHOWN_PROBLEMS),
            remedy="nothing was stored; mend the file and hand it in again",
        )


class SheetNotWritten(BasculeError):
    """The sheet could not be written."""


# Written


def write_orders(orders: Sequence[WorkOrder], path: Path) -> None:
    """`path` ends in .xlsx, or in .csv (for Excel in French: UTF-8 with its mark, semicolons). Raises SheetNotWritten."""
    from xlsxwriter.exceptions import FileCreateError

    writes = {".xlsx": _write_xlsx, ".csv": _write_csv}.get(path.suffix.lower())
    if writes is None:
        raise SheetNotWritten(
            f"{path}: files ending in {path.suffix!r} are not written here", remedy="let it end in .xlsx or .csv"
        )
    try:
        writes(orders, _asked_by(orders), path)
    except (OSError, FileCreateError) as trouble:
        raise SheetNotWritten(
            f"{path}: cannot be written ({trouble})",
            remedy="close it where it is open, or give another -o, in a folder that exists and may be written",
        ) from trouble


def _asked_by(orders: Iterable[WorkOrder]) -> dict[str, FormField]:
    """The evidence that any of these orders asks for: first what the steps ask, last what goes with any answer."""
    asked = {name: field for order in orders for name, field in evidence_of(order).items()}
    return dict(sorted(asked.items(), key=lambda item: item[0] in ("ticket", "screenshot")))


def _shown(order: WorkOrder) -> tuple[str, ...]:
    told = instructions(order)
    parts = [
        "\n".join(f"{number}. {step}" for number, step in enumerate(told.steps, start=1)),
        *(
            f"{told.headings[part]}\n" + "\n".join(f"– {line}" for line in lines)
            for part, lines in (("look_at", told.look_at), ("never", told.never))
            if lines
        ),
    ]
    return (
        order.id,
        order.cabinet,
        printable(order.values.get("name", "")),
        told.title,
        _cut("\n\n".join(parts), order),
        local(order.opened_at, order),
        str(order.minutes),
        "second person" if order.four_eyes else "",
    )


def _cut(text: str, order: WorkOrder) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…\n\nbascule inbox --order {order.id}"


def _write_csv(orders: Sequence[WorkOrder], asked: Mapping[str, FormField], path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow([*SHOWN, *GIVEN, *asked])
        for order in orders:
            writer.writerow([*map(_harmless, _shown(order)), *[""] * (len(GIVEN) + len(asked))])


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _write_xlsx(orders: Sequence[WorkOrder], asked: Mapping[str, FormField], path: Path) -> None:
    from xlsxwriter import Workbook

    options = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    with Workbook(str(path), options) as workbook:
        sheet = workbook.add_worksheet(SHEET)
        style = _Styles.of(workbook)
        columns = [*SHOWN, *GIVEN, *asked]
        languages = sorted({language_of(order) for order in orders}, reverse=True)
        for place, name in enumerate(columns):
            sheet.set_column(place, place, _width(name, asked), style.of_column(name, asked))
            sheet.write_string(0, place, name, style.shown_header if name in SHOWN else style.given_header)
            if name in asked:
                about = "\n".join(TEXTS["form"][name][language] for language in languages)
                sheet.write_comment(0, place, f"{about}\n({asked[name].kind})", {"x_scale": 2, "y_scale": 1.2})
        for line, order in enumerate(orders, start=1):
            cells = _shown(order)
            sheet.set_row(line, _height(cells))
            for place, text in enumerate(cells):
                sheet.write_string(line, place, text, style.shown)
            applying = evidence_of(order)
            for place, name in enumerate(columns):
                if name in asked and name not in applying:
                    sheet.write_blank(line, place, None, style.grey)
        for place, name in enumerate(columns):
            if choices := _choices(name, asked):
                sheet.data_validation(1, place, max(1, len(orders)), place, {"validate": "list", "source": choices})
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, max(1, len(orders)), len(columns) - 1)
        sheet.set_landscape()
        sheet.repeat_rows(0)
        sheet.fit_to_pages(1, 0)


@dataclass(frozen=True, slots=True)
class _Styles:
    shown: Any
    grey: Any
    text: Any
    instant: Any
    date: Any
    shown_header: Any
    given_header: Any

    @classmethod
    def of(cls, workbook: Any) -> _Styles:
        top = {"valign": "top", "text_wrap": True}
        bold = {"bold": True, "bottom": 1, "valign": "top"}
        return cls(
            shown=workbook.add_format({**top, "num_format": "@", "font_color": "#404040"}),
            grey=workbook.add_format({"bg_color": "#D9D9D9"}),
            # Text, so that neither zeros at the beginning nor anything that looks like a number is changed.
            text=workbook.add_format(
                {**top, "num_format": "@", "bg_color": "#FFFBE6", "border": 1, "border_color": "#E0D9B0"}
            ),
            instant=workbook.add_format(
                {**top, "num_format": "yyyy-mm-dd hh:mm", "bg_color": "#FFFBE6", "border": 1, "border_color": "#E0D9B0"}
            ),
            date=workbook.add_format(
                {**top, "num_format": "yyyy-mm-dd", "bg_color": "#FFFBE6", "border": 1, "border_color": "#E0D9B0"}
            ),
            shown_header=workbook.add_format({**bold, "bg_color": "#F2F2F2"}),
            given_header=workbook.add_format({**bold, "bg_color": "#FFE699"}),
        )

    def of_column(self, name: str, asked: Mapping[str, FormField]) -> Any:
        if name in SHOWN:
            return None
        kind = asked[name].kind if name in asked else ""
        return {"instant": self.instant, "date": self.date}.get(kind, self.text)


def _width(name: str, asked: Mapping[str, FormField]) -> float:
    if name in asked:
        # The filter's arrow takes the room of three letters.
        return max(WIDTH_OF_KIND.get(asked[name].kind, 10), len(name) + 4)
    return WIDTHS.get(name) or GIVEN_WIDTHS[name]


def _height(cells: Sequence[str]) -> float:
    """So that the instructions can be read without opening the cell."""
    lines = max(
        sum(math.ceil(max(1, len(line)) / WIDTHS[name]) for line in text.split("\n"))
        for name, text in zip(SHOWN, cells, strict=True)
    )
    return min(TALLEST, LINE * (lines + 0.5))


def _choices(name: str, asked: Mapping[str, FormField]) -> list[str]:
    if name == "result":
        return [result.value for result in Result]
    return ["yes", "no"] if name in asked and asked[name].kind in ("yes", "no", "yes-or-no") else []


# Read back


def read_answers(path: Path, orders: Mapping[str, WorkOrder], *, by: str, now: datetime) -> dict[str, Answer]:
    """The answers of the rows that have a result, by the order's number. Raises AnswersRefused with every problem."""
    problems: list[Problem] = []
    table = _table(path, problems)
    sheet = _Sheet(table, orders, by=by, now=now)
    problems += sheet.problems_of_columns()
    if problems:
        raise AnswersRefused(problems)
    answers: dict[str, Answer] = {}
    for row in table.rows:
        try:
            answer = sheet.answer_in(row, answers)
        except AnswersRefused as refused:
            problems += refused.problems
        else:
            answers |= answer
    if problems:
        raise AnswersRefused(problems)
    if not answers:
        raise AnswersRefused(
            [sheet.problem(None, "result", Broken("no row has a result", "Fill in done, not-done or cannot"))]
        )
    return answers


def _table(path: Path, problems: list[Problem]) -> Table:
    file = str(path)
    try:
        content = content_of(path, ACCEPTED)
        match path.suffix.lower():
            case ".csv":
                return read_csv(text_of(content), file, problems, at_most=ACCEPTED.rows)
            case ".xlsx":
                with sheets_of(content, ACCEPTED) as sheets:
                    if not sheets:
                        raise DAMAGED
                    ours = next((sheet for sheet in sheets if sheet.title == SHEET), sheets[0])
                    return table_of(ours, file, problems, at_most=ACCEPTED.rows)
            case ending:
                raise Broken(f"files ending in `{ending}` are not read", ACCEPTED.wanted)
    except Broken as broken:
        raise AnswersRefused([Problem(file, None, None, None, broken.rule, broken.fix)]) from None


class _Sheet:
    """A table of answers, with what its columns are."""

    def __init__(self, table: Table, orders: Mapping[str, WorkOrder], *, by: str, now: datetime) -> None:
        self._table = table
        self._orders = orders
        self._by = by
        self._now = now
        self._names = [folded(header) for header in table.headers]
        self._lines: dict[str, Cell] = {}

    def problems_of_columns(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for header, name in zip(self._table.headers, self._names, strict=True):
            if name not in EVERY_COLUMN:
                fix = did_you_mean(name, EVERY_COLUMN, "Remove the column")
                yield self._of_column(header, Broken("is no column of a sheet of answers", fix))
            elif name in seen:
                yield self._of_column(header, Broken("is there twice", "Remove one of the two"))
            seen.add(name)
        for name in self._expected():
            if name not in seen:
                fix = "Put it back; a column that you have nothing to say in stays empty"
                yield self._of_column(name, Broken("the column is missing", fix))

    def _expected(self) -> list[str]:
        """A sheet of ours must come back whole. One that a person or a program made needs only what it fills in."""
        named = (
            {row.cells[self._names.index("order")].text.strip() for row in self._table.rows}
            if "order" in self._names
            else set()
        )
        is_ours = not {"instructions", "what"}.isdisjoint(self._names)
        asked = _asked_by(self._orders[number] for number in sorted(named & self._orders.keys())) if is_ours else {}
        return ["order", *GIVEN, *asked]

    def answer_in(self, row: Row, before: Mapping[str, Answer]) -> dict[str, Answer]:
        cells = dict(zip(self._names, row.cells, strict=True))
        told = {name: cell for name, cell in cells.items() if name not in SHOWN and cell.text.strip()}
        problems = [self.problem(cell, name, broken) for name, cell in cells.items() if (broken := _unread(name, cell))]
        if not told:
            if problems:
                raise AnswersRefused(problems)
            return {}
        number = cells["order"].text.strip()
        order = self._orders.get(number)
        result = self._result(cells["result"], problems)
        if order is None:
            fix = did_you_mean(number, frozenset(self._orders), "See: bascule inbox")
            problems.append(self.problem(cells["order"], "order", Broken("is no work order", fix)))
        elif number in before or number in self._lines:
            first = self._lines[number].place
            problems.append(
                self.problem(
                    cells["order"], "order", Broken(f"is answered before, in {first}", "Remove one of the two")
                )
            )
        else:
            self._lines[number] = cells["order"]
        if problems or order is None or result is None:
            raise AnswersRefused(problems)
        return {number: self._answer(order, result, cells)}

    def _result(self, cell: Cell, problems: list[Problem]) -> Result | None:
        word = "-".join(cell.text.strip().casefold().replace("-", " ").split())
        if word in list(Result):
            return Result(word)
        known = frozenset(result.value for result in Result)
        fix = did_you_mean(
            word, known, "Write done, not-done or cannot; or empty the whole row to leave the order open"
        )
        rule = "is no result" if word else "the row is filled in, and has no result"
        problems.append(self.problem(cell, "result", Broken(rule, fix)))
        return None

    def _answer(self, order: WorkOrder, result: Result, cells: Mapping[str, Cell]) -> Answer:
        problems: list[Problem] = []
        kinds = {name: field.kind for name, field in evidence_of(order).items()}
        given = {name: _as_typed(cells[name], kinds.get(name)) for name in self._names if name in EVIDENCE}
        evidence: dict[str, Any] = {}
        because = ""
        try:
            evidence = checked(order, result, given, self._now)
        except EvidenceRefused as refused:
            for wrong in refused.problems:
                cell = cells.get(wrong.name)
                problems.append(self.problem(cell, wrong.name, Broken(wrong.rule, wrong.fix), row=cells["order"]))
        try:
            because = as_reason(cells["because"].text)
        except Broken as broken:
            problems.append(self.problem(cells["because"], "because", broken))
        answer = Answer(by=self._by, at=self._now, result=result, because=because, evidence=evidence)
        why_not = why_no_answer(order, answer, self._now)
        if why_not is not None:
            lacks_a_reason = why_no_answer(order, replace(answer, because="…"), self._now) is None
            column = "because" if lacks_a_reason else "order"
            fix = "Say it in a sentence" if lacks_a_reason else "Empty the row, or remove it"
            if not (lacks_a_reason and cells["because"].text.strip()):
                problems.append(self.problem(None, column, Broken(why_not, fix), row=cells[column]))
        if problems:
            raise AnswersRefused(problems)
        return answer

    def problem(self, cell: Cell | None, name: str, broken: Broken, row: Cell | None = None) -> Problem:
        """`row`: where, if there is no such cell."""
        where = cell or row
        place = f"{where.place} ({name})" if where else name
        value = cell.text if cell and cell.text else None
        return Problem(self._table.file, None, place, value, broken.rule, broken.fix, sheet=self._table.sheet)

    def _of_column(self, header: str, broken: Broken) -> Problem:
        return Problem(
            self._table.file, self._table.header_line, header, None, broken.rule, broken.fix, sheet=self._table.sheet
        )


def _unread(name: str, cell: Cell) -> Broken | None:
    if cell.broken is None and name not in SHOWN and cell.text.lstrip().startswith("="):
        return Broken("is a formula, which is not read", "Type the value")
    return cell.broken


def _as_typed(cell: Cell, kind: str | None) -> str:
    """A cell that Excel holds as a date has a time of day, too."""
    return cell.text.removesuffix("T00:00") if kind == "date" else cell.text
