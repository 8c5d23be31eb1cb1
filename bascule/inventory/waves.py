"""When a wave runs and how: its settings, strictly parsed. What a setting does is decided in `bascule.waves`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    ValidationError,
    model_validator,
)

from bascule.inventory import rules
from bascule.inventory.document import Document, Tree, first_cell
from bascule.inventory.rows import Code, Text
from bascule.model import ARRIVED, Outcome
from bascule.tables.cells import Cell
from bascule.tables.problems import Broken, Problem, did_you_mean
from bascule.tables.text import folded

REST = "rest"
LISTS = ("days", "blackout", "ramp", "priority")
"""Settings that are a list in YAML and, in a sheet, one cell with commas."""
FORMS = {
    "window": 'window: {from: "20:00", to: "06:00", days: [mon, tue]}',
    "days": "days: [mon, tue, wed, thu]",
    "blackout": "blackout: [calendar.yaml]",
    "ramp": 'ramp: [1, 5, "20%", rest]',
    "priority": "priority: [C0001, C0007]",
    "breaker": "breaker: {failures: 5, share: 0.1}",
    "requires": "requires: {wave: pilot, grade: ok}",
    "limits": "limits: {site: 1, ge: 5}",
}
"""How a setting that holds others is written."""


def _local(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?", value):
        raise Broken(
            "is no local date and time", "Write it as `2026-12-01T20:00`, without zone: each cabinet has its own"
        )
    return value


def _clock(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:00)?", value):
        raise Broken("is no time of day", 'Write it as `"20:00"`')
    return value


def _ramp_step(value: object) -> int | str:
    word = str(value).strip()
    if word == REST or re.fullmatch(r"(100|[1-9]\d?)%", word):
        return word
    if re.fullmatch(r"[1-9]\d{0,5}", word):
        return int(word)
    raise Broken("is no step of a ramp", 'Write a number of cabinets, a share such as `"20%"`, or `rest` at the end')


LocalTime = Annotated[NaiveDatetime, BeforeValidator(_local)]
ClockTime = Annotated[dt.time, BeforeValidator(_clock)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
RampStep = Annotated[int | str, BeforeValidator(_ramp_step)]
Count = Annotated[int, Field(ge=1, le=100_000)]
WaveName = Annotated[Text, AfterValidator(rules.wave)]


class Settings(BaseModel):
    """Descriptions make docs/waves.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class Window(Settings):
    """When work may begin, in the cabinet's zone."""

    from_: ClockTime = Field(alias="from", description="when it opens")
    to: ClockTime = Field(description="when it closes; earlier than `from`: the next morning")
    days: tuple[Day, ...] = Field((), description="the days on which it opens; none: every day")

    @model_validator(mode="after")
    def has_a_length(self) -> Window:
        if self.from_ == self.to:
            raise Broken("the window begins when it ends", "Choose another `to`, or leave the window out")
        return self


class Breaker(Settings):
    """When no further cabinet starts: as soon as the first of these is reached, the number itself included."""

    failures: Count | None = Field(None, description="cabinets that went wrong in one run")
    share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="share of the cabinets that ended, counted as if at least 20 had, or the whole wave where it is smaller",
    )
    consecutive: Count | None = Field(None, description="cabinets that went wrong one after the other")
    same_signature: Count | None = Field(
        None, description="cabinets with the same error: its text without numbers, codes and names"
    )
    strict: bool = Field(False, description="never more in flight than may still go wrong")


class Requires(Settings):
    """Another wave that must have ended with at least this grade."""

    wave: WaveName = Field(description="its name, in the same file")
    grade: Literal[Outcome.OK, Outcome.OK_WITH_RESERVATIONS] = Field(
        Outcome.OK, description="what its worst cabinet must have come to"
    )


class Limits(Settings):
    """How many cabinets may be in flight at once: at any one site, and on each system, where an agent answers for it."""

    site: Count | None = Field(None, description="at any one `site` of the inventory")
    my_sage: Count | None = Field(None, description="on agents of My Sage")
    ge: Count | None = Field(None, description="on agents of GE")
    s4a: Count | None = Field(None, description="on agents of Sage for Accountants")


