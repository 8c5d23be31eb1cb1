"""An inventory's file before any rule is applied: which rows stand in which of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from bascule.tables.cells import Cell, Row, Table
from bascule.tables.opening import Accepted
from bascule.tables.problems import Problem

ACCEPTED = Accepted(
    bytes=20 * 1024**2,
    rows=20_000,
    endings=".csv, .xlsx or .yaml",
    if_empty="Start from `bascule inventory template`",
)

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

Tree = Cell | list["Tree"] | dict[str, "Tree"]
"""What YAML says: every scalar is text, so that neither `0123` nor `no` is taken for something else."""


def first_cell(tree: Tree) -> Cell | None:
    """Where a part of a tree begins; None if it holds nothing."""
    while not isinstance(tree, Cell):
        if not tree:
            return None
        tree = next(iter(tree.values())) if isinstance(tree, dict) else tree[0]
    return tree


@dataclass(slots=True)
class Document:
    """One file, read: tables by section; `waves` also as a tree where it is written as YAML."""

    file: str
    tables: dict[str, Table] = field(default_factory=dict)
    defaults: Row | None = None
    waves: dict[str, Tree] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
