"""What a file says before any rule is applied: text in cells, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from bascule.inventory.problems import Broken, Problem

MAX_FILE = 20 * 1024 * 1024
MAX_ROWS = 20_000
MAX_COLUMNS = 100
MAX_CELL = 1_000

ANNOTATION = "problems"
"""The column and the sheet that an annotated copy adds. They are not read, so that a mended copy can be."""

SECTIONS = {
    "cabinets": ("cabinets",),
    "defaults": ("defaults", "defauts"),
    "waves": ("waves", "vagues"),
    "users": ("users", "utilisateurs"),
    "assignments": ("assignments", "affectations"),
}
"""The parts of an inventory, with the names that a sheet or a YAML key may bear."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    line: int
    broken: Broken | None = None
    """Why the reader already knows that the cell cannot be used, such as a formula."""


Tree = Cell | list["Tree"] | dict[str, "Tree"]
"""What YAML says: every scalar is text, so that neither `0123` nor `no` is taken for something else."""


def first_cell(tree: Tree) -> Cell | None:
    """Where a part of a tree begins; None if it holds nothing."""
    while not isinstance(tree, Cell):
        if not tree:
            return None
        tree = next(iter(tree.values())) if isinstance(tree, dict) else tree[0]
    return tree


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


@dataclass(slots=True)
class Document:
    """One file, read: tables by section; `waves` also as a tree where it is written as YAML."""

    file: str
    tables: dict[str, Table] = field(default_factory=dict)
    defaults: Row | None = None
    waves: dict[str, Tree] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
