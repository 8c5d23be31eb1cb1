"""What is said when an inventory cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bascule.errors import BasculeError
from bascule.tables.problems import Problem, render

SHOWN_PROBLEMS = 50


class InventoryRefused(BasculeError):
    """The inventory is refused: nothing runs and nothing is stored while one of its errors stands."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems, at_most=SHOWN_PROBLEMS), remedy="Mend the file and check it again.")


def unwritable(path: Path, endings: str) -> InventoryRefused:
    rule = f"files ending in `{path.suffix}` are not written here"
    return InventoryRefused([Problem(str(path), None, None, None, rule, f"Let it end in {endings}")])
