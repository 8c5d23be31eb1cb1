"""A folder of exported lists, read whole: all that it says, or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bascule.connectors.extracts.dates import SIDECAR, sidecar_in
from bascule.connectors.extracts.lists import LISTS, ExportedList
from bascule.connectors.extracts.mapping import ExtractsMapping, ListMapping, recognisable
from bascule.connectors.extracts.rows import EXPORT_AGAIN, of_another, read_rows
from bascule.errors import BasculeError
from bascule.facts import GeLists, S4aLists, Untold
from bascule.model import Cabinet, System
from bascule.tables.cells import Table
from bascule.tables.from_csv import read_csv
from bascule.tables.from_xlsx import dates_in, sheets_of, table_of
from bascule.tables.opening import Accepted, content_of, text_of
from bascule.tables.problems import Broken, Problem
from bascule.tables.text import mended_encoding

ACCEPTED = Accepted(bytes=100 * 1024**2, rows=500_000, endings=".csv or .xlsx", if_empty=EXPORT_AGAIN)
ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".xls")
TOLD = 5


class ExtractsUnreadable(BasculeError):
    """The exported lists cannot be used."""

    def __init__(self, folder: Path, cabinet: Cabinet, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = " ".join(str(problem) for problem in problems[:TOLD])
        more = f" And {len(problems) - TOLD} more." if len(problems) > TOLD else ""
        super().__init__(
            f"{cabinet.code}: the exported lists in {folder} cannot be used. {first}{more}",
            remedy=f"export them again into {folder}; bascule doctor --extracts shows all that is wrong",
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it lay there; it is another one when any of this differs."""

    path: Path
    modified_ns: int
    size: int

    @property
    def modified_at(self) -> datetime:
        try:
            return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)
        except (ValueError, OverflowError):
            # Some file systems hold more than a calendar does.
            return datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadList:
    """One list, as far as it was there and was understood."""

    of: ExportedList
    found: Found | None = None
    rows: tuple[Any, ...] = ()
    unused: tuple[str, ...] = ()
    """Headers that the mapping does not name."""
    problems: tuple[Problem, ...] = ()
    stated_at: tuple[datetime, ...] = ()
    """When it was made, as its lines, or a workbook's own properties, say."""
    ends_open: bool | None = None
    """Whether the last line has no line end; None where there are no lines."""

    @property
    def made_at(self) -> datetime | None:
        """The earliest of what the file says and when it was written: who copies or unpacks it makes no old list new."""
        return min((self.found.modified_at, *self.stated_at)) if self.found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFolder:
    path: Path
    lists: tuple[ReadList, ...]
    unused: tuple[str, ...]
    """Files that are no list."""
    stated_at: datetime | None = None
    """When all of it was exported, as the file beside the lists says."""
    wrong: tuple[Problem, ...] = ()
    """What is wrong with the folder itself."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        return (*self.wrong, *(problem for one in self.lists for problem in one.problems))

    @property
    def taken_at(self) -> datetime:
        """When the oldest of its lists was made, if there is one."""
        made_at = [one.made_at for one in self.lists if one.made_at is not None]
        return min(made_at if self.stated_at is None else [*made_at, self.stated_at])


def read_ge(folder: Path, mapping: ExtractsMapping, cabinet: Cabinet) -> GeLists:
    """Raises ExtractsUnreadable with every problem of every file."""
    read = _whole(examine(System.GE, folder, mapping, cabinet), cabinet)
    rows = {one.of.told_as: one.rows for one in read.lists}
    occurring = {" ".join(right.right.split()).casefold(): right.right for right in reversed(rows["rights"])}
    names = mapping.right_names or tuple(sorted(occurring.values()))
    return GeLists(cabinet=cabinet.code, taken_at=read.taken_at, right_names=names, **rows)


def read_s4a(folder: Path, mapping: ExtractsMapping, cabinet: Cabinet) -> S4aLists:
    """Raises ExtractsUnreadable with every problem of every file."""
    read = _whole(examine(System.S4A, folder, mapping, cabinet), cabinet)
    unknown = (
        *(Untold(one.of.told_as) for one in read.lists if one.found is None),
        Untold.DEFAULT_PROFILE,  # no list has a place for these two
        Untold.DEFAULT_GROUP,
    )
    rows = {one.of.told_as: one.rows for one in read.lists}
    return S4aLists(
        cabinet=cabinet.code,
        taken_at=read.taken_at,
        default_profile=None,
        default_group=None,
        unknown=unknown,
        **rows,
    )


def examine(system: System, folder: Path, mapping: ExtractsMapping, cabinet: Cabinet) -> ReadFolder:
    """What is in the folder of one cabinet, list by list, whatever state it is in."""
    mapped = mapping.lists[system]
    files = files_in(folder)
    by_list: dict[str, list[Found]] = {one.name: [] for one in LISTS[system]}
    unused = []
    for file in files:
        name = _list_of(file.path, mapped)
        if file.path.name == SIDECAR:
            continue
        if name is None:
            unused.append(file.path.name)
        else:
            by_list[name].append(file)
    lists = [
        _read(system, one, folder, by_list[one.name], mapping, cabinet)
        if by_list[one.name]
        else _absent(one, folder, mapped)
        for one in LISTS[system]
    ]
    wrong: list[Problem] = []
    stated_at = None
    try:
        stated_at = sidecar_in(folder, ZoneInfo(cabinet.timezone))
    except Broken as broken:
        wrong.append(Problem(f"{folder.name}/{SIDECAR}", None, None, None, broken.rule, broken.fix))
    return ReadFolder(
        path=folder,
        lists=tuple(_with_cut_ones_told(lists)),
        unused=tuple(unused),
        stated_at=stated_at,
        wrong=tuple(wrong),
    )


def files_in(folder: Path) -> tuple[Found, ...]:
    """Those that may be lists. A folder that is not there has none."""
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith((".", "~"))]
        stats = [(path, path.stat()) for path in sorted(paths) if path.suffix.lower() in ENDINGS]
    except OSError:
        return ()
    return tuple(Found(path, about.st_mtime_ns, about.st_size) for path, about in stats)


def needed_in(system: System, mapping: ExtractsMapping) -> str:
    """`entites, profils, …`: what is to be exported."""
    return ", ".join(one.name for one in LISTS[system] if one.needed and one.name in mapping.lists[system])


def _whole(read: ReadFolder, cabinet: Cabinet) -> ReadFolder:
    if read.problems:
        raise ExtractsUnreadable(read.path, cabinet, read.problems)
    return read


def _list_of(path: Path, mapped: Mapping[str, ListMapping]) -> str | None:
    """The list with the longest beginning that this file's name has."""
    name = recognisable(path.stem)
    beginnings = [
        (len(word), one) for one, of in mapped.items() for word in map(recognisable, of.files) if name.startswith(word)
    ]
    return max(beginnings)[1] if beginnings else None


