"""What a file says before any rule is applied: text in cells, each with its place."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.tables.problems import Broken

MAX_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    line: int
    broken: Broken | None = None
    """Why the reader already knows that the cell cannot be used, such as a formula."""
    column: int | None = None
    """Counted from 1, in a sheet; a text has no columns that a person could count."""

    @property
    def place(self) -> str:
        """As people find it: `H17` in a sheet, `line 17` in a text."""
        from openpyxl.utils import get_column_letter

        return f"{get_column_letter(self.column)}{self.line}" if self.column else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    headers: tuple[str, ...]
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headers. In YAML every row brings its own, and `header_line` is None."""

    file: str
    sheet: str | None
    header_line: int | None
    headers: tuple[str, ...]
    rows: list[Row]
