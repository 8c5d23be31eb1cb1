"""What `bascule doctor --extracts` shows: list by list what was found, what was understood, how old it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.table import Table
from rich.text import Text

from bascule.connectors.extracts import ExtractsMapping, examine
from bascule.connectors.extracts.reading import ReadList, needed_in
from bascule.connectors.extracts.remote import folder_of, in_words
from bascule.model import Cabinet, System
from console.telling import as_text

SHOWN = 60
"""Rows at most; --json has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedList:
    cabinet: str
    list: str
    """`ge/dossiers`; `ge` alone for a folder without lists, and for a file that is none."""
    file: str | None
    rows: int | None
    """Understood; None where there is no file."""
    age: str | None
    stale: bool
    unused: tuple[str, ...] = ()
    """Columns that the mapping does not name."""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems and not self.stale


def examine_extracts(
    root: Path, mapping: ExtractsMapping, cabinets: Sequence[Cabinet], *, oldest: timedelta, now: datetime
) -> list[ExaminedList]:
    """A row a list, in the order of the cabinets."""
    return [
        row
        for cabinet in cabinets
        for system in (System.GE, System.S4A)
        for row in _of_folder(folder_of(root, cabinet, system), system, mapping, cabinet, oldest, now)
    ]


def as_table(rows: Sequence[ExaminedList], mapping: ExtractsMapping) -> Table:
    """All of a few rows; of many those that need somebody, the others counted."""
    table = Table(title=as_text(f"Exported lists, by {mapping.source}", style="table.title"), title_justify="left")
    for column in ("cabinet", "list", "file", "rows", "age", "to look at"):
        table.add_column(column, overflow="fold", justify="right" if column == "rows" else "left")
    shown = rows if len(rows) <= SHOWN else [row for row in rows if not row.ok][:SHOWN]
    for row in shown:
        age = f"[red]{row.age}, stale[/]" if row.stale else row.age or ""
        count = "" if row.rows is None else f"{row.rows:,}"
        table.add_row(row.cabinet, row.list, as_text(row.file or ""), count, age, Text("\n").join(_to_look_at(row)))
    if len(shown) < len(rows):
        rest = [row for row in rows if row not in shown]
        fine = sum(row.ok for row in rest)
        said = f"{fine} in order" + (f", {len(rest) - fine} more not: see --json" if fine < len(rest) else "")
        table.add_row("…", f"{len(rest)} more", "", "", "", said)
    return table


def _of_folder(
    folder: Path, system: System, mapping: ExtractsMapping, cabinet: Cabinet, oldest: timedelta, now: datetime
) -> Iterator[ExaminedList]:
    read = examine(system, folder, mapping, cabinet)
    if not read.unused and not any(one.found for one in read.lists):
        says = (f"no list in {folder}; wanted: {needed_in(system, mapping)}",)
        # Client Management has nothing to export before the sign-up.
        problems, notes = (says, ()) if system is System.GE else ((), says)
        yield ExaminedList(
            cabinet=cabinet.code,
            list=system.value,
            file=None,
            rows=None,
            age=None,
            stale=False,
            problems=problems,
            notes=notes,
        )
        return
    for one in read.lists:
        yield ExaminedList(
            cabinet=cabinet.code,
            list=f"{system.value}/{one.of.name}",
            file=one.found.path.name if one.found else None,
            rows=len(one.rows) if one.found else None,
            age=in_words(now - one.made_at) if one.made_at else None,
            stale=one.made_at is not None and one.made_at < now - oldest,
            unused=one.unused,
            problems=tuple(str(problem) for problem in one.problems),
            notes=tuple(_notes(one, mapping)),
        )
    for name in read.unused:
        says = ("is not read: its name begins like none of the mapping's `files`",)
        yield ExaminedList(
            cabinet=cabinet.code, list=system.value, file=name, rows=None, age=None, stale=False, notes=says
        )


def _notes(one: ReadList, mapping: ExtractsMapping) -> Iterator[str]:
    if one.found is None and not one.of.needed:
        yield "not exported: cannot be compared"
    if one.of.told_as == "rights" and one.rows and mapping.right_names is None:
        names = len({right.right.casefold() for right in one.rows})
        yield f"all rights are taken to be the {names} that occur; ge.droits.all of the mapping can name them"


def _to_look_at(row: ExaminedList) -> Iterator[Text]:
    yield from (as_text(problem, style="red") for problem in row.problems)
    yield from map(as_text, row.notes)
    if row.unused:
        yield as_text(f"columns not used: {', '.join(row.unused)}")