def _absent(one: ExportedList, folder: Path, mapped: Mapping[str, ListMapping]) -> ReadList:
    if not one.needed:
        return ReadList(of=one)
    names = " or ".join(f"`{word}`" for word in mapped[one.name].files)
    fix = f"Export it as .csv or .xlsx under a name that begins with {names}"
    missing = Problem(f"{folder.name}/{one.name}", None, None, None, "is not there", fix)
    return ReadList(of=one, problems=(missing,))


def _read(
    system: System,
    one: ExportedList,
    folder: Path,
    files: Sequence[Found],
    mapping: ExtractsMapping,
    cabinet: Cabinet,
) -> ReadList:
    file, *others = files
    named = f"{folder.name}/{file.path.name}"
    problems: list[Problem] = []
    for other in others:
        rule = f"is a second file of the list {one.name}, beside {file.path.name}"
        problems.append(Problem(f"{folder.name}/{other.path.name}", None, None, None, rule, "Keep the newer one only"))
    try:
        content = content_of(file.path, ACCEPTED)
        is_workbook = file.path.suffix.lower() == ".xlsx"
        table = _from_workbook(content, named, problems) if is_workbook else _from_text(content, named, problems)
        own = dates_in(content) if is_workbook else ()
    except Broken as broken:
        problems.append(Problem(named, None, None, None, broken.rule, broken.fix))
        return ReadList(of=one, found=file, problems=tuple(problems))
    rows = read_rows(table, system, one, mapping, cabinet, problems)
    if one.told_as == "entities":
        problems.extend(_foreign(rows.facts, table, cabinet))
    return ReadList(
        of=one,
        found=file,
        rows=rows.facts,
        unused=rows.unused,
        stated_at=(*own, *((rows.exported_at,) if rows.exported_at else ())),
        problems=tuple(problems),
        ends_open=None if is_workbook else not content.endswith((b"\n", b"\r")),
    )


