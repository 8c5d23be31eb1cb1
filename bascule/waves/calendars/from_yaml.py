"""A calendar that people write.

```yaml
name: What this is a calendar of
zone: Europe/Paris                      # of `from` and `to`; whole days are each cabinet's own
closed:
  - name: VAT returns of the month
    source: https://...                 # where the dates come from
    year: 2026                          # and of which year they are
    days: [2026-12-15/2026-12-24, 2027-01-06]
  - {name: upkeep of S4A, from: 2026-12-05T20:00, to: 2026-12-06T02:00}
```
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NaiveDatetime, ValidationError

from bascule.tables.problems import Broken, Problem, did_you_mean
from bascule.waves.when import Blackout, ClosedDays, ClosedHours

MAX_DEPTH = 6

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def closed_by_yaml(text: str, file: str, problems: list[Problem]) -> tuple[str, list[Blackout]]:
    """The calendar's name, and what it closes. Adds to `problems`; raises Broken where nothing can be made of the file."""
    try:
        _refuse_tricks(text)
        tree = yaml.compose(text, Loader=_PARSER)
        written = _plain(tree)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        rule, fix = (
            f"cannot be parsed as YAML: {error.problem or error.context}",
            "Check indentation, colons and quotes",
        )
        problems.append(Problem(file, mark.line + 1 if mark else None, None, None, rule, fix))
        return "", []
    except yaml.YAMLError:
        raise Broken("holds characters that YAML does not allow", "Save it as UTF-8") from None
    if not isinstance(written, dict):
        raise Broken("is no calendar", "Begin with `name:`, then `closed:`")
    try:
        calendar = _Calendar.model_validate(written)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            place = tuple(detail["loc"])
            problems.append(_problem(file, tree, place, _broken(detail, place)))
        return "", []
    closed: list[Blackout] = []
    for number, entry in enumerate(calendar.closed):
        try:
            closed += entry.periods(calendar.zone)
        except Broken as broken:
            problems.append(_problem(file, tree, ("closed", number), broken))
    return calendar.name, closed


def _days(value: object) -> tuple[date, date]:
    first, slash, last = str(value).partition("/")
    try:
        days = date.fromisoformat(first.strip()), date.fromisoformat((last if slash else first).strip())
    except ValueError:
        fix = "Write `2026-12-24`, or `2026-12-24/2026-12-26` for all days from one to the other"
        raise Broken("is no day", fix) from None
    if days[1] < days[0]:
        raise Broken("ends before it begins", "Write the first day, a slash, and the last day")
    return days


def _clock(value: object) -> datetime:
    try:
        clock = datetime.strptime(str(value), "%Y-%m-%dT%H:%M")  # noqa: DTZ007  the zone stands above
    except ValueError:
        raise Broken("is no local date and time", "Write `2026-12-05T20:00`; the zone goes into `zone`") from None
    return clock


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise Broken("is no time zone", "Write an IANA name such as `Europe/Paris`") from None


Name = Annotated[str, Field(min_length=1, max_length=200)]
Days = Annotated[tuple[date, date], BeforeValidator(_days)]
Clock = Annotated[NaiveDatetime, BeforeValidator(_clock)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Closed(_Written):
    name: Name
    source: str = ""
    year: int | None = None
    days: tuple[Days, ...] = ()
    from_: Clock | None = Field(None, alias="from")
    to: Clock | None = None

    def periods(self, zone: ZoneInfo | None) -> Iterator[Blackout]:
        if not (self.days or self.from_ or self.to):
            raise Broken("closes nothing", "Give it `days`, or `from` and `to`")
        yield from (ClosedDays(self.name, first, last) for first, last in self.days)
        if not (self.from_ or self.to):
            return
        if self.from_ is None or self.to is None:
            raise Broken("has only one of `from` and `to`", "Give both, or neither")
        if zone is None:
            raise Broken("is at an hour without a time zone", "Write `zone: Europe/Paris` above `closed:`")
        begins, ends = self.from_.replace(tzinfo=zone), self.to.replace(tzinfo=zone)
        if ends <= begins:
            raise Broken("ends before it begins", "Write the later of the two as `to`")
        yield ClosedHours(self.name, begins, ends)


class _Calendar(_Written):
    name: Name
    zone: Zone | None = None
    closed: tuple[_Closed, ...]


def _refuse_tricks(text: str) -> None:
    """No aliases, which expand; nothing nested deep; and nothing said twice, of which one would be lost."""
    depth = 0
    for event in yaml.parse(text, Loader=_PARSER):
        if isinstance(event, yaml.AliasEvent):
            raise Broken("uses YAML aliases (`*`), which are not read", "Write each entry out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise Broken(f"is nested more than {MAX_DEPTH} levels deep", "Write it flat")


def _plain(node: yaml.Node | None) -> Any:
    """Every scalar stays text, so that a day is what was written. Empty is absent."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
            raise Broken(
                f"has a list where a word should be, on line {node.start_mark.line + 1}", "Write `name: value`"
            )
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            line = node.start_mark.line + 1
            raise Broken(f"says `{twice}` twice in what begins on line {line}", "Keep one")
        return {key.value: inner for key, value in node.value if (inner := _plain(value)) is not None}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return node.value or None if node else None


def _broken(detail: Any, place: tuple[int | str, ...]) -> Broken:
    match detail:
        case {"ctx": {"error": Broken() as broken}}:
            return broken
        case {"type": "extra_forbidden"}:
            known = [about.alias or name for name, about in _fields_at(place).items()]
            return Broken(
                "is nothing that is read here", did_you_mean(str(place[-1]), known, f"Known are: {', '.join(known)}")
            )
        case {"type": "missing"}:
            return Broken("is needed", "Fill it in")
        case _:
            return Broken(f"is not right: {detail['msg'].removeprefix('Input ')}", "Correct it")


def _fields_at(place: tuple[int | str, ...]) -> dict[str, Any]:
    return dict((_Calendar if len(place) == 1 else _Closed).model_fields)


def _problem(file: str, tree: yaml.Node | None, place: tuple[int | str, ...], broken: Broken) -> Problem:
    """With the line of what stands at that place, or nearest above it, and entries counted from 1 as people do."""
    node = tree
    for part in place:
        node = _inside(node, part) or node
    column = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
    value = node.value if isinstance(node, yaml.ScalarNode) else None
    return Problem(file, node.start_mark.line + 1 if node else None, column, value, broken.rule, broken.fix)


def _inside(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    found: yaml.Node | None = None
    if isinstance(node, yaml.MappingNode):
        found = next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        found = node.value[part]
    return found
