"""From a table of an exported list to facts. What is odd about a firm's data is for the checks; what cannot be read is said here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo

from stdnum.fr import siren, siret

from bascule.connectors.extracts.dates import instant_in
from bascule.connectors.extracts.lists import CABINET, EXPORTED_AT, ExportedList
from bascule.connectors.extracts.mapping import ExtractsMapping, ListMapping, recognisable
from bascule.facts import Contact, DossierStatus, UserStatus
from bascule.model import Cabinet, System
from bascule.tables.cells import Table
from bascule.tables.numbers import refuse_if_spoilt
from bascule.tables.problems import Broken, Problem
from bascule.tables.text import mended_encoding

EXPORT_AGAIN = "Export the list again"

Convert = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Rows:
    facts: tuple[Any, ...] = ()
    unused: tuple[str, ...] = ()
    """Headers that the mapping does not name."""
    exported_at: datetime | None = None
    """The earliest instant that its lines state."""


@dataclass(slots=True)
class Told:
    """Problems of one table. The same one on many lines is told once, with the first of them."""

    table: Table
    _first: dict[Problem, int | None] = field(default_factory=dict)
    _times: Counter[Problem] = field(default_factory=Counter)

    def say(self, line: int | None, column: str | None, value: str | None, broken: Broken) -> None:
        problem = Problem(self.table.file, None, column, value, broken.rule, broken.fix, sheet=self.table.sheet)
        self._first.setdefault(problem, line)
        self._times[problem] += 1

    def problems(self) -> list[Problem]:
        return [
            replace(problem, line=line, rule=problem.rule + _and_more(self._times[problem] - 1))
            for problem, line in self._first.items()
        ]


def read_rows(
    table: Table, system: System, one: ExportedList, mapping: ExtractsMapping, cabinet: Cabinet, problems: list[Problem]
) -> Rows:
    """The rows that were understood; all that was not is added to `problems`."""
    told = Told(table)
    of_list = mapping.lists[system][one.name]
    columns, unused = _columns(table, of_list, f"{system.value}.{one.name}", one, told)
    stated: list[datetime] = []
    facts = () if told.problems() else tuple(_facts(table, columns, one, mapping, cabinet, told, stated))
    problems.extend(told.problems())
    return Rows(facts, unused, min(stated, default=None))


def _columns(
    table: Table, of_list: ListMapping, part: str, one: ExportedList, told: Told
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Which field stands in which column, and the headers that no field claims."""
    columns: dict[str, int] = {}
    unused: list[str] = []
    for place, header in enumerate(table.headers):
        name = of_list.fields.get(recognisable(header))
        if name is None:
            unused.append(header)
            if mended_encoding(header) != header:
                broken = Broken(f"was read once in the wrong encoding, for `{mended_encoding(header)}`", EXPORT_AGAIN)
                told.say(table.header_line, header, None, broken)
        elif name in columns:
            other = table.headers[columns[name]]
            rule = "the column stands twice" if other == header else f"means the same as the column `{other}`"
            broken = Broken(rule, f"Export it once, or keep one of the two headers under {part}.{name} of the mapping")
            told.say(table.header_line, header, None, broken)
        else:
            columns[name] = place
    for name in one.fields:
        if name not in columns and one.needs(name):
            known = of_list.headers[name]
            others = f" or {', '.join(f'`{header}`' for header in known[1:])}" if known[1:] else ""
            fix = f"Export it as `{known[0]}`{others}, or write its header under {part}.{name} of the mapping"
            told.say(table.header_line, known[0], None, Broken("the column is missing", fix))
    return columns, tuple(header for header in unused if header.strip())