def _from_workbook(content: bytes, file: str, problems: list[Problem]) -> Table:
    """The only sheet, or the first that is filled."""
    with sheets_of(content, ACCEPTED) as sheets:
        for sheet in sheets:
            table = table_of(sheet, file, problems, at_most=ACCEPTED.rows)
            if table.headers:
                return table
    raise Broken("holds no filled sheet", EXPORT_AGAIN)


def _from_text(content: bytes, file: str, problems: list[Problem]) -> Table:
    text = text_of(content)
    misshapen: list[Problem] = []
    table = read_csv(text, file, misshapen, at_most=ACCEPTED.rows)
    last_line = table.rows[-1].line if table.rows else 0
    for problem in misshapen:
        is_last = problem is misshapen[-1] and (problem.line or 0) > last_line
        rule = f"{problem.rule}; it is the last row, so the list may be cut off" if is_last else problem.rule
        problems.append(replace(problem, rule=rule, fix=EXPORT_AGAIN))
    if not _is_utf8(content):
        problems.extend(_mixed(table, text))
    return table


def _mixed(table: Table, text: str) -> Iterator[Problem]:
    """The first cell that is UTF-8 in a file that is not."""
    if mended_encoding(text) == text:
        return
    for row in table.rows:
        for header, cell in zip(row.headers, row.cells, strict=True):
            if (meant := mended_encoding(cell.text)) != cell.text:
                rule = f"is UTF-8 for `{meant}` in a file that is otherwise in Windows-1252"
                fix = f"{EXPORT_AGAIN}, in one encoding, or mend the value at its source"
                yield Problem(table.file, cell.line, header, cell.text, rule, fix)
                return


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _foreign(entities: Sequence[Any], table: Table, cabinet: Cabinet) -> Iterator[Problem]:
    """An entity without a SIREN is for the checks; entities of which all have another one are of another cabinet."""
    numbers = sorted({number for entity in entities if (number := "".join(entity.siren.split()))})
    if numbers and cabinet.siren not in numbers:
        broken = of_another(cabinet)
        yield Problem(table.file, None, "SIREN", ", ".join(numbers), broken.rule, broken.fix, sheet=table.sheet)


def _with_cut_ones_told(lists: Sequence[ReadList]) -> Iterator[ReadList]:
    """Some tools end no file with a line end. But where the other lists have one, the list without was cut off."""
    if not any(one.ends_open is False for one in lists):
        yield from lists
        return
    for one in lists:
        if one.ends_open and one.found:
            file = f"{one.found.path.parent.name}/{one.found.path.name}"
            rule = "its last line does not end, as that of the other lists does: it may be cut off"
            yield replace(one, problems=(*one.problems, Problem(file, None, None, None, rule, EXPORT_AGAIN)))
        else:
            yield one


READERS: Mapping[System, Callable[[Path, ExtractsMapping, Cabinet], GeLists | S4aLists]] = {
    System.GE: read_ge,
    System.S4A: read_s4a,
}
