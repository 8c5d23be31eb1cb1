"""Reads an inventory: all its files, all their problems at once, or the cabinets."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bascule.inventory.document import Document
from bascule.inventory.opening import open_document
from bascule.inventory.parsing import Parsed, R, parse
from bascule.inventory.refusing import InventoryRefused
from bascule.inventory.rows import AssignmentRow, CabinetRow, UserRow, cabinet_of, row_of
from bascule.inventory.waves import WaveSettings, parse_waves
from bascule.model import Assignment, Cabinet, Invitation, System
from bascule.tables.cells import Row, Table
from bascule.tables.problems import Broken, Problem, did_you_mean

DEFAULT_WAVE = "default"


@dataclass(frozen=True)
class Inventory:
    """Who is planned, with what parameters. `source` is the file, or what else the cabinets come from."""

    cabinets: tuple[Cabinet, ...]
    waves: Mapping[str, WaveSettings]
    warnings: tuple[Problem, ...]
    source: str
    calendars: Mapping[str, str] = field(default_factory=dict)
    """The text of the blackout calendars that the waves name, by that name, as far as they were read with it."""

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of what the inventory says, whatever the format and the order of its rows."""
        cabinets = sorted(json.dumps(said(cabinet), ensure_ascii=False, sort_keys=True) for cabinet in self.cabinets)
        waves = {name: wave.model_dump(mode="json", exclude_defaults=True) for name, wave in self.waves.items()}
        calendars = [dict(self.calendars)] if self.calendars else []
        content = json.dumps([cabinets, waves, *calendars], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def said(cabinet: Cabinet) -> dict[str, object]:
    """All that the inventory says of a cabinet, in an order of its own."""
    invitations = sorted((asdict(invitation) for invitation in cabinet.invitations), key=lambda i: sorted(i.items()))
    assignments = sorted((asdict(assignment) for assignment in cabinet.assignments), key=lambda a: sorted(a.items()))
    return {**row_of(cabinet), "users": invitations, "assignments": assignments}


def read_inventory(
    path: Path,
    *,
    waves: Path | None = None,
    users: Path | None = None,
    assignments: Path | None = None,
    environment_connectors: Collection[str] | None = None,
) -> Inventory:
    """Reads CSV, XLSX or YAML. `environment_connectors`: those that rows may name, where not all are to be had.

    Raises InventoryRefused with every problem of every file.
    """
    problems: list[Problem] = []
    documents = list(_opened({"cabinets": path, "waves": waves, "users": users, "assignments": assignments}, problems))
    problems.extend(problem for document in documents for problem in document.problems)
    known_waves: dict[str, WaveSettings] = {}
    for document in documents:
        known_waves |= parse_waves(document, problems)

    tables = _tables(documents, problems)
    defaults = next((document.defaults for document in documents if document.defaults), None)
    cabinets = _rows(tables, "cabinets", CabinetRow, defaults, problems)
    invited = _rows(tables, "users", UserRow, None, problems)
    assigned = _rows(tables, "assignments", AssignmentRow, None, problems)
    if not cabinets and not problems:
        problems.append(Problem(str(path), None, None, None, "names no cabinet", "Add a row for each cabinet"))

    problems.extend(_twice(cabinets, "code", lambda c: (c.said("code"),)))
    problems.extend(
        _twice(cabinets, "siren", lambda c: (c.said("siren").replace(" ", ""), c.said("entity")), "SIREN and entity")
    )
    problems.extend(_twice(cabinets, "admin_email", lambda c: (c.said("admin_email"),)))
    problems.extend(_twice(invited, "email", lambda u: (u.said("code"), u.said("email")), "cabinet and e-mail"))
    problems.extend(
        _twice(
            assigned,
            "client",
            lambda a: (a.said("code"), a.said("client"), a.said("email")),
            "cabinet, client and e-mail",
        )
    )
    codes = frozenset(cabinet.said("code") for cabinet in cabinets)
    named: list[Parsed[Any]] = [*invited, *assigned]
    for row in named:
        problems.extend(_unknown(row, "code", codes, "is the code of no cabinet of the inventory"))
    if known_waves:
        names = frozenset({*known_waves, DEFAULT_WAVE})
        for cabinet in cabinets:
            problems.extend(_unknown(cabinet, "wave", names, "is no wave of the waves file"))
    if environment_connectors is not None:
        for cabinet in cabinets:
            problems.extend(_not_to_be_had(cabinet, environment_connectors))

    problems = sorted(
        dict.fromkeys(problems), key=lambda p: (p.level, p.file != str(path), p.file, p.sheet or "", p.line or 0)
    )
    if any(problem.level == "error" for problem in problems):
        raise InventoryRefused(problems)
    return Inventory(_assembled(cabinets, invited, assigned), known_waves, tuple(problems), str(path))


def _opened(files: Mapping[str, Path | None], problems: list[Problem]) -> Iterable[Document]:
    for section, file in files.items():
        if file is not None:
            try:
                yield open_document(Path(file), section)
            except InventoryRefused as refused:
                problems.extend(refused.problems)


def _tables(documents: Iterable[Document], problems: list[Problem]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for document in documents:
        for section, table in document.tables.items():
            if section in tables:
                rule = f"brings `{section}`, which {tables[section].file} brings too"
                problems.append(Problem(document.file, None, None, None, rule, "Give them in one file only"))
            tables.setdefault(section, table)
    return tables


def _rows(
    tables: Mapping[str, Table], section: str, kind: type[R], defaults: Row | None, problems: list[Problem]
) -> list[Parsed[R]]:
    return parse(tables[section], kind, defaults, problems) if section in tables else []


def _twice(
    rows: Iterable[Parsed[R]], column: str, key: Callable[[Parsed[R]], tuple[str, ...]], what: str = ""
) -> Iterable[Problem]:
    first: dict[tuple[str, ...], Parsed[R]] = {}
    for row in rows:
        folded = tuple(word.casefold() for word in key(row))
        if not all(folded):
            continue
        if folded in first:
            rule = f"stands on line {first[folded].line} already{f' ({what})' if what else ''}"
            yield row.problem(column, Broken(rule, "Keep one of the two, or correct it"))
        first.setdefault(folded, row)


def _unknown(row: Parsed[Any], column: str, known: Collection[str], rule: str) -> Iterable[Problem]:
    word = row.said(column)
    if word and word not in known:
        yield row.problem(column, Broken(rule, did_you_mean(word, known, "Correct it, or add it there")))


def _not_to_be_had(cabinet: Parsed[CabinetRow], available: Collection[str]) -> Iterable[Problem]:
    names = {name for connector in available for name in connector.split("+")}
    for system in System:
        named = getattr(cabinet.row, system.value, None)
        for name in sorted(set((named or "").split("+")) - names - {""}):
            fix = f"Use one of {', '.join(sorted(names))}" if names else "Leave the cell empty"
            yield cabinet.problem(system.value, Broken(f"this environment has no connector `{name}`", fix))


def _assembled(
    cabinets: Iterable[Parsed[CabinetRow]],
    invited: Iterable[Parsed[UserRow]],
    assigned: Iterable[Parsed[AssignmentRow]],
) -> tuple[Cabinet, ...]:
    invitations: dict[str, list[Invitation]] = defaultdict(list)
    assignments: dict[str, list[Assignment]] = defaultdict(list)
    for user in invited:
        if user.row:
            invitations[user.row.code].append(Invitation(**user.row.model_dump(exclude={"code"})))
    for client in assigned:
        if client.row:
            assignments[client.row.code].append(Assignment(**client.row.model_dump(exclude={"code"})))
    rows = (cabinet.row for cabinet in cabinets if cabinet.row)
    return tuple(cabinet_of(row, invitations[row.code], assignments[row.code]) for row in rows)
