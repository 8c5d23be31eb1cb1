"""A sheet of answers, read back. One wrong cell, and none of it counts: every problem is told by sheet and cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bascule.connectors.operator.forms import EvidenceRefused, as_reason, checked
from bascule.connectors.operator.to_fill_in import GIVEN, SHEET, SHOWN
from bascule.connectors.operator.wording import TEXTS, evidence_of
from bascule.errors import BasculeError
from bascule.tables.cells import Cell, Row, Table
from bascule.tables.from_csv import read_csv
from bascule.tables.from_xlsx import DAMAGED, sheets_of, table_of
from bascule.tables.opening import Accepted, content_of, text_of
from bascule.tables.problems import Broken, Problem, did_you_mean, render
from bascule.tables.text import folded
from bascule.workorders import Answer, Result, WorkOrder, why_no_answer

ACCEPTED = Accepted(
    bytes=20 * 1024**2, rows=20_000, endings=".xlsx or .csv", if_empty="Start from: bascule inbox -o todo.xlsx"
)
EVIDENCE = frozenset(TEXTS["form"])
EVERY_COLUMN = frozenset({*SHOWN, *GIVEN, *EVIDENCE})
RESULTS = frozenset(result.value for result in Result)
SHOWN_PROBLEMS = 50


class AnswersRefused(BasculeError):
    """The file of answers is refused whole: nothing was stored."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        remedy = "nothing was stored; mend the file and hand it in again"
        super().__init__(render(self.problems, at_most=SHOWN_PROBLEMS), remedy=remedy)