def _facts(
    table: Table,
    columns: Mapping[str, int],
    one: ExportedList,
    mapping: ExtractsMapping,
    cabinet: Cabinet,
    told: Told,
    stated: list[datetime],
) -> list[Any]:
    """`stated`: when the lines say that they were exported is added to it."""
    converters = _converters(one, mapping, cabinet)
    reads = [(name, place, converters[name]) for name, place in columns.items()]
    absent = {name: "" if name == "address" else None for name in one.may_lack - columns.keys()}
    whole = len(fields(one.of))
    found = []
    for row in table.rows:
        values: dict[str, Any] = dict(absent)
        for name, place, convert in reads:
            cell = row.cells[place]
            try:
                if cell.broken is not None:
                    raise cell.broken
                values[name] = convert(cell.text)
            except Broken as broken:
                told.say(cell.line, table.headers[place], cell.text or None, broken)
        values.pop(CABINET, None)
        if (exported_at := values.pop(EXPORTED_AT, None)) is not None:
            stated.append(exported_at)
        if one.of is Contact and not values.get("id"):
            values["id"] = f"{table.file}:{row.line}"  # two contacts without one are never the same
        if len(values) == whole:
            found.append(one.of(**values))
    return found


def _converters(one: ExportedList, mapping: ExtractsMapping, cabinet: Cabinet) -> dict[str, Convert]:
    by_type: dict[Any, Convert] = {
        str: _text,
        str | None: _text_or_none,
        bool: _word("yes_no", mapping, lambda meaning: meaning == "yes"),
        DossierStatus: _word("status", mapping, DossierStatus),
        UserStatus: _word("user_status", mapping, UserStatus),
    }
    hints = get_type_hints(one.of)
    by_name: dict[str, Convert] = {
        name: _number(by_type[hints[name]], length, valid)
        for name, length, valid in (("siren", 9, siren.is_valid), ("siret", 14, siret.is_valid))
        if name in hints
    }
    of_no_fact = {CABINET: _ours(cabinet), EXPORTED_AT: _instant(cabinet)}
    if one.told_as == "rights" and mapping.right_names is not None:
        by_name["right"] = _among(mapping.right_names)
    return {field.name: by_type[hints[field.name]] for field in fields(one.of)} | by_name | of_no_fact


def _text(text: str) -> str:
    if text.startswith("="):
        raise Broken("holds a formula, which is not read", "Export the list again, with values only")
    return text


def _text_or_none(text: str) -> str | None:
    return _text(text) if text.strip() else None


def _number(otherwise: Convert, length: int, is_valid: Callable[[str], bool]) -> Convert:
    def convert(text: str) -> object:
        refuse_if_spoilt("".join(text.split()), length, is_valid)
        return otherwise(text)

    return convert


def _word(kind: str, mapping: ExtractsMapping, meaning: Callable[[str], object]) -> Convert:
    known = mapping.words[kind]
    seen: dict[str, object] = {}

    def convert(text: str) -> object:
        if text not in seen:
            word = recognisable(text)
            if word not in known:
                rule = "is not known as a word here" if text.strip() else "is empty, where a word is wanted"
                raise Broken(rule, f"Add it under words.{kind} of the mapping, to what it means")
            seen[text] = meaning(known[word])
        return seen[text]

    return convert


def _among(names: tuple[str, ...]) -> Convert:
    known = {" ".join(name.split()).casefold() for name in names}

    def convert(text: str) -> object:
        if " ".join(text.split()).casefold() not in known:
            raise Broken(
                "is no right that the mapping names", "Add it to ge.droits.all of the mapping, or remove that key"
            )
        return text

    return convert


def _instant(cabinet: Cabinet) -> Convert:
    zone = ZoneInfo(cabinet.timezone)
    seen: dict[str, datetime | None] = {"": None}

    def convert(text: str) -> object:
        if text not in seen:
            seen[text] = instant_in(text, zone) if text.strip() else None
        return seen[text]

    return convert


def _ours(cabinet: Cabinet) -> Convert:
    def convert(text: str) -> object:
        if text.strip() and "".join(text.split()).upper() not in (cabinet.siren, cabinet.code):
            raise of_another(cabinet)
        return text

    return convert


def of_another(cabinet: Cabinet) -> Broken:
    return Broken(
        f"is another cabinet: {cabinet.code} has the SIREN {cabinet.siren}",
        f"Put here what was exported for {cabinet.code}",
    )


def _and_more(lines: int) -> str:
    return f" (and {lines:,} more line{'s' if lines > 1 else ''})" if lines else ""