class WaveSettings(Settings):
    """When and how a wave runs. Times are local to each cabinet."""

    start_after: LocalTime | None = Field(None, description="no cabinet begins before")
    complete_by: LocalTime | None = Field(
        None, description="no cabinet begins after, and no lock-out that could not end by then"
    )
    window: Window | None = None
    blackout: tuple[Text, ...] = Field(
        (), description="calendars (YAML or ICS) beside this file: what they close wins over every window"
    )
    ramp: tuple[RampStep, ...] = Field(
        (),
        description='sizes of the stages, such as `[1, 5, "20%", rest]`: a stage that ended ok, reservations included, begins'
        " the next; one in which a cabinet went wrong holds it; one that waits is waited for",
    )
    priority: tuple[Code, ...] = Field(
        (), description="codes of cabinets that start before all others, in this order: the first is the ramp's first"
    )
    concurrency: Count | None = Field(None, description="cabinets at once; none: the environment's")
    limits: Limits | None = None
    breaker: Breaker | None = None
    requires: Requires | None = None

    @model_validator(mode="after")
    def can_be_kept(self) -> WaveSettings:
        if self.start_after and self.complete_by and self.complete_by <= self.start_after:
            raise Broken("`complete_by` is not after `start_after`", "Correct one of the two")
        if REST in self.ramp[:-1]:
            raise Broken("`rest` is not the last step of the ramp", "Move it to the end")
        return self


def unsupported(settings: WaveSettings, enforced: frozenset[str]) -> tuple[str, ...]:
    """Settings that are set but that nothing enforces yet."""
    return tuple(name for name in settings.model_dump(exclude_defaults=True) if name not in enforced)


def parse_waves(document: Document, problems: list[Problem]) -> dict[str, WaveSettings]:
    """The waves of a file, written as YAML or as a sheet with a row each. Adds every problem to `problems`."""
    waves: dict[str, WaveSettings] = {}
    table = document.tables.get("waves")
    written = {**document.waves, **(_trees_of_rows(document, problems) if table else {})}
    for name, tree in written.items():
        try:
            rules.wave(name)
            waves[name] = WaveSettings.model_validate(_plain(tree))
        except Broken as broken:
            problems.append(_problem(document, name, (), tree, broken))
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                place = tuple(detail["loc"])
                problems.append(_problem(document, name, place, tree, _broken(detail, place)))
    for name, settings in waves.items():
        problems.extend(
            _problem(document, name, ("requires", "wave"), written[name], b) for b in _circles(name, settings, waves)
        )
    return waves


def flat(settings: WaveSettings) -> dict[str, str]:
    """The same settings as the cells of one row: `window_from`, `ramp` with commas."""
    return dict(_flattened(settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)))


def flat_columns() -> dict[str, tuple[str, ...]]:
    """Where a column of a sheet of waves belongs: `window_from` is `from` in `window`."""
    columns: dict[str, tuple[str, ...]] = {}
    groups: dict[str, type[Settings]] = {"window": Window, "limits": Limits, "breaker": Breaker, "requires": Requires}
    for name in WaveSettings.model_fields:
        fields = groups[name].model_fields if name in groups else None
        inner = [about.alias or setting for setting, about in fields.items()] if fields else []
        columns |= {f"{name}_{setting}": (name, setting) for setting in inner}
        columns |= {} if fields else {name: (name,)}
    return columns


