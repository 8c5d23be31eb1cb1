"""YAML, read event by event: every scalar stays text, and nothing is expanded, nested deep or said twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from bascule.inventory.document import ACCEPTED, SECTIONS, Document, Tree, first_cell
from bascule.inventory.refusing import InventoryRefused
from bascule.tables.cells import MAX_COLUMNS, Cell, Row, Table
from bascule.tables.problems import Broken, Problem, did_you_mean

MAX_DEPTH = 8
MAX_SCALARS = 2 * ACCEPTED.rows * 20
EMPTY = re.compile(r"~|null|Null|NULL|")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, file: str) -> Document:
    document = Document(file)
    try:
        tree = _Builder(text, document).tree()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        rule = f"cannot be parsed as YAML: {error.problem or error.context}"
        fix = "Check indentation, colons and quotes"
        raise InventoryRefused([Problem(file, mark.line + 1 if mark else None, None, None, rule, fix)]) from None
    except yaml.YAMLError:
        raise Broken(
            "holds characters that YAML does not allow", "Save it as UTF-8, without control characters"
        ) from None
    if not isinstance(tree, dict):
        raise Broken("is not a mapping", "Begin with `cabinets:`")
    for key, part in tree.items():
        section = next((section for section, names in SECTIONS.items() if key.casefold() in names), None)
        if section is None:
            fix = did_you_mean(key, SECTIONS, f"Known are: {', '.join(SECTIONS)}")
            document.problems.append(Problem(file, _line_of(part), key, None, "is no section of an inventory", fix))
        elif section == "defaults" and isinstance(part, dict):
            document.defaults = _row(part, _line_of(part) or 1)
        elif section == "waves" and isinstance(part, dict):
            document.waves = part
        elif section in ("cabinets", "users", "assignments") and isinstance(part, list):
            document.tables[section] = _table(part, section, document)
        elif part != [] and not (isinstance(part, Cell) and not part.text):
            shape = "a mapping" if section in ("defaults", "waves") else "a list of rows, each begun by `-`"
            document.problems.append(Problem(file, _line_of(part), key, None, f"is not {shape}", f"Make it {shape}"))
    return document


def _table(part: list[Tree], section: str, document: Document) -> Table:
    if len(part) > ACCEPTED.rows:
        raise Broken(f"has more than {ACCEPTED.rows:,} rows under `{section}`", "Split the file")
    table = Table(document.file, section, None, (), [])
    for number, item in enumerate(part, start=1):
        line = _line_of(item)
        if isinstance(item, dict) and item:
            table.rows.append(_row(item, line or 1))
        else:
            rule, fix = f"row {number} is not a mapping", "Write it as `- code: ...`"
            document.problems.append(Problem(document.file, line, section, None, rule, fix))
    return table


def _row(item: dict[str, Tree], line: int) -> Row:
    nested = Broken("is a list or a mapping where a text is wanted", "Write one value")
    cells = [
        value if isinstance(value, Cell) else Cell("…", _line_of(value) or line, nested) for value in item.values()
    ]
    return Row(line, tuple(item), cells)


def _line_of(tree: Tree) -> int | None:
    cell = first_cell(tree)
    return cell.line if cell else None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Builder:
    """Builds the tree from the parser's events, so that a bomb is refused before it is expanded."""

    def __init__(self, text: str, document: Document) -> None:
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        self._document = document
        self._scalars = 0

    def tree(self) -> Tree:
        opening = (yaml.StreamStartEvent, yaml.DocumentStartEvent)
        event = next(event for event in self._events if not isinstance(event, opening))
        tree = Cell("", 1) if isinstance(event, yaml.StreamEndEvent) else self._node(event, depth=1)
        if any(isinstance(event, yaml.DocumentStartEvent) for event in self._events):
            raise Broken("holds several YAML documents", "Keep one: remove the `---` between them")
        return tree

    def _node(self, event: yaml.Event, depth: int) -> Tree:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            rule = "uses YAML anchors or aliases (`&`, `*`), which are not read"
            raise self._refused(event, rule, "Write what all rows share under `defaults:`")
        if depth > MAX_DEPTH:
            raise self._refused(event, f"is nested more than {MAX_DEPTH} levels deep", "Write it flat")
        if isinstance(event, yaml.ScalarEvent):
            self._scalars += 1
            if self._scalars > MAX_SCALARS:
                raise self._refused(event, f"holds more than {MAX_SCALARS:,} values", "Split the file")
            empty = not event.style and EMPTY.fullmatch(event.value)
            return Cell("" if empty else event.value, _line(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return list(self._items(yaml.SequenceEndEvent, depth))
        return self._mapping(depth)

    def _items(self, end: type[yaml.Event], depth: int) -> Iterator[Tree]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield self._node(event, depth + 1)

    def _mapping(self, depth: int) -> dict[str, Tree]:
        mapping: dict[str, Tree] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Cell):
                raise self._refused(event, "a list or a mapping is used as a key", "Use a plain word")
            if len(mapping) == MAX_COLUMNS and depth > 2:
                raise self._refused(event, f"has more than {MAX_COLUMNS} keys", "Check the indentation")
            if key.text in mapping:
                problem = Problem(
                    self._document.file, key.line, key.text, None, "the key stands twice in one mapping", "Remove one"
                )
                self._document.problems.append(problem)
            mapping[key.text] = value
        return mapping

    def _refused(self, event: yaml.Event, rule: str, fix: str) -> InventoryRefused:
        return InventoryRefused([Problem(self._document.file, _line(event), None, None, rule, fix)])
