"""From cells to rows: headers are recognised in either language, then every value meets its rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import ValidationError

from bascule.inventory import rules
from bascule.inventory.document import ANNOTATION
from bascule.inventory.rows import InventoryRow, french
from bascule.tables.cells import Cell, Row, Table
from bascule.tables.problems import Broken, Level, Problem, did_you_mean
from bascule.tables.text import folded

R = TypeVar("R", bound=InventoryRow)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[R]):
    """A row by column name. `row` is None while one of its errors stands; its cells can still be compared."""

    table: Table
    line: int
    cells: dict[str, tuple[str, Cell]]
    """Header as the person wrote it, and the cell, by column."""
    row: R | None = None

    def said(self, column: str) -> str:
        return self.cells[column][1].text.strip() if column in self.cells else ""

    def problem(self, column: str, broken: Broken, level: Level = "error") -> Problem:
        header, cell = self.cells.get(column, (column, Cell("", self.line)))
        value = cell.text or None
        return Problem(self.table.file, cell.line, header, value, broken.rule, broken.fix, level, self.table.sheet)


def parse(table: Table, kind: type[R], defaults: Row | None, problems: list[Problem]) -> list[Parsed[R]]:
    """Every row of the table, with every problem of its headers and values added to `problems`."""
    headers = _Headers(table, kind, problems)
    headers.check_needed()
    shared = headers.by_column(defaults) if defaults else {}
    return [
        _validated(Parsed(table, row.line, shared | headers.by_column(row)), kind, headers, problems)
        for row in table.rows
    ]


def _validated(parsed: Parsed[R], kind: type[R], headers: _Headers, problems: list[Problem]) -> Parsed[R]:
    unusable = {column: cell.broken for column, (_, cell) in parsed.cells.items() if cell.broken}
    filled = {column: cell.text for column, (_, cell) in parsed.cells.items() if cell.text.strip()}
    problems.extend(parsed.problem(column, broken) for column, broken in unusable.items())
    for column, value in filled.items():
        problems.extend(parsed.problem(column, doubt, "warning") for doubt in rules.doubts(value))
    try:
        row = kind.model_validate({column: value for column, value in filled.items() if column not in unusable})
    except ValidationError as error:
        for column, broken in _broken(error):
            if column not in unusable and not headers.lack(column):
                problems.append(parsed.problem(column, broken))
        return parsed
    return parsed if unusable else replace(parsed, row=row)


def _broken(error: ValidationError) -> Iterator[tuple[str, Broken]]:
    for detail in error.errors(include_url=False, include_input=False):
        match detail:
            case {"ctx": {"error": Broken() as broken}}:
                pass
            case {"type": "missing"}:
                broken = Broken("is needed", "Fill it in")
            case _:
                broken = Broken(detail["msg"], "Correct it")
        yield str(detail["loc"][0]), broken


class _Headers:
    """The columns that the headers of one table mean. Each unknown or double one is a problem once."""

    def __init__(self, table: Table, kind: type[InventoryRow], problems: list[Problem]) -> None:
        self.table = table
        self._kind = kind
        self._problems = problems
        self._known = {folded(header): column for column, header in french(kind).items()}
        self._known |= {column: column for column in kind.model_fields}
        self._seen: dict[tuple[str, ...], list[str | None]] = {}

    def columns(self, headers: tuple[str, ...], line: int | None = None) -> list[str | None]:
        """One column for each header, None where there is none."""
        if headers not in self._seen:
            self._seen[headers] = [self._known.get(folded(header)) for header in headers]
            self._check(headers, self._seen[headers], self.table.header_line or line)
        return self._seen[headers]

    def by_column(self, row: Row) -> dict[str, tuple[str, Cell]]:
        found: dict[str, tuple[str, Cell]] = {}
        for header, column, cell in zip(row.headers, self.columns(row.headers, row.line), row.cells, strict=True):
            if column:
                found.setdefault(column, (header, cell))
            elif cell.text.strip() and not header.strip():
                self._say(
                    cell.line, None, cell.text, "the value stands under no header", "Name the column, or empty it"
                )
        return found

    def lack(self, column: str) -> bool:
        """Whether the whole table is without the column, which is said once and not for every row."""
        return self.table.header_line is not None and column not in self.columns(self.table.headers)

    def check_needed(self) -> None:
        for column, about in self._kind.model_fields.items():
            if about.is_required() and self.lack(column):
                fix = f"Add it; in French it is `{french(self._kind)[column]}`"
                self._say(self.table.header_line, column, None, "the column is missing", fix)

    def _check(self, headers: tuple[str, ...], columns: list[str | None], line: int | None) -> None:
        names = [*self._kind.model_fields, *french(self._kind).values()]
        first: dict[str, str] = {}
        for header, column in zip(headers, columns, strict=True):
            if column is None and header.strip() and header != ANNOTATION:
                fix = did_you_mean(folded(header), names, f"Remove it. Known are: {', '.join(self._kind.model_fields)}")
                self._say(line, header, None, "is no column here", fix)
            elif column in first:
                same = (
                    "the column stands twice" if first[column] == header else f"is the same column as `{first[column]}`"
                )
                self._say(line, header, None, same, "Keep one of the two")
            elif column:
                first[column] = header

    def _say(self, line: int | None, column: str | None, value: str | None, rule: str, fix: str) -> None:
        self._problems.append(Problem(self.table.file, line, column, value, rule, fix, sheet=self.table.sheet))