def _flattened(said: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in said.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}_")
        else:
            yield prefix + name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _trees_of_rows(document: Document, problems: list[Problem]) -> dict[str, Tree]:
    table = document.tables["waves"]
    known = flat_columns()
    trees: dict[str, Tree] = {}

    def say(line: int | None, column: str | None, rule: str, fix: str) -> None:
        problems.append(Problem(document.file, line, column, None, rule, fix, sheet=table.sheet))

    columns = [folded(header) for header in table.headers]
    columns = ["wave" if column in ("wave", "vague") else column for column in columns]
    for header, column in zip(table.headers, columns, strict=True):
        if column and column not in known and column != "wave":
            say(
                table.header_line,
                header,
                "is no setting of a wave",
                did_you_mean(column, known, f"Known are: {', '.join(known)}"),
            )
    for row in table.rows:
        said = {c: cell for c, cell in zip(columns, row.cells, strict=True) if cell.text.strip()}
        name = said.pop("wave", Cell("", row.line)).text.strip()
        if not name or name in trees:
            say(
                row.line, "wave", "the wave stands twice" if name else "the row names no wave", "Give each wave one row"
            )
            continue
        tree: dict[str, Tree] = {}
        trees[name] = tree
        for column, cell in said.items():
            if cell.broken:
                say(cell.line, column, cell.broken.rule, cell.broken.fix)
            elif column in known:
                *groups, setting = known[column]
                target: Any = tree
                for group in groups:
                    target = target.setdefault(group, {})
                many = setting in LISTS
                target[setting] = [Cell(part.strip(), cell.line) for part in cell.text.split(",")] if many else cell
    return trees


def _plain(tree: Tree) -> Any:
    """What pydantic sees: empty cells are absent, and an empty wave has no settings."""
    if isinstance(tree, Cell):
        return tree.text or {}
    if isinstance(tree, list):
        return [_plain(item) for item in tree]
    return {key: _plain(value) for key, value in tree.items() if not (isinstance(value, Cell) and not value.text)}


def _broken(detail: Any, place: tuple[int | str, ...]) -> Broken:
    known = [column for columns in flat_columns().values() for column in columns]
    match detail:
        case {"ctx": {"error": Broken() as broken}}:
            return broken
        case {"type": "extra_forbidden"}:
            fix = did_you_mean(str(place[-1]), known, f"Known are: {', '.join(WaveSettings.model_fields)}")
            return Broken("is no setting of a wave", fix)
        case {"type": "missing"}:
            return Broken("is needed", "Fill it in")
        case {"type": "literal_error"}:
            return Broken("is not known here", f"Use one of {', '.join(_words_at(place))}")
        case {"type": "model_type" | "tuple_type"}:
            form = FORMS[str(place[-1])] if place else 'pilot: {window: {from: "20:00", to: "06:00"}}'
            return Broken("is written in another form", f"Write it as `{form}`")
        case _:
            return Broken(f"is not right: {detail['msg'].removeprefix('Input ')}", "Correct it")


def _words_at(place: tuple[int | str, ...]) -> tuple[str, ...]:
    """What may be said where one of a few words is meant."""
    return tuple(str(word) for word in (get_args(Day) if "days" in place else ARRIVED))


def _problem(document: Document, wave: str, place: tuple[int | str, ...], tree: Tree, broken: Broken) -> Problem:
    table = document.tables.get("waves")
    found, exact = _at(tree, place)
    cell = first_cell(found) or first_cell(tree)
    column = ".".join([wave, *(str(part) for part in place if not isinstance(part, int))])
    value = found.text if exact and isinstance(found, Cell) else None
    line = cell.line if cell else None
    return Problem(document.file, line, column, value, broken.rule, broken.fix, sheet=table.sheet if table else None)


def _at(tree: Tree, place: tuple[int | str, ...]) -> tuple[Tree, bool]:
    """What stands at a place; or, and then not exactly, what stands nearest above it."""
    for part in place:
        if isinstance(tree, dict) and part in tree:
            tree = tree[str(part)]
        elif isinstance(tree, list) and isinstance(part, int):
            tree = tree[part]
        else:
            return tree, False
    return tree, True


def _circles(name: str, settings: WaveSettings, waves: Mapping[str, WaveSettings]) -> Iterator[Broken]:
    """A wave that requires one that is not there, or, through others, itself."""
    required = settings.requires
    seen: set[str] = set()
    while required and required.wave not in seen:
        if required.wave == name:
            yield Broken("the wave would wait for itself", "Break the circle")
            return
        if required.wave not in waves and not seen:
            yield Broken("is no wave of this file", did_you_mean(required.wave, waves, "Add the wave"))
        seen.add(required.wave)
        required = waves[required.wave].requires if required.wave in waves else None