def read_answers(path: Path, orders: Mapping[str, WorkOrder], *, by: str, now: datetime) -> dict[str, Answer]:
    """The answers of the rows that have a result, by the order's number. Raises AnswersRefused with every problem."""
    problems: list[Problem] = []
    table = _table(path, problems)
    sheet = _Sheet(table, [folded(header) for header in table.headers], orders, by, now)
    problems += sheet.problems_of_columns()
    if problems:
        raise AnswersRefused(problems)
    answers: dict[str, Answer] = {}
    for row in table.rows:
        try:
            answers |= sheet.answer_in(row)
        except AnswersRefused as refused:
            problems += refused.problems
    if not problems and not answers:
        problems = [sheet.problem("result", Broken("no row has a result", "Fill in done, not-done or cannot"))]
    if problems:
        raise AnswersRefused(problems)
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


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A table of answers, with what its columns are called."""

    table: Table
    names: list[str]
    orders: Mapping[str, WorkOrder]
    by: str
    now: datetime
    answered: dict[str, Cell] = field(default_factory=dict)
    """Where an order is first answered, by its number."""

    def problems_of_columns(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for header, name in zip(self.table.headers, self.names, strict=True):
            if name not in EVERY_COLUMN:
                fix = did_you_mean(name, EVERY_COLUMN, "Remove the column")
                yield self._problem_of_column(header, Broken("is no column of a sheet of answers", fix))
            elif name in seen:
                yield self._problem_of_column(header, Broken("is there twice", "Remove one of the two"))
            seen.add(name)
        fix = "Put it back; a column that you have nothing to say in stays empty"
        for name in self._expected():
            if name not in seen:
                yield self._problem_of_column(name, Broken("the column is missing", fix))

    def _expected(self) -> list[str]:
        """A sheet of ours must come back whole. One that a person or a program made needs only what it fills in."""
        expected = ["order", *GIVEN]
        if "instructions" not in self.names or "order" not in self.names:
            return expected
        place = self.names.index("order")
        named = {row.cells[place].text.strip() for row in self.table.rows}
        return [*expected, *evidence_of(*(order for number, order in self.orders.items() if number in named))]

    def answer_in(self, row: Row) -> dict[str, Answer]:
        """By the order's number; none where the row was not filled in. Raises AnswersRefused."""
        cells = dict(zip(self.names, row.cells, strict=True))
        problems = [
            self.problem(name, broken, cell, cell.text)
            for name, cell in cells.items()
            if (broken := _unread(name, cell)) is not None
        ]
        if any(cell.text.strip() for name, cell in cells.items() if name not in SHOWN):
            order = self._order_in(cells["order"], problems)
            result = self._result_in(cells["result"], problems)
            if order is not None and result is not None and not problems:
                return {order.id: self._answer(order, result, cells)}
        if problems:
            raise AnswersRefused(problems)
        return {}

    def _order_in(self, cell: Cell, problems: list[Problem]) -> WorkOrder | None:
        number = cell.text.strip()
        order = self.orders.get(number)
        if order is None:
            fix = did_you_mean(number, frozenset(self.orders), "See: bascule inbox")
            problems.append(self.problem("order", Broken("is no work order", fix), cell, number))
        elif (first := self.answered.setdefault(number, cell)) is not cell:
            broken = Broken(f"is answered before, in {first.place}", "Remove one of the two")
            problems.append(self.problem("order", broken, cell, number))
        return order

    def _result_in(self, cell: Cell, problems: list[Problem]) -> Result | None:
        word = "-".join(cell.text.casefold().replace("-", " ").split())
        if word in RESULTS:
            return Result(word)
        rule = "is no result" if word else "the row is filled in, and has no result"
        fix = did_you_mean(word, RESULTS, "Write done, not-done or cannot; or empty the row, and the order stays open")
        problems.append(self.problem("result", Broken(rule, fix), cell, word))
        return None

    def _answer(self, order: WorkOrder, result: Result, cells: Mapping[str, Cell]) -> Answer:
        problems: list[Problem] = []
        kinds = {name: field.kind for name, field in evidence_of(order).items()}
        given = {name: _as_typed(cell, kinds.get(name)) for name, cell in cells.items() if name in EVIDENCE}
        evidence: dict[str, Any] = {}
        try:
            evidence = checked(order, result, given, self.now)
        except EvidenceRefused as refused:
            for wrong in refused.problems:
                cell = cells.get(wrong.name, cells["order"])
                problems.append(self.problem(wrong.name, Broken(wrong.rule, wrong.fix), cell, wrong.value))
        because = ""
        try:
            because = as_reason(cells["because"].text)
        except Broken as broken:
            problems.append(self.problem("because", broken, cells["because"], cells["because"].text))
        answer = Answer(by=self.by, at=self.now, result=result, because=because, evidence=evidence)
        problems += self._why_not(order, answer, cells)
        if problems:
            raise AnswersRefused(problems)
        return answer

    def _why_not(self, order: WorkOrder, answer: Answer, cells: Mapping[str, Cell]) -> Iterator[Problem]:
        refused = why_no_answer(order, replace(answer, because="…"), self.now)
        if refused is not None:
            broken = Broken(refused, "Empty the row, or remove it")
            yield self.problem("order", broken, cells["order"])
        elif not cells["because"].text.strip() and (lacking := why_no_answer(order, answer, self.now)) is not None:
            yield self.problem("because", Broken(lacking, "Say it in a sentence"), cells["because"])

    def problem(self, name: str, broken: Broken, cell: Cell | None = None, value: str | None = None) -> Problem:
        place = f"{cell.place} ({name})" if cell else name
        return Problem(self.table.file, None, place, value or None, broken.rule, broken.fix, sheet=self.table.sheet)

    def _problem_of_column(self, header: str, broken: Broken) -> Problem:
        line = self.table.header_line
        return Problem(self.table.file, line, header, None, broken.rule, broken.fix, sheet=self.table.sheet)


def _unread(name: str, cell: Cell) -> Broken | None:
    if cell.broken is None and name not in SHOWN and cell.text.lstrip().startswith("="):
        return Broken("is a formula, which is not read", "Type the value")
    return cell.broken


def _as_typed(cell: Cell, kind: str | None) -> str:
    """A cell that Excel holds as a date has a time of day, too."""
    return cell.text.removesuffix("T00:00") if kind == "date" else cell.text
