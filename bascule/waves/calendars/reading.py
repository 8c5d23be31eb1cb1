"""From the names in a waves file to what is closed and when."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bascule.errors import BasculeError
from bascule.inventory import Inventory
from bascule.tables.opening import Accepted, content_of, text_of
from bascule.tables.problems import Broken, Problem, render
from bascule.waves.calendars.from_ics import closed_by_ics
from bascule.waves.calendars.from_yaml import closed_by_yaml
from bascule.waves.when import Blackout, ClosedDays

ACCEPTED = Accepted(
    bytes=2 * 1024**2,
    rows=10_000,
    endings=".yaml or .ics",
    if_empty="Write what is closed, or take the calendar out of `blackout`",
)
PARSERS = {".yaml": closed_by_yaml, ".yml": closed_by_yaml, ".ics": closed_by_ics}
YEARS = range(2000, 2101)
SHOWN_PROBLEMS = 20


class CalendarRefused(BasculeError):
    """A blackout calendar cannot be read, so nobody knows when the wave must not run."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            render(self.problems, at_most=SHOWN_PROBLEMS),
            remedy="correct the calendar, or take it out of the wave's `blackout`",
        )


@dataclass(frozen=True, slots=True)
class Calendar:
    """What is closed, and by which file."""

    name: str
    file: str
    closed: tuple[Blackout, ...]


def read_calendars(names: Iterable[str], beside: Path | None = None) -> tuple[Calendar, ...]:
    """The calendars that a waves file names, found beside it or else in the working folder. Raises CalendarRefused."""
    return tuple(read_calendar(_found(name, beside)) for name in names)


def read_calendar(path: Path) -> Calendar:
    """One file, by its ending. Raises CalendarRefused, with every problem that was found."""
    return _understood(str(path), _text_of(path))


def with_calendars(inventory: Inventory, beside: Path, needed: Collection[str] = ()) -> Inventory:
    """The inventory with the text of what its waves name, so that they keep their rules wherever they are run from later.

    Looked for as `read_calendars` does. Raises CalendarRefused where one that is `needed` cannot be read.
    """
    names = dict.fromkeys(name for wave in inventory.waves.values() for name in wave.blackout)
    texts = dict(inventory.calendars)
    for name in names:
        try:
            texts[name] = _text_of(_found(name, beside))
        except CalendarRefused:
            if name in needed:
                raise
    return replace(inventory, calendars=texts)


def calendars_of(inventory: Inventory, names: Iterable[str]) -> tuple[Calendar, ...]:
    """These calendars as they were kept with the inventory: no folder is looked into. Raises CalendarRefused."""
    names = tuple(names)
    not_kept = [name for name in names if name not in inventory.calendars]
    if not_kept:
        rule, fix = (
            "is named by the wave, and this version of the inventory does not hold it",
            "Store it once more: bascule run, or bascule inventory import, with the inventory and its --waves",
        )
        raise CalendarRefused(Problem(name, None, None, None, rule, fix) for name in not_kept)
    return tuple(_understood(name, inventory.calendars[name]) for name in names)


def _text_of(path: Path) -> str:
    try:
        if path.suffix.lower() not in PARSERS:
            raise Broken(f"calendars ending in `{path.suffix.lower()}` are not read", ACCEPTED.wanted)
        return text_of(content_of(path, ACCEPTED))
    except Broken as broken:
        raise CalendarRefused([Problem(str(path), None, None, None, broken.rule, broken.fix)]) from None


def _understood(file: str, text: str) -> Calendar:
    problems: list[Problem] = []
    try:
        name, closed = PARSERS[Path(file).suffix.lower()](text, file, problems)
        if len(closed) > ACCEPTED.rows:
            raise Broken(f"closes more than {ACCEPTED.rows:,} times", "Give what repeats an end, or split the file")
        if far := next((one for one in closed if not _within_reach(one)), None):
            raise Broken(f"closes {far.name!r} outside the years 2000 to 2100", "Correct the date")
        if not closed and not problems:
            raise Broken("closes nothing", ACCEPTED.if_empty)
    except Broken as broken:
        raise CalendarRefused([Problem(file, None, None, None, broken.rule, broken.fix)]) from None
    if problems:
        raise CalendarRefused(problems)
    return Calendar(name or Path(file).stem, file, tuple(closed))


def _within_reach(closed: Blackout) -> bool:
    ends = (closed.first, closed.last) if isinstance(closed, ClosedDays) else (closed.begins, closed.ends)
    return all(end.year in YEARS for end in ends)


def _found(name: str, beside: Path | None) -> Path:
    places = [*([beside.parent / name] if beside else []), Path(name)]
    return next((place for place in places if place.exists()), places[-1])
